//! A catalogue of files: the tree of documents of a CMEMS-like catalogue, and a server of files that counts what it sends and
//! fails when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use stac_broker::federation::{Kind, Member};
use url::Url;

/// Documents by their path below the root.
pub type Tree = BTreeMap<String, String>;

/// A catalogue as Copernicus Marine lays it out: a Catalog, a folder for each product Collection, a folder in it for each
/// dataset Item, hrefs relative to the document that holds them. Every second Item does not name its Collection.
pub fn tree(collections: &[Value], items: &[Value]) -> Tree {
    let mut tree = Tree::new();
    let mut children = Vec::new();
    let mut of: HashMap<&str, Vec<&Value>> = HashMap::new();
    for item in items {
        of.entry(item["collection"].as_str().unwrap()).or_default().push(item);
    }
    for collection in collections {
        let id = collection["id"].as_str().unwrap();
        children.push(json!({"rel": "child", "href": format!("{id}/product.stac.json"), "title": collection["title"]}));
        let mut links = vec![json!({"rel": "root", "href": "../catalog.stac.json"})];
        for (n, item) in of.get(id).into_iter().flatten().enumerate() {
            let name = item["id"].as_str().unwrap();
            links.push(json!({"rel": "item", "href": format!("{name}/dataset.stac.json")}));
            let mut item = Value::clone(item);
            if n % 2 == 1 {
                item.as_object_mut().unwrap().remove("collection");
            }
            tree.insert(format!("{id}/{name}/dataset.stac.json"), item.to_string());
        }
        let mut collection = collection.clone();
        collection["links"] = links.into();
        tree.insert(format!("{id}/product.stac.json"), collection.to_string());
    }
    let catalog = json!({"type": "Catalog", "stac_version": "1.0.0", "id": "cmems", "description": "products", "links": children});
    tree.insert("catalog.stac.json".to_owned(), catalog.to_string());
    tree
}

/// Puts the tree into a folder.
pub fn write(tree: &Tree, folder: &Path) {
    for (path, text) in tree {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// How a path fails.
#[derive(Debug, Clone)]
pub enum Trouble {
    Status(u16),
    /// This status with this `Retry-After`, so many times.
    Busy(u16, &'static str, u32),
    Moved(String),
    /// No answer, ever.
    Silent,
}

#[derive(Default)]
struct Served {
    tree: Tree,
    trouble: HashMap<String, Trouble>,
    /// Path and whether it was conditional; those that ask for a document.
    requests: Vec<(String, bool)>,
    /// Signs of life that were asked for.
    heads: u32,
    bytes: u64,
    validators: bool,
    open: u32,
    open_max: u32,
    credentials: Vec<Option<String>>,
}

/// A running server of files below `/cat/`. Dropping it stops it.
pub struct Files {
    served: Arc<Mutex<Served>>,
    pub base: Url,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Files {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Files {
    pub async fn start(tree: Tree) -> Self {
        let served = Arc::new(Mutex::new(Served { tree, validators: true, ..Served::default() }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = Url::parse(&format!("http://{}/cat/", listener.local_addr().unwrap())).unwrap();
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&served));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { served, base, task }
    }

    fn served(&self) -> std::sync::MutexGuard<'_, Served> {
        self.served.lock().unwrap()
    }

    /// As a federation file declares it.
    pub fn declared(&self, id: &str) -> Member {
        Member { kind: Kind::StaticStac, ..super::declared(id, self.base.join("catalog.stac.json").unwrap()) }
    }

    pub fn put(&self, path: &str, text: &str) {
        self.served().tree.insert(path.to_owned(), text.to_owned());
    }

    pub fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut value: Value = serde_json::from_str(&self.served().tree[path]).unwrap();
        change(&mut value);
        self.put(path, &value.to_string());
    }

    pub fn remove(&self, path: &str) {
        self.served().tree.remove(path).unwrap();
    }

    pub fn trouble(&self, path: &str, trouble: Trouble) {
        self.served().trouble.insert(path.to_owned(), trouble);
    }

    pub fn well_again(&self) {
        self.served().trouble.clear();
    }

    /// Sends no validators from now on.
    pub fn without_validators(&self) {
        self.served().validators = false;
    }

    /// Paths asked for since the last call, each with whether it was asked for only if it changed; and bytes of bodies sent.
    pub fn taken(&self) -> (Vec<(String, bool)>, u64) {
        let mut served = self.served();
        (std::mem::take(&mut served.requests), std::mem::take(&mut served.bytes))
    }

    /// `Authorization` of every request so far.
    pub fn credentials(&self) -> Vec<Option<String>> {
        self.served().credentials.clone()
    }

    /// Requests by HEAD so far.
    pub fn heads(&self) -> u32 {
        self.served().heads
    }

    /// Most requests at once so far.
    pub fn open_max(&self) -> u32 {
        self.served().open_max
    }
}

/// Counts a request until it is answered or given up.
struct Open(Arc<Mutex<Served>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().open -= 1;
    }
}

/// Notes a request: its path, the `ETag` that it knows, and how it is to fail.
fn begin(served: &Mutex<Served>, request: &Request) -> (String, Option<String>, Option<Trouble>) {
    let path = request.uri().path().strip_prefix("/cat/").unwrap_or("?").to_owned();
    let path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().replace("//", "/");
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (tag, since) = (header("if-none-match"), header("if-modified-since"));
    let mut served = served.lock().unwrap();
    served.credentials.push(header("authorization"));
    served.requests.push((path.clone(), tag.is_some() || since.is_some()));
    served.open += 1;
    served.open_max = served.open_max.max(served.open);
    let trouble = served.trouble.get(&path).cloned();
    if let Some(Trouble::Busy(_, _, times)) = served.trouble.get_mut(&path) {
        *times = times.saturating_sub(1);
    }
    (path, tag, trouble)
}

async fn answer(State(served): State<Arc<Mutex<Served>>>, request: Request) -> Response<Body> {
    if request.method() == http::Method::HEAD {
        served.lock().unwrap().heads += 1;
        return Response::new(Body::empty());
    }
    let (path, tag, trouble) = begin(&served, &request);
    drop(request);
    let _open = Open(Arc::clone(&served));
    // others get their turn, so that requests at once can be seen
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let status = |status: u16| Response::builder().status(status);
    match trouble {
        Some(Trouble::Status(code)) => return status(code).body("no".into()).unwrap(),
        Some(Trouble::Busy(code, after, times)) if times > 0 => {
            return status(code).header("retry-after", after).body("busy".into()).unwrap();
        }
        Some(Trouble::Moved(to)) => return status(302).header("location", to).body(Body::empty()).unwrap(),
        Some(Trouble::Silent) => std::future::pending().await,
        _ => {}
    }
    let mut served = served.lock().unwrap();
    let Some(text) = served.tree.get(&path).cloned() else {
        return status(404).body("<html>not found</html>".into()).unwrap();
    };
    let mut hash = DefaultHasher::new();
    text.hash(&mut hash);
    let own = format!("\"{:x}\"", hash.finish());
    if served.validators && tag.as_deref() == Some(&own) {
        return Response::builder().status(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap();
    }
    served.bytes += text.len() as u64;
    let answer = Response::builder().header("content-type", "application/json");
    let answer = if served.validators { answer.header("etag", own) } else { answer };
    answer.body(text.into()).unwrap()
}

/// Products and datasets of an invented sea, in the shape of Copernicus Marine: intervals without `datetime`, forecasts that end
/// in the future, products whose ids differ in case alone, numbers beyond 64 bits, fill values in places.
pub fn sea(products: usize, datasets: usize) -> (Vec<Value>, Vec<Value>) {
    let mut collections = Vec::new();
    let mut items = Vec::new();
    for p in 0..products {
        let id = match p {
            0 => "SEA_MULTIYEAR".to_owned(),
            1 => "sea_multiyear".to_owned(),
            _ => format!("SEA_{p:03}"),
        };
        let mut collection = super::collection(&id);
        collection["title"] = format!("Product {p}").into();
        collections.push(collection);
        for d in 0..datasets {
            items.push(dataset(&id, p, d));
        }
    }
    (collections, items)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn dataset(collection: &str, p: usize, d: usize) -> Value {
    let west = ((p * 37 + d * 11) % 340) as f64 - 180.0;
    let south = ((p * 13 + d * 7) % 150) as f64 - 80.0;
    let (east, north) = (west + 5.0, south + 4.0);
    let start = format!("{}-{:02}-01T00:00:00Z", 1993 + (p * 3 + d) % 30, 1 + d % 12);
    let end = if d.is_multiple_of(5) {
        "2099-10-28T00:00:00Z".to_owned()
    } else {
        format!("{}-12-31T00:00:00Z", 2023 + d % 3)
    };
    let mut properties = json!({
        "title": format!("dataset {d} of product {p}"), "processing:level": format!("Level {}", d % 5), "n": d,
    });
    if d.is_multiple_of(4) {
        properties["datetime"] = start.into();
    } else {
        properties["datetime"] = Value::Null;
        properties["start_datetime"] = start.into();
        properties["end_datetime"] = end.into();
    }
    let ring = json!([[[west, south], [east, south], [east, north], [west, north], [west, south]]]);
    json!({
        "type": "Feature", "stac_version": "1.0.0", "id": format!("cmems_p{p}_d{d}"), "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": ring}, "bbox": [west, south, east, north],
        "properties": properties, "links": [],
        "assets": {"native": {"href": "./data.nc"}, "far": {"href": format!("https://data.example/{p}/{d}.zarr")}},
    })
}
