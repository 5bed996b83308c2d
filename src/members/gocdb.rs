//! The configuration database of EGI (GOCDB), as a list of catalogues: one request, one XML document, nothing kept.
//!
//! It deliberately does not know who becomes a member: it gives what the registry says, and `federation` decides.

mod read;

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::client::Clients;
use super::line::{Expects, Line, Outgoing, Purpose, failure};
use super::{Failure, Fault};
use crate::federation::registry::{Endpoint, Gocdb};
use crate::federation::{Federation, Member};

/// The registry answers out of a database that many ask at the full hour.
const ANSWER: Duration = Duration::from_secs(60);

/// Asks for the services of the scope and gives their endpoints named `STAC`, whichever site has them.
///
/// # Errors
/// When there is no whole answer, or one that is not the registry's. The detail is for admins.
pub async fn endpoints(gocdb: &Gocdb, federation: &Federation) -> Result<Vec<Endpoint>, Failure> {
    let registry = Member::plain("GOCDB", "GOCDB", gocdb.url.as_str(), gocdb.internal);
    let mut registry = registry.map_err(|reason| failure(Fault::Unsupported, &reason))?;
    registry.request.deadline = Some(ANSWER);
    let clients = Clients::new(std::slice::from_ref(&registry), &federation.limits);
    let line = Line::new(&registry, federation, &clients);
    let request = Outgoing {
        expects: Expects::Xml,
        purpose: Purpose::Probe,
        ..Outgoing::get(question(gocdb), "application/xml, text/xml")
    };
    let answer = line.send(request, Instant::now() + ANSWER).await?;
    read::endpoints(&answer.body).map_err(|reason| failure(Fault::BadResponse, &reason))
}

/// `get_service`, without the parameter that would cut the answer into pages.
fn question(gocdb: &Gocdb) -> Url {
    let mut url = gocdb.url.clone();
    // The public interface redirects without it.
    url.set_path(&format!("{}/", gocdb.url.path().trim_end_matches('/')));
    url.query_pairs_mut()
        .append_pair("method", "get_service")
        .append_pair("scope", &gocdb.scope)
        .append_pair("scope_match", "all");
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::Patterns;

    #[test]
    fn the_question_names_method_and_scope() {
        for base in ["https://goc.example/gocdbpi/public", "https://goc.example/gocdbpi/public/"] {
            let gocdb = Gocdb {
                url: base.parse().unwrap(),
                scope: "C-SCALE & co".into(),
                refresh: Duration::from_secs(60),
                allow: Patterns::everything(),
                deny: Patterns::nothing(),
                internal: false,
            };
            assert_eq!(
                question(&gocdb).as_str(),
                "https://goc.example/gocdbpi/public/?method=get_service&scope=C-SCALE+%26+co&scope_match=all"
            );
        }
    }
}
