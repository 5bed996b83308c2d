//! What admins write: the content of `federation.toml`, validated.
//!
//! This room knows no other room and no network. `file.rs` is the file as written, `validate.rs` turns it into a
//! [`Federation`] or into every [`Problem`] at once, `policy.rs` and `retention.rs` answer the questions a plan asks.
//! Start reading at [`Federation`].

pub mod addition;
pub mod area;
mod file;
pub mod harvest;
pub mod interval;
pub mod policy;
mod problem;
pub mod processes;
pub mod registry;
pub mod retention;
pub mod shared;
pub mod tls;
mod validate;

use std::borrow::Borrow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

pub use addition::{Addition, quoted};
pub use area::{Area, Bbox};
pub use harvest::{Crawl, Records};
pub use interval::Interval;
pub use policy::{Extents, Patterns, Policy, Question, Refusal, Rule};
pub use problem::{CODES, NO_MEMBER, Problem, Problems, Severity, Source};
pub use processes::{Ambiguous, Callbacks, Equated, MemberProcesses, Routing, Spread, Unlocated};
pub use registry::Registry;
pub use shared::{Holder, Replicas, Shared};
pub use tls::Tls;
pub use validate::{Loaded, load, load_text};

/// JSON Schema of the federation file, as text; tests hold it against the code that reads the file.
pub const SCHEMA: &str = include_str!("schema.json");

/// Validated content of the federation file. Never changes once made.
#[derive(Debug, Clone)]
pub struct Federation {
    /// Id of the landing page, `[a-z0-9-]+`.
    pub id: String,
    pub title: String,
    pub description: String,
    /// Base of every link the broker writes, without a trailing slash in its path.
    pub public_url: Option<Url>,
    /// Stands between member id and collection id; one of `|`, `.`, `~`, `@`.
    pub delimiter: char,
    pub server: Server,
    pub limits: Limits,
    pub cursor: Cursor,
    pub telemetry: Telemetry,
    /// How many broker processes serve this federation (`[replicas] processes`).
    pub processes: u32,
    /// `[processes]`.
    pub routing: Routing,
    /// `[registry]`.
    pub registry: Registry,
    /// In the order of the file, of the files of sites by name, and of the registry; disabled members are kept, so that
    /// they can be named as pruned.
    pub members: Vec<Member>,
    /// `[[collection]]`, in the order of the file. A holder may be a member that only a registry names.
    pub shared: Vec<Shared>,
}

impl Federation {
    /// The member of this exact id, or of an earlier id (`renamed_from`).
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.id.as_str() == id)
            .or_else(|| self.members.iter().find(|member| member.renamed_from.iter().any(|old| old == id)))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub listen: SocketAddr,
    /// `None`: plain HTTP, behind a proxy.
    pub tls: Option<Tls>,
    pub admin: Admin,
    /// Networks whose `Forwarded` and `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// `["*"]` or a list of origins.
    pub cors_origins: Vec<String>,
}

/// The listener for admins: metrics, status, reload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Admin {
    /// `None`: there is none.
    pub listen: Option<SocketAddr>,
    /// Asked for by every path of it.
    pub token: Option<Secret>,
}

/// `[telemetry]`: what is written of searches, and where traces go. Taken at start.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    pub access_log: AccessLog,
    /// Base of a collector that speaks OTLP over HTTP; `None`: spans go nowhere.
    pub otlp_url: Option<Url>,
    /// Of the traces that begin here, how many in a hundred are recorded.
    pub otlp_percent: u8,
}

/// Where the line of each search goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// To standard error, among the log.
    #[default]
    Log,
    Off,
    File(PathBuf),
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { access_log: AccessLog::Log, otlp_url: None, otlp_percent: 100 }
    }
}

/// Bounds of one process; the defaults stand in `Limits::default`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub page_items_default: u32,
    pub page_items_max: u32,
    /// For a client's request.
    pub deadline: Duration,
    /// For one member in one request.
    pub member_deadline: Duration,
    pub connect: Duration,
    /// Per member answer, after decompression.
    pub answer_bytes_max: usize,
    pub in_flight_max: usize,
    pub buffered_bytes_max: usize,
    pub request_body_bytes_max: usize,
    /// Requests a second of one client address, those to members counted in; 0: as many as come.
    pub client_rate_per_s: u32,
    /// How often each member is asked for a sign of life, in seconds; 0: never.
    pub check_every_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_items_default: 10,
            page_items_max: 1000,
            deadline: Duration::from_secs(15),
            member_deadline: Duration::from_secs(10),
            connect: Duration::from_secs(2),
            answer_bytes_max: 33_554_432,
            in_flight_max: 1024,
            buffered_bytes_max: 1_073_741_824,
            request_body_bytes_max: 1_048_576,
            client_rate_per_s: 0,
            check_every_s: 30,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Cursor {
    /// 32-byte keys; the first seals, all open. Empty: the process makes one at start.
    pub keys: Vec<Secret>,
    pub life: Duration,
}

/// Id of a member: `[A-Za-z0-9][A-Za-z0-9_-]*`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

impl MemberId {
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Borrow<str> for MemberId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for MemberId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One catalogue of a site, as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub id: MemberId,
    pub title: String,
    pub kind: Kind,
    /// Landing page, or the root document of a catalogue of files.
    pub url: Url,
    /// Where those files lie, when they are on this machine; `url` then only names them.
    pub folder: Option<PathBuf>,
    /// Further bases this member may print in its links.
    pub aliases: Vec<Url>,
    pub enabled: bool,
    pub renamed_from: Vec<String>,
    /// True permits private, loopback and link-local addresses.
    pub internal: bool,
    pub request: Request,
    /// For kinds that are read whole ([`Kind::is_harvested`]).
    pub crawl: Crawl,
    pub capabilities: Declared,
    pub policy: Policy,
    pub auth: Auth,
    /// Absent: the member executes nothing.
    pub processes: Option<MemberProcesses>,
}

impl Member {
    /// A STAC API of which nothing else is said.
    ///
    /// # Errors
    /// Why it can be no member, as a sentence.
    pub fn plain(id: &str, title: &str, url: &str, internal: bool) -> Result<Self, String> {
        validate::plain_member(id, title, url, internal)
    }

    /// Whether a request to the member is the same under both declarations: they differ at most in what decides
    /// *whether* it is asked.
    #[must_use]
    pub fn asked_as(&self, other: &Self) -> bool {
        let alike = Self { policy: other.policy.clone(), title: other.title.clone(), ..self.clone() };
        alike == *other
    }
}

/// What software speaks there, as far as adapters differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asked search by search.
    StacApi,
    /// A catalogue of files.
    StaticStac,
    /// Metadata records: OGC API - Records.
    OgcRecords,
    /// Metadata records: Catalogue Service for the Web 2.0.2.
    Csw,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::StacApi, Self::StaticStac, Self::OgcRecords, Self::Csw];

    /// As the federation file writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StacApi => "stac-api",
            Self::StaticStac => "static-stac",
            Self::OgcRecords => "ogc-records",
            Self::Csw => "csw",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether members of this kind have metadata records, which become Collections or Items here.
    #[must_use]
    pub fn has_records(self) -> bool {
        matches!(self, Self::OgcRecords | Self::Csw)
    }

    /// Whether members of this kind are read whole now and then, and searched in the broker.
    #[must_use]
    pub fn is_harvested(self) -> bool {
        self != Self::StacApi
    }
}

/// How requests to one member are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    pub dialect: Dialect,
    /// Largest page to ask for; `None`: what discovery says, else 1000.
    pub page_items_max: Option<u32>,
    /// `None`: `limits.member_deadline`.
    pub deadline: Option<Duration>,
    /// At most so many requests at once; how many within this is found out while asking.
    pub concurrency_max: usize,
    /// At most so many requests a second; `None`: as many as come.
    pub rate_per_s: Option<u32>,
    pub next_path: NextPath,
    /// Further headers sent with every request, names in lower case.
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Auto,
    Get,
    Post,
}

/// The kind of server behind a member, where it does otherwise than the standard says (`members.md` section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// What the member gives away of itself decides.
    Auto,
    Standard,
    Resto,
    /// The older CDSE and CREODIAS catalogues.
    Page,
    StacServer,
    Pgstac,
    PlanetaryComputer,
    Cmr,
    Fedeo,
    Geoserver,
}

impl Dialect {
    pub const ALL: [Self; 10] = [
        Self::Auto,
        Self::Standard,
        Self::Resto,
        Self::Page,
        Self::StacServer,
        Self::Pgstac,
        Self::PlanetaryComputer,
        Self::Cmr,
        Self::Fedeo,
        Self::Geoserver,
    ];

    /// As the federation file and reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Standard => "standard",
            Self::Resto => "resto",
            Self::Page => "page",
            Self::StacServer => "stac-server",
            Self::Pgstac => "pgstac",
            Self::PlanetaryComputer => "planetary-computer",
            Self::Cmr => "cmr",
            Self::Fedeo => "fedeo",
            Self::Geoserver => "geoserver",
        }
    }
}

impl serde::Serialize for Dialect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What is kept of a member's `next` link besides its parameters (`members.md` section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPath {
    Rebase,
    Follow,
}

/// Whether a member honours a condition: exactly, at worst returning too much, or not at all (S8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    Exact,
    Inexact,
    Unsupported,
}

/// `[member.capabilities]`: overrides of what discovery finds. `None`: discovery decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    pub sort: Option<Support>,
    pub intersects: Option<Support>,
    pub filter: Option<Support>,
    /// Spellings of CQL2 that the member reads: `cql2-text`, `cql2-json`.
    pub filter_lang: Option<Vec<String>>,
    /// The Query extension.
    pub query: Option<Support>,
    pub fields: Option<Support>,
    /// Order without `sortby`: today only `-datetime` and `datetime` mean something to the plan.
    pub native_order: Option<String>,
    /// `None`: all, verified while reading.
    pub sort_fields: Option<Vec<String>>,
    /// True: text is ordered by its UTF-8 bytes.
    pub string_order_bytes: bool,
}

/// Credentials for one member, resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    None,
    Bearer {
        token: Secret,
    },
    Basic {
        user: Secret,
        password: Secret,
    },
    Header {
        name: String,
        value: Secret,
    },
    /// The caller's `Authorization`, exactly as received, on requests to this member's process base and nowhere else.
    Forward,
}

/// A resolved secret. Prints as `***`, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(zeroize::Zeroizing::new(value))
    }
    /// The secret itself; for the place that sends it only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}
