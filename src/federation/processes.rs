//! What admins declare of processes: of one member (`[member.processes]`), and of choosing among members (`[processes]`).

use std::time::Duration;

use url::Url;

use super::{MemberId, Patterns};

/// A synchronous execution may wait so long for its answer (`processes.md` 1.2).
pub const SYNC: Duration = Duration::from_secs(300);
/// The answer to an asynchronous execution comes within this time.
pub const ASYNC: Duration = Duration::from_secs(30);

/// `[member.processes]`: where and how a member executes processes. A member without it executes none.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberProcesses {
    /// Process base: `{url}/processes` and `{url}/jobs` lie below it.
    pub url: Url,
    /// Further process bases this member prints.
    pub aliases: Vec<Url>,
    /// Over the member's own process ids.
    pub include: Patterns,
    pub exclude: Patterns,
    /// The process that brings back data which left the member's retention.
    pub order_process: Option<String>,
    /// Where the member's data lies, for example `s3://bucket/`.
    pub data_prefixes: Vec<String>,
    /// Names of inputs that carry data.
    pub data_inputs: Vec<String>,
    /// Copes with a second `Prefer` line.
    pub prefer_return: bool,
    /// May be asked for the caller's jobs.
    pub job_list: bool,
    pub callbacks: Callbacks,
    /// Longest synchronous execution.
    pub sync: Duration,
    /// Longest wait for the answer to an asynchronous one.
    pub r#async: Duration,
}

impl MemberProcesses {
    /// A process base with nothing said that has a default.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            url,
            aliases: Vec::new(),
            include: Patterns::everything(),
            exclude: Patterns::nothing(),
            order_process: None,
            data_prefixes: Vec::new(),
            data_inputs: Vec::new(),
            prefer_return: false,
            job_list: false,
            callbacks: Callbacks::Pass,
            sync: SYNC,
            r#async: ASYNC,
        }
    }
}

/// What becomes of a `subscriber` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callbacks {
    /// It reaches the member, which calls the client's address itself.
    Pass,
    /// Such a request is refused.
    Refuse,
}

/// `[processes]`: how the member that executes is chosen where the data alone does not say it (`processes.md` 6.4).
#[derive(Debug, Clone, Default)]
pub struct Routing {
    pub unlocated: Unlocated,
    pub spread: Spread,
    pub ambiguous: Ambiguous,
    /// Members that hold the named Collection are asked whether they have a matching Item.
    pub probe: bool,
    pub aliases: Vec<Equated>,
}

/// When nothing in a request says where its data lies and several members offer the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlocated {
    #[default]
    Reject,
    /// The offering member of highest priority.
    Preferred,
}

/// When no single member holds all the data of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    #[default]
    Reject,
    /// The member that holds most of the references.
    Majority,
}

/// When several members hold the data alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ambiguous {
    #[default]
    Pick,
    Reject,
}

/// One public process id and the members' own ids that mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equated {
    pub public: String,
    /// At most one process of each member.
    pub processes: Vec<(MemberId, String)>,
}

impl Routing {
    /// The public id under which a member's process is known: what the aliases say, else its own id.
    #[must_use]
    pub fn public_id<'a>(&'a self, member: &MemberId, native: &'a str) -> &'a str {
        let named = |equated: &&Equated| equated.processes.iter().any(|(of, own)| of == member && own == native);
        self.aliases.iter().find(named).map_or(native, |equated| equated.public.as_str())
    }
}
