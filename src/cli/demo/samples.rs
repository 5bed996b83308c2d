//! The searches that the demo shows and checks.

use chrono::{DateTime, TimeDelta, Utc};

use super::ask::Query;

/// One search in words and as a query.
pub struct Sample {
    pub title: &'static str,
    /// What a reader should look for in the answer.
    pub look: &'static str,
    pub query: Query,
    /// A condition in CQL2 text, as the endpoint is asked, and in CQL2 JSON, as the members' tables are.
    pub filter: Option<(&'static str, &'static str)>,
}

impl Sample {
    /// What the endpoint is asked.
    pub fn asked(&self) -> Query {
        let filter = self.filter.map(|(text, _)| ("filter", text.to_owned()));
        self.query.iter().cloned().chain(filter).collect()
    }

    /// What the members' tables are asked, for the right answer.
    pub fn oracle(&self) -> Query {
        let filter = self.filter.map(|(_, json)| ("filter", json.to_owned()));
        self.query.iter().cloned().chain(filter).collect()
    }
}

/// Three searches that three different policies decide, and one with a condition that not every holder knows.
pub fn samples(now: DateTime<Utc>) -> [Sample; 4] {
    let newest_first = ("sortby", "-datetime".to_owned());
    let flanders = ("bbox", "4.4,50.4,6.0,51.4".to_owned());
    let sentinel = ("collections", "sentinel-2-l2a".to_owned());
    let (year, september) = ("2020-01-01T00:00:00Z/2020-12-31T23:59:59Z", "2023-09-01T00:00:00Z/2023-09-30T23:59:59Z");
    [
        Sample {
            title: "The Baltic Sea in 2020",
            look: "Three ocean catalogues answer as one: a resto is asked; files and metadata records were read, and are searched here.",
            query: vec![("bbox", "9,53,30,66".into()), ("datetime", year.into()), newest_first.clone()],
            filter: None,
        },
        Sample {
            title: "Sentinel-2 over Flanders in the last thirty days",
            look: "Two sites hold this Collection under one name. The archive ends earlier: only the relay is asked.",
            query: vec![
                sentinel.clone(),
                flanders.clone(),
                ("datetime", format!("{}T00:00:00Z/..", (now - TimeDelta::days(30)).format("%Y-%m-%d"))),
                newest_first.clone(),
            ],
            filter: None,
        },
        Sample {
            title: "Sentinel-2 over Flanders in September 2023",
            look: "Here both sites have every scene: the archive comes first and is asked, the relay takes over if that fails.",
            query: vec![sentinel.clone(), flanders.clone(), ("datetime", september.into()), newest_first.clone()],
            filter: None,
        },
        Sample {
            title: "Clear views of Flanders in September 2023",
            look: "The archive filters; if the relay, which does not, takes over, the broker evaluates each Item itself.",
            query: vec![sentinel, flanders, ("datetime", september.into()), newest_first],
            filter: Some((
                "eo:cloud_cover < 30 AND platform = 'sentinel-2b'",
                r#"{"op":"and","args":[{"op":"<","args":[{"property":"eo:cloud_cover"},30]},{"op":"=","args":[{"property":"platform"},"sentinel-2b"]}]}"#,
            )),
        },
    ]
}

/// Years that one member alone covers.
pub fn early_years() -> Query {
    vec![("datetime", "1958-01-01T00:00:00Z/1965-12-31T23:59:59Z".into())]
}
