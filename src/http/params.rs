//! Reads query strings, bodies and path segments. It deliberately does not know what the parameters mean:
//! `search::request` does.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;
use url::form_urlencoded;

use super::problem::Problem;

/// The pairs of a query string, percent-decoded once, `+` as space.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The query string without one parameter, otherwise byte for byte as given.
pub fn without(query: &str, name: &str) -> String {
    let is_other = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && form_urlencoded::parse(key.as_bytes()).next().is_none_or(|(key, _)| key != name)
    };
    query.split('&').filter(is_other).collect::<Vec<_>>().join("&")
}

/// The address with the original parameters and a token (P1).
pub fn with_token(href: &str, query: &str, token: &str) -> String {
    let rest = without(query, "token");
    let joint = if rest.is_empty() { "" } else { "&" };
    let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    format!("{href}?{rest}{joint}token={token}")
}

/// The address with the original parameters, without a question mark when there are none.
pub fn with_query(href: &str, query: &str) -> String {
    if query.is_empty() { href.to_owned() } else { format!("{href}?{query}") }
}

/// The whole body of a request, bounded in bytes and in time.
pub async fn body(body: Body, bytes_max: usize, within: Duration) -> Result<Vec<u8>, Problem> {
    let collected = timeout(within, Limited::new(body, bytes_max).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::too_large(bytes_max)),
        Ok(Err(_)) => Err(Problem::invalid("the request body was cut off")),
        Err(_) => Err(Problem::invalid(format!("the request body did not arrive within {} s", within.as_secs()))),
    }
}

/// The decoded segments of a path; what is not UTF-8 names nothing.
pub fn segments<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    match path {
        Ok(Path(segments)) => Ok(segments),
        Err(_) => Err(Problem::not_found("the path is not valid UTF-8 after percent-decoding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_once() {
        let expected = [("collections", "EODC%7Cx,A|b"), ("sortby", " f"), ("limit", "")];
        let expected: Vec<_> = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(pairs("collections=EODC%257Cx,A%7Cb&sortby=+f&limit"), expected);
    }

    #[test]
    fn next_keeps_every_parameter_and_replaces_the_token() {
        let next = with_token("http://x/search", "limit=2&token=old&bbox=1,2,3,4&t%6Fken=old", "AQ-_");
        assert_eq!(next, "http://x/search?limit=2&bbox=1,2,3,4&token=AQ-_");
        assert_eq!(with_token("http://x/search", "", "A+B"), "http://x/search?token=A%2BB");
    }

    #[test]
    fn self_has_no_question_mark_without_parameters() {
        assert_eq!(with_query("http://x", ""), "http://x");
        assert_eq!(with_query("http://x", "limit=2"), "http://x?limit=2");
    }

    #[tokio::test]
    async fn a_large_body_is_refused() {
        let limit = Duration::from_secs(1);
        assert_eq!(body(Body::from("1234"), 4, limit).await.unwrap(), b"1234");
        assert_eq!(body(Body::from("12345"), 4, limit).await.unwrap_err().status, 413);
    }

    #[tokio::test]
    async fn a_slow_body_is_refused() {
        let never = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        assert_eq!(body(never, 4, Duration::from_millis(5)).await.unwrap_err().status, 400);
    }
}
