//! W3C Trace Context: which trace a request belongs to, read from its headers or begun here.
//!
//! What a client sends is read as strictly as the recommendation says; what is wrong is left out and a trace is begun,
//! as if nothing had been sent (Trace Context, 4.3). It knows no headers of other kinds.

use std::fmt;

/// Length of a `traceparent` of version 00, and of what later versions must begin with (3.2.2).
const PARENT_LENGTH: usize = 55;
/// Entries and characters of a `tracestate` that travel on (3.3.1.1 and 3.3.1.5).
const STATE_ENTRIES_MAX: usize = 32;
const STATE_LENGTH_MAX: usize = 512;
/// Characters of a key and of a value (3.3.1.3).
const STATE_PART_MAX: usize = 256;
/// The flags that this version knows: sampled, and random (level 2, 3.2.2.5).
const FLAGS_KNOWN: u8 = 0b11;
const SAMPLED: u8 = 0b1;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// The trace of one request to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub id: TraceId,
    /// The caller's span; `None` where the trace was begun here.
    pub parent: Option<SpanId>,
    /// The broker's own span: the parent of those of its requests to members.
    pub span: SpanId,
    flags: u8,
    state: Option<String>,
}

impl Trace {
    /// The trace that the headers name; `None` when there is no `traceparent`, or none that may be used.
    pub fn read(parents: &[&str], states: &[&str], span: SpanId) -> Option<Self> {
        let [parent] = parents else { return None };
        let (id, parent, flags) = read_parent(parent)?;
        Some(Self { id, parent: Some(parent), span, flags, state: read_state(states) })
    }

    /// A trace that begins here.
    pub fn begun(id: TraceId, span: SpanId, is_sampled: bool) -> Self {
        Self { id, parent: None, span, flags: u8::from(is_sampled), state: None }
    }

    /// The `traceparent` of a request that is this span.
    pub fn parent_for(&self, span: SpanId) -> String {
        format!("00-{}-{span}-{:02x}", self.id, self.flags)
    }

    /// The `tracestate` that travels on.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether whoever began the trace records it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl TraceId {
    /// `None` for zero, which is no id (3.2.2.3).
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }
}

impl SpanId {
    /// `None` for zero, which is no id (3.2.2.4).
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// `version-traceid-parentid-flags`; a later version may go on behind a further `-`, and only what is known is read of it.
fn read_parent(text: &str) -> Option<(TraceId, SpanId, u8)> {
    let (known, more) = text.split_at_checked(PARENT_LENGTH)?;
    let mut parts = known.split('-');
    let version: [u8; 1] = hexadecimal(parts.next()?)?;
    let id = TraceId::new(hexadecimal(parts.next()?)?)?;
    let parent = SpanId::new(hexadecimal(parts.next()?)?)?;
    let [flags]: [u8; 1] = hexadecimal(parts.next()?)?;
    let goes_on = match version {
        [0] => more.is_empty(),
        [0xff] => false,
        _ => more.is_empty() || more.starts_with('-'),
    };
    (goes_on && parts.next().is_none()).then_some((id, parent, flags & FLAGS_KNOWN))
}

/// Exactly `N` bytes in lower case.
fn hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// All headers as one list; `None` when a part of it is wrong, since then nothing of it may be used (4.3).
fn read_state(headers: &[&str]) -> Option<String> {
    let entries = headers.iter().flat_map(|header| header.split(',')).map(|entry| entry.trim_matches([' ', '\t']));
    let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).take(STATE_ENTRIES_MAX + 1).collect();
    let mut keys = Vec::new();
    for entry in &entries {
        let (key, value) = entry.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    if entries.is_empty() || entries.len() > STATE_ENTRIES_MAX {
        return None;
    }
    // The last entries are the oldest: they go first (3.3.1.5).
    let mut state = String::new();
    for entry in entries {
        if state.len() + 1 + entry.len() > STATE_LENGTH_MAX {
            break;
        }
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(entry);
    }
    (!state.is_empty()).then_some(state)
}

fn is_key(key: &str) -> bool {
    let starts = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    starts && key.len() <= STATE_PART_MAX && key.bytes().all(inside)
}

fn is_value(value: &str) -> bool {
    let inside = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= STATE_PART_MAX && value.bytes().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: SpanId = SpanId([1, 2, 3, 4, 5, 6, 7, 8]);
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(parents: &[&str], states: &[&str]) -> Option<Trace> {
        Trace::read(parents, states, OWN)
    }

    #[test]
    fn a_trace_goes_on_under_a_new_span() {
        let trace = read(&[GOOD], &["vendor=a b,other@v=1", "third=3"]).unwrap();
        assert_eq!(trace.id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_eq!(trace.state(), Some("vendor=a b,other@v=1,third=3"));
        assert!(trace.is_sampled());
        assert_eq!(trace.parent_for(OWN), "00-4bf92f3577b34da6a3ce929d0e0e4736-0102030405060708-01");
    }

    #[test]
    fn what_is_no_traceparent_is_left_out() {
        let zero = "0".repeat(32);
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &format!("00-{zero}-00f067aa0ba902b7-01"),
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0ä",
            &"é".repeat(40),
        ] {
            assert_eq!(read(&[wrong], &[]), None, "{wrong}");
        }
        assert_eq!(read(&[GOOD, GOOD], &[]), None, "one header only");
        assert_eq!(read(&[], &["a=1"]), None, "a state without a parent says nothing");
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes";
        let trace = read(&[later], &[]).unwrap();
        assert_eq!(trace.parent_for(OWN), "00-4bf92f3577b34da6a3ce929d0e0e4736-0102030405060708-03");
    }

    #[test]
    fn a_state_is_whole_or_left_out() {
        let state = |state: &[&str]| read(&[GOOD], state).unwrap().state().map(str::to_owned);
        for wrong in ["", ",", "a", "A=1", "=1", "a=", "a=1,a=2", "a=\u{7f}", "a=b=c", "ä=1"] {
            assert_eq!(state(&[wrong]), None, "{wrong}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert_eq!(state(&[&many.join(",")]), None);
        assert!(state(&[&many[..32].join(",")]).is_some());
        assert_eq!(state(&["a=1, ,\tb=2"]).as_deref(), Some("a=1,b=2"), "empty entries are allowed");
        let long: Vec<String> = (0..4).map(|n| format!("k{n}={}", "x".repeat(200))).collect();
        let kept = state(&[&long.join(",")]).unwrap();
        assert_eq!(kept, long[..2].join(","), "the oldest go first");
        assert_eq!(state(&[&format!("{}=1", "a".repeat(257))]), None);
    }
}
