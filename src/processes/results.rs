//! Asks for a job by its public id: status, results, one output, dismissal (`processes.md` 1, 2, 7).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::broker::Snapshot;
use crate::members::process_api::{Caller, NoReply, Outgoing, ProcessApi, Reply};

use super::answers::{self, Shown};
use super::execute::accept;
use super::job::{self, Job, Unknown};
use super::names;
use super::relay::{self, Answer, Body};
use super::rewrite::{Outbound, segment};
use super::trouble::{Kind, Trouble, Upstream};

/// For a status or a dismissal, and until results begin to come.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Results may be made when they are asked for.
const RESULTS_TIME: Duration = Duration::from_secs(30);

/// One request about a job.
pub struct JobCall<'a> {
    pub snapshot: &'a Snapshot,
    /// The broker's own base, without a slash at its end.
    pub base: &'a str,
    pub caller: &'a Caller,
    pub job: Job<'a>,
}

/// What of a request for results goes on.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub query: Option<String>,
    pub accept: Option<HeaderValue>,
    /// `Range` and `If-Range`.
    pub ranges: Vec<(HeaderName, HeaderValue)>,
}

impl<'a> JobCall<'a> {
    /// Finds the member of a public job id. Sends nothing.
    ///
    /// # Errors
    /// When the id leads to no configured member.
    pub fn of(snapshot: &'a Snapshot, base: &'a str, caller: &'a Caller, id: &str) -> Result<Self, Trouble> {
        let job = job::read(&snapshot.federation, id).map_err(|unknown| match unknown {
            Unknown::Undecodable => Trouble::no_job(id, "this is no job id of this federation"),
            Unknown::Member(_) => {
                let text = "the job was made at a member that this federation does not have, or has no more; ask that member itself";
                Trouble::no_job(id, text)
            }
        })?;
        Ok(Self { snapshot, base, caller, job })
    }

    /// `GET /jobs/{id}`
    ///
    /// # Errors
    /// When the member has no such job, refuses, or does not answer with a statusInfo.
    pub async fn status(&self) -> Result<Answer, Trouble> {
        let reply = self.sent(Outgoing::get(self.job.path.as_str()), ANSWER_TIME).await?;
        if reply.status != StatusCode::OK {
            return Err(self.refused(reply, "status").await);
        }
        let headers = retry_after(&reply);
        let against = reply.url.clone();
        let status = reply.status;
        let document = relay::document(reply).await;
        let shown_in = |document: Value| {
            self.with(&against, |out| {
                answers::status_info(&Shown { id: &self.job.id, path: &self.job.path, out }, document)
            })
        };
        if let Some(info) = document.and_then(shown_in) {
            return Ok(self.answer(headers, info));
        }
        let text = format!("the status that `{}` gives of this job is not understood", self.job.member.id);
        let trouble = self.trouble(Kind::Contract, text);
        Err(Trouble { upstream: Some(Box::new(Upstream::read(status, None))), ..trouble })
    }

    /// `DELETE /jobs/{id}`
    ///
    /// # Errors
    /// When the member has no such job, refuses, or does not answer.
    pub async fn dismiss(&self) -> Result<Answer, Trouble> {
        let request = Outgoing { method: Method::DELETE, ..Outgoing::get(self.job.path.as_str()) };
        let reply = self.sent(request, ANSWER_TIME).await?;
        if !reply.status.is_success() {
            return Err(self.refused(reply, "dismissal").await);
        }
        let against = reply.url.clone();
        // Sniffed, not believed: pygeoapi labels JSON as HTML.
        let document = relay::document(reply).await.unwrap_or_default();
        let info = self
            .with(&against, |out| answers::dismissed(&Shown { id: &self.job.id, path: &self.job.path, out }, document));
        Ok(self.answer(HeaderMap::new(), info))
    }

    /// `GET /jobs/{id}/results`
    ///
    /// # Errors
    /// When there are none yet, the job failed or is unknown, or the member does not answer.
    pub async fn results(&self, wanted: &Wanted) -> Result<Answer, Trouble> {
        let reply = self.sent(self.wanted("results", wanted), RESULTS_TIME).await?;
        if is_relayed(reply.status) {
            return self.relayed(reply).await;
        }
        if is_not_there(reply.status) {
            return Err(self.why_not_there(reply).await);
        }
        Err(self.refused(reply, "results").await)
    }

    /// `GET /jobs/{id}/results/{output}`: the member's own, or cut out of its results document.
    ///
    /// # Errors
    /// As for the results; and when there is no such output.
    pub async fn output(&self, output: &str, wanted: &Wanted) -> Result<Answer, Trouble> {
        let reply = self.sent(self.wanted(&format!("results/{}", segment(output)), wanted), RESULTS_TIME).await?;
        if is_relayed(reply.status) {
            return self.relayed(reply).await;
        }
        if reply.status == StatusCode::ACCEPTED {
            return Err(self.why_not_there(reply).await);
        }
        if reply.status != StatusCode::NOT_FOUND {
            return Err(self.refused(reply, "output").await);
        }
        let json = Wanted { accept: Some(HeaderValue::from_static("application/json")), ..Wanted::default() };
        let reply = self.sent(self.wanted("results", &json), RESULTS_TIME).await?;
        if is_not_there(reply.status) {
            return Err(self.why_not_there(reply).await);
        }
        if !reply.status.is_success() {
            return Err(self.refused(reply, "results").await);
        }
        self.cut_out(reply, output).await
    }

    async fn cut_out(&self, reply: Reply, output: &str) -> Result<Answer, Trouble> {
        let member = &self.job.member.id;
        let no_such = || {
            self.trouble(Kind::NoSuchOutput, format!("the results of this job at `{member}` have no output `{output}`"))
        };
        let against = reply.url.clone();
        let read = reply.document(relay::REWRITE_BYTES_MAX, Instant::now() + RESULTS_TIME).await;
        let bytes =
            read.map_err(|failure| self.silent(&NoReply { failure, sent: crate::members::process_api::Sent::Maybe }))?;
        let rewritten = self.with(&against, |out| answers::results(&out, &bytes)).map_or(bytes, Bytes::from);
        let document: Value = serde_json::from_slice(&rewritten).map_err(|_not_json| no_such())?;
        let value = answers::output(&document, output).ok_or_else(no_such)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Body::Bytes(Bytes::from(value.to_string()));
        Ok(Answer { member: member.clone(), status: StatusCode::OK, headers, body })
    }

    async fn relayed(&self, reply: Reply) -> Result<Answer, Trouble> {
        let against = reply.url.clone();
        let process_id = |native: &str| names::public(self.snapshot, &self.job.member.id, native);
        let relayed = relay::relay(&self.out(&against, &process_id), reply).await;
        relayed.map_err(|failure| Trouble::silent(&self.job.member.id, &failure).of_job(&self.job.id))
    }

    /// Members answer 404 to results that are not there yet, to jobs that are not there, and to results that are gone.
    async fn why_not_there(&self, reply: Reply) -> Trouble {
        let member = &self.job.member.id;
        let (status, said) = (reply.status, reply.headers.clone());
        let document = relay::document(reply).await;
        let job = match self.sent(Outgoing::get(self.job.path.as_str()), ANSWER_TIME).await {
            Ok(job) => job,
            Err(trouble) => return trouble,
        };
        if matches!(job.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return self.no_such_job(job.status, &said, document.as_ref());
        }
        let after = job.headers.get(header::RETRY_AFTER).cloned();
        let info = relay::document(job).await.unwrap_or_default();
        let (kind, text) = match answers::status(&info) {
            Some("accepted") => {
                (Kind::ResultNotReady, format!("the job at `{member}` has not begun; it has no results yet"))
            }
            Some("running") => {
                (Kind::ResultNotReady, format!("the job at `{member}` is running; it has no results yet"))
            }
            Some("failed") => {
                (Kind::ResultNotAvailable, format!("the job at `{member}` has failed; it has no results"))
            }
            Some("dismissed") => {
                (Kind::ResultNotAvailable, format!("the job at `{member}` was dismissed; it has no results"))
            }
            // The answer itself says that they are on their way.
            _ if status == StatusCode::ACCEPTED => {
                (Kind::ResultNotReady, format!("`{member}` is still making the results of this job"))
            }
            _ => (Kind::ResultNotAvailable, format!("`{member}` has no results of this job")),
        };
        let mut trouble = self.trouble(kind, text).told(status, &said, document.as_ref());
        let has_time = trouble.headers.iter().any(|(name, _)| name == header::RETRY_AFTER);
        trouble.headers.extend(after.filter(|_| !has_time).map(|after| (header::RETRY_AFTER, after)));
        trouble
    }

    /// The member answered and gave nothing.
    async fn refused(&self, reply: Reply, what: &str) -> Trouble {
        let member = &self.job.member.id;
        let (status, said) = (reply.status, reply.headers.clone());
        let document = relay::document(reply).await;
        let upstream = Upstream::read(status, document.as_ref());
        let own_words = upstream.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
        let of_results = matches!(what, "results" | "output");
        let (kind, text) = match status.as_u16() {
            404 | 410 => return self.no_such_job(status, &said, document.as_ref()),
            405 if what == "dismissal" => (Kind::Refused(status), format!("`{member}` does not dismiss jobs")),
            400..=499 => (Kind::Refused(status), format!("`{member}` refused the {what} of this job{own_words}")),
            503 => (Kind::Unavailable, format!("`{member}` gives no {what} at the moment; try again later")),
            504 => (Kind::Timeout, format!("`{member}` did not give the {what} in time; ask again")),
            // What a failed job answers is the answer.
            500..=599 if of_results && document.is_some() => {
                (Kind::Refused(status), format!("`{member}` gives no {what} of this job{own_words}"))
            }
            _ => (Kind::Contract, format!("the {what} that `{member}` gives of this job is not understood")),
        };
        let mut trouble = self.trouble(kind, text).told(status, &said, document.as_ref());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            trouble.headers.push((header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")));
        }
        trouble
    }

    fn no_such_job(&self, status: StatusCode, said: &HeaderMap, document: Option<&Value>) -> Trouble {
        let member = &self.job.member.id;
        let more = if status == StatusCode::GONE { " any more" } else { "" };
        self.trouble(Kind::NoSuchJob, format!("`{member}` has no such job{more}")).told(status, said, document)
    }

    async fn sent(&self, request: Outgoing, within: Duration) -> Result<Reply, Trouble> {
        let api = self.api()?;
        api.ask(&request, self.caller, Instant::now() + within).await.map_err(|no| self.silent(&no))
    }

    fn silent(&self, no: &NoReply) -> Trouble {
        Trouble::silent(&self.job.member.id, &no.failure).of_job(&self.job.id)
    }

    /// A member that is configured and switched off is away, not unknown: its jobs are there when it comes back.
    fn api(&self) -> Result<&ProcessApi, Trouble> {
        let member = &self.job.member.id;
        let off = || {
            let text = format!("`{member}` is switched off in this federation at the moment");
            let trouble = self.trouble(Kind::Unavailable, text);
            Trouble { headers: vec![(header::RETRY_AFTER, HeaderValue::from_static("300"))], ..trouble }
        };
        self.snapshot.members.process_api(member.as_str()).map(AsRef::as_ref).ok_or_else(off)
    }

    fn wanted(&self, path: &str, wanted: &Wanted) -> Outgoing {
        Outgoing {
            query: wanted.query.clone(),
            accept: accept(wanted.accept.as_ref()),
            headers: wanted.ranges.clone(),
            identity: true,
            ..Outgoing::get(format!("{}/{path}", self.job.path.as_str()))
        }
    }

    fn trouble(&self, kind: Kind, text: String) -> Trouble {
        Trouble::new(kind, &self.job.member.id, text).of_job(&self.job.id)
    }

    fn answer(&self, headers: HeaderMap, document: serde_json::Map<String, Value>) -> Answer {
        let member = self.job.member.id.clone();
        Answer { member, status: StatusCode::OK, headers, body: Body::Document(document) }
    }

    fn out<'b>(&'b self, against: &'b url::Url, process_id: &'b (dyn Fn(&str) -> String + Sync)) -> Outbound<'b> {
        let face = names::face(self.snapshot, self.base);
        Outbound { face, member: self.job.member, processes: self.job.processes, process_id, against }
    }

    fn with<T>(&self, against: &url::Url, made: impl FnOnce(Outbound<'_>) -> T) -> T {
        let process_id = |native: &str| names::public(self.snapshot, &self.job.member.id, native);
        made(self.out(against, &process_id))
    }
}

/// No results, for a reason that the job's status tells.
fn is_not_there(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::ACCEPTED)
}

/// Results in every form: by value, empty with links, a part, made elsewhere (the client goes there itself).
fn is_relayed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 204 | 206 | 301 | 302 | 303 | 307 | 308 | 416)
}

fn retry_after(reply: &Reply) -> HeaderMap {
    reply.headers.get(header::RETRY_AFTER).map(|value| (header::RETRY_AFTER, value.clone())).into_iter().collect()
}
