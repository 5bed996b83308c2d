//! `demo --check`: searches with known answers, asked through real HTTP, and a verdict.
//!
//! What is right comes from the members' own tables (`Demo::matching`), never from the broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::json;

use super::Stage;
use super::ask::{Query, Walk, encoded};
use super::execution;
use super::samples::{Sample, early_years, samples};
use super::say;
use super::show;

/// How long a member that came back may stay unasked: longer than a circuit stays open.
const COMES_BACK: Duration = Duration::from_secs(60);

type Ids = BTreeSet<(String, String)>;

/// Runs every check, prints one line for each, and says whether all are good.
pub async fn run(stage: &Stage) -> Result<bool, String> {
    say::heading("Checking the demo federation");
    let begun = Instant::now();
    let mut verdicts = Vec::new();
    for sample in samples(Utc::now()) {
        let found = restricted(stage, &sample).await;
        verdicts.push(told(sample.title, found));
    }
    let early = only_asked(stage, &early_years(), "EMODnet").await;
    verdicts.push(told("A search of 1958 to 1965 reaches EMODnet alone", early));
    verdicts.push(told("A walk over everything by GET, newest first", walk_in_order(stage).await));
    verdicts.push(told("A walk over everything by POST, in no order asked for", walk_any_order(stage).await));
    verdicts.push(told("An execution on an Item of EDITO", execution::check(stage).await));
    verdicts.push(told("A search with EDITO switched off", switched_off(stage).await));
    stage.demo.switch_off("EDITO", false);
    verdicts.push(told("The same search with EDITO back", comes_back(stage).await));

    let failed = verdicts.iter().filter(|good| !**good).count();
    let took_s = begun.elapsed().as_secs_f64();
    say::line("");
    if failed == 0 {
        say::line(&format!("All {} checks are good ({took_s:.1} s).", verdicts.len()));
    } else {
        say::line(&format!("{failed} of {} checks failed ({took_s:.1} s).", verdicts.len()));
    }
    Ok(failed == 0)
}

fn told(title: &str, found: Result<String, String>) -> bool {
    match found {
        Ok(what) => {
            say::line(&format!("good    {title}: {what}"));
            true
        }
        Err(why) => {
            say::line(&format!("FAILED  {title}: {why}"));
            false
        }
    }
}

/// The walk brought exactly these Items, each once, and named nobody as missing.
fn complete(walk: &Walk, expected: &Ids) -> Result<(), String> {
    same(&walk.ids()?, expected)?;
    if walk.missing.is_empty() && walk.missing_header.is_empty() {
        Ok(())
    } else {
        Err(format!("missing, although all members are up: {}", listed(&walk.missing)))
    }
}

fn same(found: &Ids, expected: &Ids) -> Result<(), String> {
    let one =
        |ids: &mut dyn Iterator<Item = &(String, String)>| ids.next().map(|(_, id)| id.clone()).unwrap_or_default();
    let (lost, extra) = (expected.difference(found).count(), found.difference(expected).count());
    if lost > 0 {
        return Err(format!(
            "{lost} of {} Items are lost, for example `{}`",
            expected.len(),
            one(&mut expected.difference(found))
        ));
    }
    if extra > 0 {
        return Err(format!("{extra} Items do not belong, for example `{}`", one(&mut found.difference(expected))));
    }
    Ok(())
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The members that received searches while `ask` ran.
async fn asked_during<T>(stage: &Stage, ask: impl Future<Output = T>) -> (T, BTreeSet<String>) {
    let before = stage.demo.search_requests();
    let answer = ask.await;
    let after = stage.demo.search_requests();
    let more = after.into_iter().zip(before).filter(|((_, now), (_, then))| now > then);
    (answer, more.map(|((id, _), _)| id).collect())
}

/// A sample: the right Items in the right order, and not one request to a member that the plan left out.
async fn restricted(stage: &Stage, sample: &Sample) -> Result<String, String> {
    let query = &sample.asked();
    let expected = stage.demo.matching(&encoded(&sample.oracle()))?;
    if expected.is_empty() {
        return Err("nothing can match, so this check would prove nothing".into());
    }
    let planned: BTreeSet<String> =
        show::plan(stage, query)?.legs.iter().map(|leg| leg.member.as_str().to_owned()).collect();
    let (walk, asked) = asked_during(stage, stage.client.walk(&limited(query, 50))).await;
    let walk = walk?;
    complete(&walk, &expected)?;
    walk.newest_first()?;
    if let Some(matched) = walk.matched.filter(|matched| *matched != expected.len() as u64) {
        return Err(format!("`numberMatched` is {matched}, but {} Items match", expected.len()));
    }
    if asked != planned {
        return Err(format!("planned to ask {}, but asked {}", listed(&planned), listed(&asked)));
    }
    Ok(format!("{} Items in order from {}; nobody else was asked", expected.len(), listed(&asked)))
}

async fn only_asked(stage: &Stage, query: &Query, member: &str) -> Result<String, String> {
    let expected = stage.demo.matching(&encoded(query))?;
    let (walk, asked) = asked_during(stage, stage.client.walk(&limited(query, 100))).await;
    complete(&walk?, &expected)?;
    if asked.iter().ne([member]) {
        return Err(format!("asked {}", listed(&asked)));
    }
    Ok(format!("{} Items; the other members received no request", expected.len()))
}

fn limited(query: &Query, limit: u32) -> Query {
    let mut query = query.clone();
    query.push(("limit", limit.to_string()));
    query
}

async fn walk_in_order(stage: &Stage) -> Result<String, String> {
    let query: Query = vec![("sortby", "-datetime".into()), ("limit", "250".into())];
    let walk = stage.client.walk(&query).await?;
    complete(&walk, &stage.demo.all_ids())?;
    walk.newest_first()?;
    Ok(format!("{} Items on {} pages, each once and in order", walk.items.len(), walk.pages))
}

async fn walk_any_order(stage: &Stage) -> Result<String, String> {
    let walk = stage.client.walk_post(&json!({ "limit": 200 })).await?;
    complete(&walk, &stage.demo.all_ids())?;
    Ok(format!("{} Items on {} pages, each once", walk.items.len(), walk.pages))
}

/// The first sample, which three members share.
fn shared_search() -> Query {
    let [first, ..] = samples(Utc::now());
    limited(&first.query, 100)
}

async fn switched_off(stage: &Stage) -> Result<String, String> {
    let query = shared_search();
    let of_edito = |ids: &(String, String)| ids.0.starts_with("EDITO|");
    let expected: Ids = stage.demo.matching(&encoded(&query))?.into_iter().filter(|ids| !of_edito(ids)).collect();
    stage.demo.switch_off("EDITO", true);
    let walk = stage.client.walk(&query).await?;
    same(&walk.ids()?, &expected)?;
    walk.newest_first()?;
    if walk.missing.iter().ne(["EDITO"]) || walk.missing_header.iter().ne(["EDITO"]) {
        return Err(format!(
            "the answer should name EDITO as missing; its body names [{}], its header [{}]",
            listed(&walk.missing),
            listed(&walk.missing_header)
        ));
    }
    Ok(format!("the {} Items of the others are all there, and the answer says that EDITO is missing", expected.len()))
}

async fn comes_back(stage: &Stage) -> Result<String, String> {
    let query = shared_search();
    let expected = stage.demo.matching(&encoded(&query))?;
    let since = Instant::now();
    loop {
        let found = stage.client.walk(&query).await.and_then(|walk| complete(&walk, &expected));
        match found {
            Ok(()) => return Ok(format!("complete again, {} Items", expected.len())),
            Err(why) if since.elapsed() > COMES_BACK => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Ids {
        names.iter().map(|id| ("A|x".to_owned(), (*id).to_owned())).collect()
    }

    #[test]
    fn lost_and_foreign_items_are_told_apart() {
        assert!(same(&ids(&["a", "b"]), &ids(&["a", "b"])).is_ok());
        assert!(same(&ids(&["a"]), &ids(&["a", "b"])).unwrap_err().contains("lost"));
        assert!(same(&ids(&["a", "c"]), &ids(&["a"])).unwrap_err().contains("`c`"));
    }

    #[test]
    fn a_walk_that_names_a_missing_member_is_not_complete() {
        let walk = Walk { missing: BTreeSet::from(["EDITO".to_owned()]), ..Walk::default() };
        assert!(complete(&walk, &Ids::new()).unwrap_err().contains("EDITO"));
        assert!(complete(&Walk::default(), &Ids::new()).is_ok());
    }
}
