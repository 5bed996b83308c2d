//! Another broker as seen by the command line: JSON over HTTP, bounded in bytes and time.
//!
//! For addresses that the person at the keyboard typed, never for one that a member or a client sent.

use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use url::{Host, Url};

use super::error::causes;

/// Largest answer that is read: a page of 1,000 Items with room to spare.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no document: a sentence for people, and whether asking differently would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NoAnswer {
    pub text: String,
    /// The broker refused the request itself (a status of 400 to 499).
    pub refused: bool,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub body: Value,
    /// The header `Federation-Missing`.
    pub missing: Option<String>,
    /// The header `Federation-Member`: who executed a process.
    pub member: Option<String>,
}

/// What of an answer's head is of interest.
struct Head {
    status: u16,
    missing: Option<String>,
    member: Option<String>,
}

/// One broker; its connections are reused from page to page.
pub struct Remote {
    client: reqwest::Client,
}

impl Remote {
    /// A client for this broker. `timeout` holds for each answer as a whole. Redirects are not followed; a broker on
    /// this machine is asked directly, whatever proxy the environment names.
    ///
    /// # Errors
    /// A sentence, when the system gives no client.
    pub fn new(broker: &Url, timeout: Duration) -> Result<Self, NoAnswer> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .user_agent(concat!("stac-broker/", env!("CARGO_PKG_VERSION")));
        if is_here(broker) {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| NoAnswer { text: format!("cannot set up a client: {error}"), refused: false })?;
        Ok(Self { client })
    }

    /// Reads a JSON document, by POST where there is a body.
    ///
    /// # Errors
    /// The address, and what went wrong; for an error answer its `code` and `description`.
    pub async fn ask(&self, url: &Url, body: Option<&Value>) -> Result<Reply, NoAnswer> {
        let (head, text) = self.read(url, body).await.map_err(|text| NoAnswer { text, refused: false })?;
        let Head { status, missing, member } = head;
        let json: Result<Value, _> = serde_json::from_slice(&text);
        let text = match (status, json) {
            (200..=299, Ok(body)) => return Ok(Reply { body, missing, member }),
            (200..=299, Err(error)) => format!("the answer of `{}` is not JSON: {error}", place(url)),
            (_, Ok(json)) => refusal(url, status, &json),
            (_, Err(_)) => format!("`{}` answered with status {status}", place(url)),
        };
        Err(NoAnswer { text, refused: (400..=499).contains(&status) })
    }

    async fn read(&self, url: &Url, body: Option<&Value>) -> Result<(Head, Vec<u8>), String> {
        let request = match body {
            Some(body) => {
                self.client.post(url.clone()).header("content-type", "application/json").body(body.to_string())
            }
            None => self.client.get(url.clone()),
        };
        let answer = request
            .header("accept", "application/geo+json, application/json")
            .send()
            .await
            .map_err(|error| format!("`{}` did not answer: {}", place(url), causes(&error)))?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let head = Head {
            status: answer.status().as_u16(),
            missing: header("federation-missing"),
            member: header("federation-member"),
        };
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| format!("`{}` broke off: {}", place(url), causes(&error)))?;
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer of `{}` has more than {ANSWER_BYTES_MAX} bytes", place(url)));
            }
            body.extend_from_slice(&part);
        }
        Ok((head, body))
    }
}

/// Whether an address names this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn refusal(url: &Url, status: u16, json: &Value) -> String {
    // STAC's words, else those of a problem document.
    let text = |name: &str, other: &str| {
        let found = json.get(name).or_else(|| json.get(other)).and_then(Value::as_str);
        found.unwrap_or("no text").to_owned()
    };
    format!("`{}` answered {status} {}: {}", place(url), text("code", "title"), text("description", "detail"))
}

/// The address without query and credentials.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Answers one request with these bytes.
    async fn once(answer: &'static str) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:secret@{}/search?token=abc", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url.parse().unwrap()
    }

    async fn asked(answer: &'static str) -> Result<Value, NoAnswer> {
        let url = once(answer).await;
        Remote::new(&url, Duration::from_secs(5))?.ask(&url, None).await.map(|reply| reply.body)
    }

    #[tokio::test]
    async fn reads_json_and_names_what_went_wrong_without_secrets() {
        let good = asked("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{\"a\":1.5}").await;
        assert_eq!(good.unwrap()["a"], 1.5);
        let html =
            asked("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>").await.unwrap_err().text;
        assert!(html.contains("/search` is not JSON"), "{html}");
        assert!(!html.contains("secret") && !html.contains("abc"), "{html}");
        let refused = "HTTP/1.1 400 Bad Request\r\ncontent-length: 40\r\nconnection: close\r\n\r\n{\"code\":\"InvalidCursor\",\"description\":1}";
        let refused = asked(refused).await.unwrap_err();
        assert!(refused.refused && refused.text.contains("answered 400 InvalidCursor: no text"), "{refused}");
        let moved =
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let moved = asked(moved).await.unwrap_err();
        assert!(!moved.refused && moved.text.contains("status 302"), "{moved}");
    }

    #[tokio::test]
    async fn nobody_listening_is_a_sentence() {
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let remote = Remote::new(&url, Duration::from_secs(5)).unwrap();
        let told = remote.ask(&url, None).await.unwrap_err().text;
        assert!(told.starts_with("`http://127.0.0.1:1/` did not answer: "), "{told}");
    }
}
