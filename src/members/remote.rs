//! Another broker as seen by the command line: JSON over HTTP, bounded in bytes and time.
//!
//! For addresses that the person at the keyboard typed, never for one that a member or a client sent.

use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use url::Url;

/// Largest answer that is read: a page of 1,000 Items with room to spare.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(10);

/// Reads a JSON document. Redirects are not followed.
///
/// # Errors
/// A sentence for people: the address, and what went wrong; for an error answer its `code` and `description`.
pub async fn get_json(url: &Url, timeout: Duration) -> Result<Value, String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(timeout)
        .user_agent(concat!("stac-broker/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("cannot set up a client: {error}"))?;
    let answer = client
        .get(url.clone())
        .header("accept", "application/geo+json, application/json")
        .send()
        .await
        .map_err(|error| format!("`{}` did not answer: {}", place(url), causes(&error)))?;
    let status = answer.status();
    let mut body = Vec::new();
    let mut parts = answer.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| format!("`{}` broke off: {}", place(url), causes(&error)))?;
        if body.len() + part.len() > ANSWER_BYTES_MAX {
            return Err(format!("the answer of `{}` has more than {ANSWER_BYTES_MAX} bytes", place(url)));
        }
        body.extend_from_slice(&part);
    }
    let json: Result<Value, _> = serde_json::from_slice(&body);
    match (status.is_success(), json) {
        (true, Ok(json)) => Ok(json),
        (true, Err(error)) => Err(format!("the answer of `{}` is not JSON: {error}", place(url))),
        (false, Ok(json)) => Err(refusal(url, status.as_u16(), &json)),
        (false, Err(_)) => Err(format!("`{}` answered with status {status}", place(url))),
    }
}

fn refusal(url: &Url, status: u16, json: &Value) -> String {
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or("no text");
    format!("`{}` answered {status} {}: {}", place(url), text("code"), text("description"))
}

/// The address without query and credentials.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// An error with what caused it; the outermost text alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if text.is_empty() { error.to_string() } else { text }
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

    async fn asked(answer: &'static str) -> Result<Value, String> {
        get_json(&once(answer).await, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn reads_json_and_names_what_went_wrong_without_secrets() {
        let good = asked("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n{\"a\":1.5}").await;
        assert_eq!(good.unwrap()["a"], 1.5);
        let html = asked("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>").await.unwrap_err();
        assert!(html.contains("/search` is not JSON"), "{html}");
        assert!(!html.contains("secret") && !html.contains("abc"), "{html}");
        let refused = "HTTP/1.1 400 Bad Request\r\ncontent-length: 40\r\nconnection: close\r\n\r\n{\"code\":\"InvalidCursor\",\"description\":1}";
        assert!(asked(refused).await.unwrap_err().contains("answered 400 InvalidCursor: no text"));
        let moved =
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert!(asked(moved).await.unwrap_err().contains("status 302"));
    }

    #[tokio::test]
    async fn nobody_listening_is_a_sentence() {
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let told = get_json(&url, Duration::from_secs(5)).await.unwrap_err();
        assert!(told.starts_with("`http://127.0.0.1:1/` did not answer: "), "{told}");
    }
}
