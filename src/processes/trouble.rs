//! What can go wrong once a member is chosen or a job is named: facts for a problem document, in the words of people.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::federation::MemberId;
use crate::members::process_api::NoReply;
use crate::members::{Failure, Fault};

/// Characters of a member's own words that go to a client.
const DETAIL_CHARS_MAX: usize = 200;
/// What stands where an address stood.
const SCRUBBED: &str = "…";

/// The kinds of trouble; each is one type of problem (`processes.md` 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NoSuchProcess,
    NoSuchJob,
    ResultNotReady,
    ResultNotAvailable,
    NoSuchOutput,
    /// The member's own refusal, with its status.
    Refused(StatusCode),
    Unavailable,
    Contract,
    OutcomeUnknown,
    Timeout,
    CallbackUnsupported,
}

/// One trouble on its way to the client.
#[derive(Debug, Clone)]
pub struct Trouble {
    pub kind: Kind,
    /// A sentence without a final full stop.
    pub detail: String,
    pub member: Option<MemberId>,
    /// The public job id that is meant.
    pub job: Option<String>,
    pub upstream: Option<Box<Upstream>>,
    /// `Retry-After`, `WWW-Authenticate`, `Allow`, `Location` of the member, where they mean something to the client.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the member itself said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    pub status: u16,
    pub r#type: Option<String>,
    pub detail: Option<String>,
}

impl Trouble {
    #[must_use]
    pub fn new(kind: Kind, member: &MemberId, detail: impl Into<String>) -> Self {
        let member = Some(member.clone());
        Self { kind, detail: detail.into(), member, job: None, upstream: None, headers: Vec::new() }
    }

    /// A job that nobody can have.
    #[must_use]
    pub fn no_job(id: &str, detail: impl Into<String>) -> Self {
        let (kind, job) = (Kind::NoSuchJob, Some(id.to_owned()));
        Self { kind, detail: detail.into(), member: None, job, upstream: None, headers: Vec::new() }
    }

    #[must_use]
    pub fn of_job(mut self, id: &str) -> Self {
        self.job = Some(id.to_owned());
        self
    }

    /// Adds what an answer says, and those of its headers that the client can act on.
    #[must_use]
    pub fn told(mut self, status: StatusCode, headers: &HeaderMap, document: Option<&Value>) -> Self {
        self.upstream = Some(Box::new(Upstream::read(status, document)));
        for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
            self.headers.extend(headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
        }
        self
    }

    /// No answer to a request that can be repeated.
    #[must_use]
    pub fn silent(member: &MemberId, failure: &Failure) -> Self {
        tracing::warn!(member = %member, fault = ?failure.fault, detail = %failure.detail, "process request failed");
        match failure.fault {
            Fault::Timeout => Self::new(Kind::Timeout, member, format!("`{member}` did not answer in time; ask again")),
            Fault::TooLarge | Fault::BadResponse => {
                Self::new(Kind::Contract, member, format!("the answer of `{member}` broke off or is not understood"))
            }
            _ => {
                let detail = format!("`{member}` cannot be reached at the moment; try again later");
                let trouble = Self::new(Kind::Unavailable, member, detail);
                let after = failure.retry_after_s.unwrap_or(RETRY_AFTER_S);
                Self { headers: vec![(header::RETRY_AFTER, HeaderValue::from(after))], ..trouble }
            }
        }
    }

    /// No answer to an execution that may have arrived.
    #[must_use]
    pub fn unknown(member: &MemberId, process: &str, no: &NoReply) -> Self {
        let failure = &no.failure;
        tracing::warn!(member = %member, fault = ?failure.fault, detail = %failure.detail, "execution without an answer");
        let look = format!(
            "do not repeat it blindly: `{member}` may be running it; its list of jobs, if you have access to it, shows whether it does"
        );
        if failure.fault == Fault::Timeout {
            let text = format!(
                "`{member}` did not answer the execution of `{process}` in time and the execution state is unknown; {look}; for long runs send `Prefer: respond-async`"
            );
            return Self::new(Kind::Timeout, member, text);
        }
        let text = format!("the connection to `{member}` was lost after the execution of `{process}` was sent; {look}");
        Self::new(Kind::OutcomeUnknown, member, text)
    }
}

/// Seconds after which a member that could not be reached is worth another try.
const RETRY_AFTER_S: u32 = 30;

impl Upstream {
    /// Reads an exception in any of the forms seen: problem documents, `code` and `description`, `message`, `exception`.
    #[must_use]
    pub fn read(status: StatusCode, document: Option<&Value>) -> Self {
        let text = |names: &[&str]| {
            names.iter().find_map(|name| document?.get(name)?.as_str()).map(cleaned).filter(|text| !text.is_empty())
        };
        let r#type = text(&["type", "code"]).filter(|text| !text.contains(SCRUBBED));
        // The types of the standard are addresses that everybody may see.
        let standard = document.and_then(|document| document["type"].as_str()).filter(|uri| is_standard(uri));
        let r#type = standard.map(ToOwned::to_owned).or(r#type);
        Self { status: status.as_u16(), r#type, detail: text(&["detail", "description", "message", "title"]) }
    }

    /// Whether the exception is of this type, in the spelling of the standard or of pygeoapi.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let letters = |text: &str| text.rsplit('/').next().unwrap_or(text).replace('-', "").to_ascii_lowercase();
        self.r#type.as_ref().is_some_and(|given| letters(given) == letters(name))
    }
}

fn is_standard(uri: &str) -> bool {
    uri.len() <= DETAIL_CHARS_MAX
        && uri.strip_prefix("http://www.opengis.net/def/exceptions/").is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_'))
        })
}

/// A member's words, cut, on one line, and without addresses.
#[must_use]
pub fn cleaned(text: &str) -> String {
    // Far more than what is kept, so that scrubbing what comes last cannot cost much.
    let bounded: String =
        text.chars().take(4 * DETAIL_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = bounded.split_whitespace().map(|word| if is_address(word) { SCRUBBED } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !is_invisible(*c)).take(DETAIL_CHARS_MAX).collect()
}

/// Marks that turn the direction of text or cannot be seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether a word has a URL, an IP address, a host with a port, or an absolute path in it.
fn is_address(word: &str) -> bool {
    let pieces =
        || word.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '[' | ']' | '/')));
    let host_and_port = |piece: &str| {
        piece.rsplit_once(':').is_some_and(|(host, port)| {
            let port = port.split('/').next().unwrap_or_default();
            !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && host.contains(|c: char| c.is_alphabetic())
        })
    };
    let v4 = |piece: &str| {
        let parts: Vec<&str> = piece.split([':', '/']).next().unwrap_or_default().split('.').collect();
        parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok())
    };
    let v6 = |piece: &str| {
        let bare = piece.strip_prefix('[').map_or(piece, |inner| inner.split(']').next().unwrap_or_default());
        bare.parse::<std::net::Ipv6Addr>().is_ok()
    };
    let local =
        |piece: &str| piece.eq_ignore_ascii_case("localhost") || piece.split('.').next_back() == Some("internal");
    let path = |piece: &str| piece.starts_with('/') && piece.matches('/').count() > 1;
    word.contains("://")
        || pieces().any(|piece| v4(piece) || v6(piece) || host_and_port(piece) || local(piece) || path(piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_members_lose_addresses_and_control_characters() {
        for (given, expected) in [
            ("missing input `bbox`", "missing input `bbox`"),
            ("cannot open http://user:pw@10.0.0.1/x now", "cannot open … now"),
            ("see (https://a.example/x), please", "see … please"),
            ("connect to 10.1.2.3 failed", "connect to … failed"),
            ("10.1.2.3:5432/db refused", "… refused"),
            ("host='db.internal' is down", "… is down"),
            ("db-1:5432 refused", "… refused"),
            ("on localhost and [::1]:80 and fe80::1", "on … and … and …"),
            ("in /srv/app/plugins/x.py line 3", "in … line 3"),
            ("a\r\nb\u{0}c\u{202e}d\te", "a b cd e"),
            ("version 1.2.3 of and/or at 12:30", "version 1.2.3 of and/or at 12:30"),
        ] {
            assert_eq!(cleaned(given), expected, "{given}");
        }
        assert_eq!(cleaned(&"é".repeat(1_000_000)).chars().count(), DETAIL_CHARS_MAX);
    }

    #[test]
    fn exceptions_are_read_in_every_form_seen() {
        let read = |document: Value| Upstream::read(StatusCode::NOT_FOUND, Some(&document));
        let standard = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job";
        let problem = read(json!({"type": standard, "title": "t", "detail": "d"}));
        assert_eq!((problem.r#type.as_deref(), problem.detail.as_deref()), (Some(standard), Some("d")));
        assert!(problem.is("no-such-job") && !problem.is("no-such-process"));
        let pygeoapi =
            read(json!({"code": "NoSuchProcess", "type": "NoSuchProcess", "description": "identifier not found"}));
        assert!(pygeoapi.is("no-such-process"));
        assert_eq!(pygeoapi.detail.as_deref(), Some("identifier not found"));
        assert_eq!(read(json!({"title": "Gone"})).detail.as_deref(), Some("Gone"));
        assert_eq!(
            read(json!({"type": "https://m.example/errors/1", "code": 7})),
            Upstream { status: 404, ..Upstream::default() }
        );
        assert_eq!(read(json!([1])), Upstream { status: 404, ..Upstream::default() });
    }
}
