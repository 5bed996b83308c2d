//! What a scripted member answers.

use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::condition;
use super::scripted::{Fails, Filters, NextForm, Recorded, ScriptedMember, State};
use super::store::{Conditions, Doc};
use stac_broker::cql2::{Expr, Value as Cql};

pub(super) async fn answer(state: &State, request: &Recorded) -> Response {
    let script = &state.script;
    let path = request.uri.path().strip_prefix("/stac").unwrap_or("?");
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if let Some((_, status, document)) = script.documents_at.iter().find(|(at, ..)| at == path.trim_matches('/')) {
        return match state.now() {
            Some(Fails::Status(status, _)) => error(status),
            _ => (StatusCode::from_u16(*status).unwrap(), json_text(document.clone().into())).into_response(),
        };
    }
    match parts.as_slice() {
        [""] => match &script.landing_redirect {
            Some(to) => redirect(to),
            None => json_answer(&landing(state)),
        },
        ["conformance"] => json_answer(&json!({"conformsTo": classes(script)})),
        ["collections"] => json_answer(&collections(state, request)),
        ["search"] if script.items_only => error(404),
        ["search"] => search(state, request).await,
        ["queryables"] => queryables(state),
        ["collections", collection, "items"] if script.items_only => items(state, request, &decoded(collection)).await,
        ["collections", collection, "items", id] => {
            let of = |doc: &&Doc| decoded(collection) == doc.collection && decoded(id) == doc.id;
            state.store.docs.iter().find(of).map_or_else(|| error(404), |doc| json_text(written(state, doc).into()))
        }
        _ => error(404),
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn json_answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn error(status: u16) -> Response {
    let body = json!({"code": "Error", "description": "canary-of-the-member"}).to_string();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response()
}

fn classes(script: &ScriptedMember) -> Vec<String> {
    let mut classes = vec!["core", "collections"];
    if script.items_only || script.silent {
        classes.push("ogcapi-features");
        return classes.iter().map(|class| format!("https://api.stacspec.org/v1.0.0/{class}")).collect();
    }
    classes.push("item-search");
    if script.says_sorts {
        classes.push("item-search#sort");
    }
    if script.says_query {
        classes.push("item-search#query");
    }
    classes.extend(script.quirks.classes.iter().filter(|class| !class.contains("://")));
    let (stac, ogc): (Vec<&str>, Vec<&str>) = script.says_filter.iter().partition(|class| class.contains('#'));
    classes.extend(stac);
    let stac = classes.iter().map(|class| format!("https://api.stacspec.org/v1.0.0/{class}"));
    let ogc = ogc.iter().map(|class| format!("http://www.opengis.net/spec/cql2/1.0/conf/{class}"));
    let whole = script.quirks.classes.iter().filter(|class| class.contains("://")).map(|class| (*class).to_owned());
    stac.chain(ogc).chain(whole).collect()
}

fn queryables(state: &State) -> Response {
    let Some(names) = &state.script.queryables else { return error(404) };
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    json_answer(&json!({"type": "object", "properties": properties, "additionalProperties": false}))
}

/// An Item as it is written; without its collection, where the member names none.
fn written(state: &State, doc: &Doc) -> String {
    if !state.script.unnamed {
        return doc.text.clone();
    }
    let mut item = doc.value.clone();
    item.as_object_mut().unwrap().remove("collection");
    item.to_string()
}

fn landing(state: &State) -> Value {
    let base = &state.base;
    let search = |method: &str| json!({"rel": "search", "type": "application/geo+json", "method": method, "href": format!("{base}/search")});
    let mut links = vec![
        json!({"rel": "self", "href": base}),
        json!({"rel": "search", "type": "application/opensearchdescription+xml", "href": format!("{base}/osdd")}),
    ];
    let silent = state.script.items_only || state.script.silent;
    if silent {
        links.truncate(1);
    }
    let search = |method: &str| (!silent).then(|| search(method));
    links.extend(state.script.get.then(|| search("GET")).flatten());
    links.extend(state.script.says_post.then(|| search("POST")).flatten());
    if state.script.quirks.formats_in_hrefs {
        links = links.iter().flat_map(twins).collect();
    }
    let mut landing = json!({"type": "Catalog", "id": state.script.id, "description": "scripted", "stac_version": "1.0.0", "conformsTo": classes(&state.script), "links": links});
    if let (Value::Object(landing), Some(Value::Object(more))) = (&mut landing, &state.script.quirks.landing) {
        landing.extend(more.clone());
    }
    landing
}

/// A link as GeoServer writes it: one for people and one for machines, each with the format in its address.
fn twins(link: &Value) -> [Value; 2] {
    let (mut html, mut machine) = (link.clone(), link.clone());
    let href = link["href"].as_str().unwrap();
    html["type"] = "text/html".into();
    html["href"] = format!("{href}?f=text%2Fhtml").into();
    machine["href"] = format!("{href}?f=application%2Fgeo%2Bjson").into();
    [html, machine]
}

fn collections(state: &State, request: &Recorded) -> Value {
    let script = &state.script;
    let all = script.collections.clone().unwrap_or_else(|| {
        let mut ids: Vec<&str> = state.store.docs.iter().map(|doc| doc.collection.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(|id| json!({"type": "Collection", "id": id, "links": []})).collect()
    });
    let asked = query(request);
    if let Some((cut, knows_limit)) = script.quirks.listing_cut {
        let size = count(asked.get("limit")).filter(|_| knows_limit).unwrap_or(cut);
        let page: Vec<&Value> = all.iter().take(size).collect();
        return json!({"collections": page, "links": [], "context": {"limit": cut, "matched": page.len()}});
    }
    let from = asked.get("token").and_then(Value::as_str).and_then(|at| at.parse().ok()).unwrap_or(0);
    let page: Vec<&Value> = all.iter().skip(from).take(script.collections_page).collect();
    let mut links = vec![json!({"rel": "self", "href": format!("{}/collections", state.base)})];
    if from + page.len() < all.len() {
        links.push(json!({"rel": "next", "href": format!("{}/collections?token={}", state.base, from + page.len())}));
    }
    json!({"collections": page, "links": links})
}

fn query(request: &Recorded) -> Map<String, Value> {
    let text = request.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), Value::from(value))).collect()
}

async fn search(state: &State, request: &Recorded) -> Response {
    let script = &state.script;
    let number = state.count(request);
    let by_post = request.method == Method::POST;
    if !(if by_post { script.post } else { script.get }) {
        return error(405);
    }
    let asked = if by_post { serde_json::from_slice(&request.body).unwrap_or_default() } else { query(request) };
    if let Some(refusal) = refused(state, &asked, by_post) {
        return refusal;
    }
    match state.fault(number) {
        None => page(state, request, &asked, by_post, false),
        Some(Fails::Loop) => page(state, request, &asked, by_post, true),
        Some(Fails::Late(delay)) => {
            tokio::time::sleep(delay).await;
            page(state, request, &asked, by_post, false)
        }
        Some(how) => fail(&how).await,
    }
}

/// What this server cannot do, whatever else it holds.
fn refused(state: &State, asked: &Map<String, Value>, by_post: bool) -> Option<Response> {
    let quirks = &state.script.quirks;
    let place = ["token", "next", "cursor"].into_iter().find_map(|name| asked.get(name));
    match (quirks.refuses_tokens, quirks.fails_over) {
        (Some((status, only_post)), _) if place.is_some() && (by_post || !only_post) => return Some(error(status)),
        (_, Some((most, status))) if count(asked.get("limit")).is_some_and(|limit| limit > most) => {
            return Some(error(status));
        }
        _ => {}
    }
    let broken = place.filter(|_| quirks.null_times_break).and_then(|place| count(Some(place)));
    let before = broken.filter(|at| *at > 0).map(|at| at - 1);
    let found = before.and_then(|at| matching(state, asked, by_post).ok()?.get(at).copied());
    found.filter(|doc| doc.value["properties"]["datetime"].is_null()).map(|_| error(400))
}

async fn fail(how: &Fails) -> Response {
    match how {
        Fails::Hang => std::future::pending().await,
        Fails::Html => {
            ([(header::CONTENT_TYPE, "text/html")], "<!doctype html><p>canary-of-the-member").into_response()
        }
        Fails::Truncated => json_text(r#"{"type":"FeatureCollection","features":[{"type":"Feature","id":"a""#.into()),
        Fails::Huge(size) => {
            let chunk = Bytes::from(vec![b' '; 1 << 16]);
            let chunks =
                std::iter::once(Bytes::from_static(b"{\"features\":[")).chain(std::iter::repeat_n(chunk, size >> 16));
            json_text(Body::from_stream(futures::stream::iter(chunks.map(Ok::<_, std::io::Error>))))
        }
        Fails::Bomb(size) => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(b"{\"features\":[").unwrap();
            for _ in 0..size >> 16 {
                packed.write_all(&vec![b' '; 1 << 16]).unwrap();
            }
            ([(header::CONTENT_ENCODING, "gzip")], packed.finish().unwrap()).into_response()
        }
        Fails::Trickle(pause) => {
            let pause = *pause;
            json_text(Body::from_stream(futures::stream::unfold(true, move |first| async move {
                tokio::time::sleep(if first { Duration::ZERO } else { pause }).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(if first { b"{" } else { b" " })), false))
            })))
        }
        Fails::Status(status, retry_after) => {
            let mut response = error(*status);
            if let Some(after) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, after.parse().unwrap());
            }
            response
        }
        Fails::Redirect(to) => redirect(to),
        Fails::Says(text) => json_text((*text).into()),
        Fails::Loop | Fails::Late(_) => error(500),
    }
}

fn json_text(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/geo+json")], body).into_response()
}

fn count(value: Option<&Value>) -> Option<usize> {
    let value = value?;
    value.as_u64().and_then(|n| n.try_into().ok()).or_else(|| value.as_str()?.parse().ok())
}

/// The Items that match, in the order asked for if the member sorts; an error is a 400.
fn matching<'a>(state: &'a State, asked: &Map<String, Value>, by_post: bool) -> Result<Vec<&'a Doc>, String> {
    let script = &state.script;
    let mut asked = asked.clone();
    asked.retain(|name, _| !script.ignores.contains(&name.as_str()));
    let unnamed = script.quirks.needs_collections && !asked.contains_key("collections");
    if unnamed || script.loses.iter().any(|name| asked.contains_key(*name)) {
        return Ok(Vec::new());
    }
    let mut conditions = Conditions::of(&asked);
    let filters = state.filters.lock().unwrap().unwrap_or(script.filters);
    conditions.filter = filter(script, filters, &asked, by_post)?;
    if script.queries {
        let parsed = |value: &Value| value.as_str().and_then(|text| serde_json::from_str(text).ok());
        conditions.query = asked.get("query").map(|query| parsed(query).unwrap_or_else(|| query.clone()));
        condition::query_holds(conditions.query.as_ref().unwrap_or(&Value::Null), &Value::Null)?;
    }
    let keys = if script.sorts { sort_keys(&asked) } else { Vec::new() };
    let order = state.store.order(keys);
    Ok(order.iter().map(|index| &state.store.docs[*index]).filter(|doc| conditions.hold(doc)).collect())
}

/// The condition, as far as this member understands it.
fn filter(
    script: &ScriptedMember,
    filters: Filters,
    asked: &Map<String, Value>,
    by_post: bool,
) -> Result<Option<Expr>, String> {
    let Some(filter) = asked.get("filter") else { return Ok(None) };
    let text = if by_post { "cql2-json" } else { "cql2-text" };
    let language = asked.get("filter-lang").and_then(Value::as_str).unwrap_or(text);
    match filters {
        Filters::Ignores => return Ok(None),
        Filters::Refuses => return Err("filter".to_owned()),
        Filters::Exactly | Filters::Loosely => {}
    }
    let known = if by_post { &script.reads_post } else { &script.reads_get };
    if !known.contains(&language) {
        return Err(format!("filter-lang {language}"));
    }
    let expr = condition::read(filter, language)?;
    if let Some(names) = &script.queryables {
        let core = ["id", "collection", "geometry", "datetime"];
        let unknown = |name: &&str| !names.contains(name) && !core.contains(name);
        if let Some(name) = expr.properties().into_iter().find(unknown) {
            return Err(format!("unknown property {name}"));
        }
    }
    match expr {
        Expr::And(parts) if filters == Filters::Loosely => Ok(parts.into_iter().next()),
        _ if filters == Filters::Loosely => Ok(Some(loosened(expr))),
        expr => Ok(Some(expr)),
    }
}

/// Right for ids, too wide for everything else.
fn loosened(expr: Expr) -> Expr {
    if expr.properties().contains("id") { expr } else { Expr::Not(Box::new(Expr::IsNull(Cql::Property("id".into())))) }
}

/// Items of one collection, as OGC API - Features has them.
async fn items(state: &State, request: &Recorded, collection: &str) -> Response {
    let number = state.count(request);
    match state.fault(number) {
        None | Some(Fails::Loop) => {}
        Some(Fails::Late(delay)) => tokio::time::sleep(delay).await,
        Some(how) => return fail(&how).await,
    }
    let again = matches!(state.fault(number), Some(Fails::Loop));
    let script = &state.script;
    let mut asked = query(request);
    asked.retain(|name, _| ["limit", "bbox", "datetime", "offset"].contains(&name.as_str()));
    asked.retain(|name, _| !script.ignores.contains(&name.as_str()));
    let lost = script.loses.iter().any(|name| asked.contains_key(*name));
    let conditions = Conditions::of(&asked);
    let all = state.store.docs.iter().filter(|doc| doc.collection == collection && !lost);
    let before = script.pages_before_filtering;
    let found: Vec<&Doc> = all.filter(|doc| before || conditions.hold(doc)).collect();
    let limit = count(asked.get("limit")).unwrap_or(10).min(script.page_cap);
    let from = if again { 0 } else { count(asked.get("offset")).unwrap_or(0) };
    let page: Vec<String> =
        found.iter().skip(from).take(limit).filter(|doc| conditions.hold(doc)).map(|doc| written(state, doc)).collect();
    let mut links = vec![json!({"rel": "self", "href": "x"})];
    let at = from + limit;
    if again || at < found.len() {
        let base = script.next_base.as_deref().unwrap_or(&state.base);
        // some servers lead to another address than the one that was asked
        links.push(json!({"rel": "next", "href": format!("{base}/other/items?offset={at}&limit={limit}&f=json")}));
    }
    let counted = if script.counts && !before { format!(r#""numberMatched":{},"#, found.len()) } else { String::new() };
    let body = format!(
        r#"{{"type":"FeatureCollection",{counted}"features":[{}],"links":{}}}"#,
        page.join(","),
        Value::Array(links)
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn sort_keys(asked: &Map<String, Value>) -> Vec<(String, bool)> {
    match asked.get("sortby") {
        Some(Value::Array(keys)) => keys
            .iter()
            .map(|key| (key["field"].as_str().unwrap_or_default().to_owned(), key["direction"] == "desc"))
            .collect(),
        Some(Value::String(text)) => {
            text.split(',').map(|key| (key.trim_start_matches(['+', '-']).to_owned(), key.starts_with('-'))).collect()
        }
        _ => Vec::new(),
    }
}

fn page(state: &State, request: &Recorded, asked: &Map<String, Value>, by_post: bool, again: bool) -> Response {
    let script = &state.script;
    let Ok(found) = matching(state, asked, by_post) else { return error(400) };
    let asked_limit = count(asked.get("limit")).unwrap_or(10);
    let limit = asked_limit.min(script.page_cap);
    let header =
        request.headers.get("x-page-from").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let place = ["token", "next", "cursor", "offset"].into_iter().find_map(|name| count(asked.get(name)));
    let given = place.or(header);
    let from =
        given.or_else(|| count(asked.get("page")).map(|page| (page - 1) * limit)).filter(|_| !again).unwrap_or(0);
    let from = from.saturating_sub(script.repeats.min(limit - 1).min(from));
    let page: Vec<String> = found.iter().skip(from).take(limit).map(|doc| written(state, doc)).collect();
    let mut links = vec![json!({"rel": "self", "href": "x"})];
    let at = if again { limit } else { from + page.len() };
    let more = again || at < found.len() || (script.trailing_empty && !page.is_empty());
    let mut link_header = None;
    if more && script.next_form != NextForm::None {
        let base = script.next_base.as_deref().unwrap_or(&state.base);
        let href = format!("{base}/search?token={at}");
        match next_link(script.next_form, asked, base, at, limit, by_post) {
            Some(link) => links.push(link),
            None => link_header = Some(format!("<{href}>; rel=\"next\"; type=\"application/geo+json\"")),
        }
    }
    let matched = if script.guesses_counts { state.store.docs.len() } else { found.len() };
    let counted = match (script.counts, script.quirks.counts_in_context) {
        (false, _) => String::new(),
        (true, false) => format!(r#""numberMatched":{matched},"#),
        (true, true) => format!(r#""context":{{"limit":{limit},"matched":{matched},"returned":{}}},"#, page.len()),
    };
    let body = format!(
        r#"{{"type":"FeatureCollection",{counted}"features":[{}],"links":{}}}"#,
        page.join(","),
        Value::Array(links)
    );
    let mut response = json_text(body.into());
    if let Some(link) = link_header {
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

/// The `next` link; `None` for the form that is a header.
fn next_link(
    form: NextForm,
    asked: &Map<String, Value>,
    base: &str,
    at: usize,
    limit: usize,
    by_post: bool,
) -> Option<Value> {
    let search = format!("{base}/search");
    let get = |query: String| json!({"rel": "next", "type": "application/geo+json", "method": "GET", "href": format!("{search}?{query}")});
    let post = |body: Value, merge: Option<bool>| {
        let mut link = json!({"rel": "next", "method": "POST", "href": search, "body": body});
        if let Some(merge) = merge {
            link["merge"] = merge.into();
        }
        link
    };
    Some(match form {
        NextForm::PostFull if by_post => {
            let mut body = asked.clone();
            body.insert("token".to_owned(), at.to_string().into());
            post(body.into(), None)
        }
        NextForm::PostMerge if by_post => post(json!({"token": at.to_string()}), Some(true)),
        NextForm::Headers => {
            let mut link = if by_post { post(Value::Object(asked.clone()), Some(false)) } else { get(String::new()) };
            link["headers"] =
                json!({"x-page-from": at.to_string(), "Authorization": "Bearer stolen", "Host": "evil.example"});
            link
        }
        NextForm::GetAfterPost => get(format!("collections[0]=c&bbox[]=1&limit={limit}&cursor={at}")),
        NextForm::PageNumber => get(format!("page={}&limit={limit}", at.div_ceil(limit) + 1)),
        NextForm::Offset => get(format!("offset={at}&limit={limit}")),
        NextForm::GetEcho => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in asked.iter().filter(|(name, _)| !["next", "f"].contains(&name.as_str())) {
                let json = if name == "sortby" {
                    json!([{"field": "properties.datetime", "direction": "desc"}])
                } else {
                    value.clone()
                };
                query.append_pair(name, json.as_str().unwrap_or(&json.to_string()));
            }
            get(query.append_pair("next", &at.to_string()).append_pair("f", "text/html").finish())
        }
        NextForm::LinkHeader | NextForm::None => return None,
        NextForm::Get | NextForm::PostFull | NextForm::PostMerge => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in asked.iter().filter(|(name, _)| *name != "token") {
                query.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
            }
            get(query.append_pair("token", &at.to_string()).finish())
        }
    })
}
