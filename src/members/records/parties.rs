//! Contacts of a record as STAC providers.

use serde_json::{Map, Value};

use super::record::Party;

/// STAC's role for one of ISO 19115 or of OGC API - Records; `None` where STAC has none that means the same. The contact
/// is a provider then without a role.
fn role(code: &str) -> Option<&'static str> {
    Some(match code {
        "owner" | "rightsHolder" | "licensor" => "licensor",
        "originator" | "author" | "coAuthor" | "principalInvestigator" | "producer" => "producer",
        "processor" => "processor",
        "distributor" | "host" => "host",
        _ => return None,
    })
}

/// Roles that are no provider of the data: who uses it, or paid for it.
const NO_PROVIDER: [&str; 4] = ["user", "funder", "sponsor", "contributor"];

/// The providers, each name once with all its roles, in the order of the record.
pub fn providers(parties: &[Party]) -> Vec<Value> {
    let mut found: Vec<(&str, Option<&str>, Vec<&'static str>)> = Vec::new();
    for party in parties {
        let none = !party.roles.is_empty() && party.roles.iter().all(|role| NO_PROVIDER.contains(&role.as_str()));
        if none {
            continue;
        }
        let url = party.url.as_ref().map(url::Url::as_str);
        let at = found.iter().position(|(name, ..)| *name == party.name).unwrap_or_else(|| {
            found.push((&party.name, None, Vec::new()));
            found.len() - 1
        });
        let (_, known, roles) = &mut found[at];
        *known = known.or(url);
        for role in party.roles.iter().filter_map(|code| role(code)) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
    }
    found.into_iter().map(|(name, url, roles)| provider(name, url, &roles)).collect()
}

fn provider(name: &str, url: Option<&str>, roles: &[&str]) -> Value {
    let mut provider = Map::new();
    provider.insert("name".to_owned(), name.into());
    if !roles.is_empty() {
        provider.insert("roles".to_owned(), roles.into());
    }
    if let Some(url) = url {
        provider.insert("url".to_owned(), url.into());
    }
    provider.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_organisation_is_one_provider_with_the_roles_that_stac_has() {
        let party = |name: &str, roles: &[&str], url: Option<&str>| Party {
            name: name.to_owned(),
            url: url.and_then(|url| url::Url::parse(url).ok()),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        let parties = [
            party("VLIZ", &["originator"], None),
            party("Ifremer", &["pointOfContact"], None),
            party("VLIZ", &["custodian", "distributor", "author"], Some("https://vliz.example/")),
            party("Somebody", &["user"], None),
        ];
        assert_eq!(
            providers(&parties),
            [
                json!({"name": "VLIZ", "roles": ["producer", "host"], "url": "https://vliz.example/"}),
                json!({"name": "Ifremer"}),
            ]
        );
    }
}
