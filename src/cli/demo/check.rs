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
    verdicts.push(told("A search of 1958 to 1965 is for EMODnet alone", early(stage).await));
    verdicts.push(told("A walk over everything by GET, newest first", walk_in_order(stage).await));
    verdicts.push(told("A walk over everything by GET, oldest first", walk_upwards(stage).await));
    verdicts.push(told("A walk over everything by POST, in no order asked for", walk_any_order(stage).await));
    verdicts.push(told("An execution on an Item of EDITO", execution::check(stage).await));
    verdicts.push(told("A search with EDITO switched off", switched_off(stage).await));
    stage.demo.switch_off("EDITO", false);
    verdicts.push(told("The same search with EDITO back", comes_back(stage).await));
    verdicts.push(told("The same search with CMEMS and EMODnet switched off", read_before(stage).await));
    verdicts.push(told("Flanders in September 2023 with EODC switched off", taken_over(stage).await));

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

/// The members that are read whole, and asked nothing when they are searched.
fn read_whole(stage: &Stage) -> BTreeSet<String> {
    let portraits = stage.demo.portraits().into_iter().filter(|portrait| portrait.read_whole);
    portraits.map(|portrait| portrait.id.to_owned()).collect()
}

/// The members that received searches while `ask` ran; of those that are read whole any request counts.
async fn asked_during<T>(stage: &Stage, ask: impl Future<Output = T>) -> (T, BTreeSet<String>) {
    let (before, searched) = (stage.demo.requests(), stage.demo.search_requests());
    let answer = ask.await;
    let whole = read_whole(stage);
    let any = more(before, stage.demo.requests()).filter(|id| whole.contains(id));
    let asked = any.chain(more(searched, stage.demo.search_requests())).collect();
    (answer, asked)
}

/// Whose count grew.
fn more(before: Vec<(String, u64)>, after: Vec<(String, u64)>) -> impl Iterator<Item = String> {
    let grew = after.into_iter().zip(before).filter(|((_, now), (_, then))| now > then);
    grew.map(|((id, _), _)| id)
}

/// The members that the plan of a query names: those to be asked, and those that are searched here.
fn planned(stage: &Stage, query: &Query) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    let whole = read_whole(stage);
    let legs = show::plan(stage, query)?.legs;
    Ok(legs.iter().map(|leg| leg.member.as_str().to_owned()).partition(|id| !whole.contains(id)))
}

/// A sample: the right Items in the right order, and not one request to a member that the plan left out.
async fn restricted(stage: &Stage, sample: &Sample) -> Result<String, String> {
    let query = &sample.asked();
    let expected = stage.demo.matching(&encoded(&sample.oracle()))?;
    if expected.is_empty() {
        return Err("nothing can match, so this check would prove nothing".into());
    }
    let (to_ask, here) = planned(stage, query)?;
    let (walk, asked) = asked_during(stage, stage.client.walk(&limited(query, 50))).await;
    let walk = walk?;
    complete(&walk, &expected)?;
    walk.newest_first()?;
    if let Some(matched) = walk.matched.filter(|matched| *matched != expected.len() as u64) {
        return Err(format!("`numberMatched` is {matched}, but {} Items match", expected.len()));
    }
    if asked != to_ask {
        return Err(format!("planned to ask {}, but asked {}", listed(&to_ask), listed(&asked)));
    }
    let here = if here.is_empty() { String::new() } else { format!("; {} searched here", listed(&here)) };
    Ok(format!("{} Items in order; {} asked{here}; nobody else was asked", expected.len(), listed(&asked)))
}

/// Years that one member alone covers, which is read whole: nobody is asked.
async fn early(stage: &Stage) -> Result<String, String> {
    let query = early_years();
    let expected = stage.demo.matching(&encoded(&query))?;
    let (to_ask, here) = planned(stage, &query)?;
    if !to_ask.is_empty() || here.iter().ne(["EMODnet"]) {
        return Err(format!("planned to ask [{}] and to search [{}] here", listed(&to_ask), listed(&here)));
    }
    let (walk, asked) = asked_during(stage, stage.client.walk(&limited(&query, 100))).await;
    complete(&walk?, &expected)?;
    if expected.is_empty() || !asked.is_empty() {
        return Err(format!("{} Items; asked [{}]", expected.len(), listed(&asked)));
    }
    Ok(format!("{} Items, searched here; no member received a request", expected.len()))
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

/// Upwards EDITO has to be read by windows of time.
async fn walk_upwards(stage: &Stage) -> Result<String, String> {
    let query: Query = vec![("sortby", "datetime".into()), ("limit", "250".into())];
    let walk = stage.client.walk(&query).await?;
    complete(&walk, &stage.demo.all_ids())?;
    if !walk.items.is_sorted_by_key(|item| item.time) {
        return Err("an Item stands before an older one".to_owned());
    }
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

/// Where one holder of the shared Collection fails, the next one gives the same Items, and nothing is missing.
async fn taken_over(stage: &Stage) -> Result<String, String> {
    let [_, _, sample, _] = samples(Utc::now());
    let expected = stage.demo.matching(&encoded(&sample.oracle()))?;
    stage.demo.switch_off("EODC", true);
    let (walk, asked) = asked_during(stage, stage.client.walk(&limited(&sample.query, 5))).await;
    stage.demo.switch_off("EODC", false);
    let walk = walk?;
    complete(&walk, &expected)?;
    walk.newest_first()?;
    if asked.iter().ne(["GRNET-OPENSTACK"]) {
        return Err(format!("GRNET-OPENSTACK should have been asked, not [{}]", listed(&asked)));
    }
    Ok(format!("complete, the same {} Items in order: GRNET-OPENSTACK took over", expected.len()))
}

/// What was read before is there, whether or not the members it came from are.
async fn read_before(stage: &Stage) -> Result<String, String> {
    let query = shared_search();
    let expected = stage.demo.matching(&encoded(&query))?;
    let whole = read_whole(stage);
    for member in &whole {
        stage.demo.switch_off(member, true);
    }
    let walk = stage.client.walk(&query).await;
    for member in &whole {
        stage.demo.switch_off(member, false);
    }
    complete(&walk?, &expected)?;
    Ok(format!("complete, {} Items: both were read before", expected.len()))
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
