//! TLS on the public listener: certificates made here, presented, changed while serving, and refused when they are bad.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Version;
use stac_broker::broker::{Broker, reload};
use stac_broker::federation::{Federation, load};
use stac_broker::http::{App, serve};
use stac_broker::search::KeyRing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::binary::{File, Served};
use crate::support::{ScriptedMember, items};

/// A certificate for this machine, and its key, in PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn write(folder: &Path, (cert, key): &(String, String)) {
    std::fs::write(folder.join("cert.pem"), cert).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
}

/// A client that trusts this certificate and no other.
fn client(trusted: &str) -> reqwest::ClientBuilder {
    let certificate = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).timeout(Duration::from_secs(20))
}

const FILE: &str = "[federation]\nid = \"test\"\ntitle = \"Test\"\n[server]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }\n[[member]]\nid = \"A\"\nurl = \"https://a.example\"\nenabled = false\n";

/// A broker that serves a federation file with TLS, and looks at it again.
struct Secured {
    folder: tempfile::TempDir,
    base: String,
    broker: Arc<Broker>,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    watching: tokio::task::JoinHandle<()>,
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.served.abort();
        self.watching.abort();
    }
}

impl Secured {
    async fn start(pair: &(String, String)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("federation.toml");
        write(folder.path(), pair);
        std::fs::write(&file, FILE).unwrap();
        let loaded = load(&file).map_err(|problems| problems.to_text()).unwrap();
        let keys = Arc::new(KeyRing::from_federation(&loaded.federation).unwrap());
        let broker = Broker::start(loaded.federation);
        let watching = tokio::spawn(reload::look_again(broker.clone(), file, loaded.files, |_: &Federation| Ok(())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let app = App { broker: broker.clone(), keys };
        let served = tokio::spawn(async move { serve(app, listener, async { drop(stopped.await) }).await });
        Self { folder, base, broker, stop: Some(stop), served, watching }
    }

    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.base.strip_prefix("https://").unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn both_versions_of_http_are_negotiated_and_links_say_https() {
    let pair = pair();
    let secured = Secured::start(&pair).await;
    for (client, version) in [(client(&pair.0), Version::HTTP_2), (client(&pair.0).http1_only(), Version::HTTP_11)] {
        let answer = client.build().unwrap().get(&secured.base).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let text = answer.text().await.unwrap();
        assert!(text.contains(&format!("\"{}/search\"", secured.base)), "{text}");
        assert!(!text.contains("http://127.0.0.1"), "{text}");
    }
    let stranger = client(&self::pair().0).build().unwrap();
    assert!(stranger.get(&secured.base).send().await.is_err(), "nobody else's certificate is presented");
}

#[tokio::test]
async fn what_speaks_no_tls_is_let_go_and_what_says_nothing_holds_nobody_up() {
    let pair = pair();
    let secured = Secured::start(&pair).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(secured.raw().await);
    }
    let mut plain = secured.raw().await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Cut by the other side, one way or the other.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "plain HTTP is not answered");
    let client = client(&pair.0).build().unwrap();
    assert_eq!(client.get(format!("{}/health/live", secured.base)).send().await.unwrap().status(), 200);
    drop(silent);
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_does_not_hold_up_the_stop() {
    let mut secured = Secured::start(&pair()).await;
    let _silent = secured.raw().await;
    // Its handshake has begun when a second connection has been served.
    let mut plain = secured.raw().await;
    plain.write_all(b"no handshake").await.unwrap();
    let _ = plain.read_to_end(&mut Vec::new()).await;
    secured.stop.take().unwrap().send(()).unwrap();
    // Less than the time that a handshake may take.
    let ended = tokio::time::timeout(Duration::from_secs(8), &mut secured.served).await;
    assert!(ended.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn another_certificate_is_presented_when_the_files_change_and_a_bad_one_never() {
    let (first, second) = (pair(), pair());
    let secured = Secured::start(&first).await;
    let answers = async |trusted: &str| {
        // A client of its own, so that no connection of before is used.
        client(trusted).build().unwrap().get(format!("{}/health/live", secured.base)).send().await.is_ok()
    };
    let kept = client(&first.0).build().unwrap();
    assert!(kept.get(&secured.base).send().await.is_ok());
    let folder = secured.folder.path();
    // The certificate comes before its key, or with none at all, or is none.
    for (cert, key, problem) in [
        (second.0.as_str(), first.1.as_str(), "`key.pem`, which is the key of another certificate"),
        (second.0.as_str(), "", "`key.pem`, which has no private key in PEM in it"),
        ("", first.1.as_str(), "`cert.pem`, which has no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", first.1.as_str(), "`cert.pem`, which "),
    ] {
        write(folder, &(cert.to_owned(), key.to_owned()));
        let told = secured.broker.reloads.look_now().await;
        assert!(told.problems.len() == 1 && told.problems[0].contains(problem), "{problem}: {:?}", told.problems);
        assert!(told.problems[0].contains("federation.toml:5: `server.tls."), "{:?}", told.problems);
        assert!(!format!("{told:?}").contains("PRIVATE KEY"));
        assert!(answers(&first.0).await && !answers(&second.0).await, "{problem}");
    }
    write(folder, &second);
    let told = secured.broker.reloads.look_now().await;
    assert_eq!((told.good, told.problems.len(), told.restart_needed.len()), (1, 0, 0));
    assert!(answers(&second.0).await && !answers(&first.0).await);
    assert!(kept.get(&secured.base).send().await.is_ok(), "a connection of before goes on");
    // Without TLS from now on: that needs a restart, and until then the last certificate of the start is there.
    std::fs::write(folder.join("federation.toml"), FILE.replace("tls = ", "# tls = ")).unwrap();
    let told = secured.broker.reloads.look_now().await;
    assert_eq!(told.restart_needed, ["server.tls"]);
    assert!(answers(&first.0).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_with_tls() {
    let a = ScriptedMember::new("A").items(items("c", 5)).start().await;
    let (pair, folder) = (pair(), tempfile::tempdir().unwrap());
    write(folder.path(), &pair);
    let place = |name: &str| folder.path().join(name).display().to_string();
    let own = format!("[server]\ntls = {{ cert = \"{}\", key = \"{}\" }}\n", place("cert.pem"), place("key.pem"));
    let file = File::with(&[&a], &own);
    let (served, _file) = tokio::task::spawn_blocking(move || (Served::start(&file), file)).await.unwrap();
    assert!(served.base.starts_with("https://"), "{}", served.base);
    let client = client(&pair.0).build().unwrap();
    let answer = client.get(format!("{}/search?limit=5", served.base)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("\"numberReturned\":5"));
}
