//! What a stub does differently from the standard, or from other stubs.

use std::time::Duration;

/// One member's habits.
#[derive(Debug, Clone)]
pub struct Script {
    pub base_path: &'static str,
    pub location: Location,
    pub created: Created,
    pub results: Results,
    pub names: Names,
    /// Jobs stand below their process.
    pub legacy_jobs: bool,
    /// `GET results/{output}` is 404 with a page, as at pygeoapi.
    pub no_single_outputs: bool,
    /// What `DELETE` answers; 200 is a statusInfo labelled as HTML.
    pub dismissal: u16,
    /// Says that it makes callbacks.
    pub callbacks: bool,
    /// What `Preference-Applied` says when it ran asynchronously.
    pub says_applied: bool,
    /// Synchronous answers say `Location` too, as at pygeoapi.
    pub location_of_sync: bool,
    /// The statusInfo says when to ask again.
    pub retry_after: Option<&'static str>,
    /// So many further processes, and how many a list shows without and with `next`.
    pub further_processes: usize,
    pub list_max: usize,
    pub list_next: bool,
    /// Of its list of jobs.
    pub jobs_per_page: usize,
    /// Of its list of processes, `limit` is refused.
    pub refuses_limit: bool,
    /// A second input, which its processes require.
    pub further_input: Option<&'static str>,
    /// Descriptions are for those who bring credentials.
    pub hides_descriptions: bool,
    /// What goes wrong, and where.
    pub goes_wrong: Option<(On, Does)>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            base_path: "/ogc",
            location: Location::Absolute,
            created: Created::StatusInfo,
            results: Results::Document,
            names: Names::Standard,
            legacy_jobs: false,
            no_single_outputs: false,
            dismissal: 200,
            callbacks: false,
            says_applied: true,
            location_of_sync: false,
            retry_after: None,
            further_processes: 0,
            list_max: usize::MAX,
            list_next: true,
            jobs_per_page: usize::MAX,
            refuses_limit: false,
            further_input: None,
            hides_descriptions: false,
            goes_wrong: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Execution,
    Status,
    Results,
    Dismissal,
    Conformance,
    Everything,
}

#[derive(Debug, Clone)]
pub enum Does {
    /// Status, headers, body.
    Says(u16, &'static [(&'static str, &'static str)], &'static str),
    CloseBeforeHeaders,
    CloseAfterHeaders,
    /// After a part of the body.
    CloseMidBody,
    Hang,
    /// The right answer, this late.
    Late(Duration),
    /// An error page.
    Html(u16),
    Redirect(u16, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Absolute,
    Relative,
    /// The name the member has inside its own network.
    WrongHost,
    WithQuery,
    Absent,
    /// Not a job at all.
    Nonsense,
}

/// The body of a 201.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    StatusInfo,
    Null,
    EmptyObject,
    Empty,
    Html,
    /// `{"id": …}`
    Id,
    /// `{"jobID": …}`
    JobId,
}

#[derive(Debug, Clone)]
pub enum Results {
    /// A map of outputs to values.
    Document,
    /// `{"outputs": [{id, value}]}`
    List,
    /// One output as it is.
    Raw(&'static str, &'static [u8]),
    /// `multipart/related`, with `Content-Location` where it says so.
    Multipart(bool),
    /// 204 and `Link`.
    Links,
    /// By reference: below the base, outside of it, relative.
    References,
    /// So many bytes, in chunks this far apart; ranges are understood.
    Bytes(u64, Duration),
    /// 303 to a collection.
    SeeOther(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Standard,
    /// `id`, `processingEntityType`, an embedded `exception`.
    V2,
    /// `jobId`.
    Edito,
}
