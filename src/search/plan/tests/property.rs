//! No pruned member holds a match, no leg leaves a match out, and no residual lets a stranger in: random policies,
//! members, Items and queries against an oracle that looks at every Item.

mod condition;

use super::*;
use crate::members::Item;
use condition::Condition;

const CASES: u64 = 5_000;
const COLLECTIONS: [&str; 4] = ["ocean-1", "ocean-2", "land-1", "land-2"];
const GLOBS: [&[&str]; 4] = [&["*"], &["ocean-*"], &["land-1", "ocean-2"], &["*-2"]];
const PREFIXES: [&str; 3] = ["S1", "S2", "X"];

/// A small generator (splitmix64): a failing case is repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
    fn number(&mut self, low: i32, high: i32) -> f64 {
        f64::from(low) + f64::from(u32::try_from(self.below(u64::try_from(high - low + 1).unwrap())).unwrap())
    }
    /// Hours around now.
    fn hour(&mut self) -> DateTime<Utc> {
        at(NOW) - TimeDelta::hours(i64::try_from(self.below(24 * 200)).unwrap()) + TimeDelta::hours(24)
    }
    /// A box, now and then a point or one across the antimeridian.
    fn bbox(&mut self) -> Bbox {
        let (west, south) = (self.number(-180, 180), self.number(-80, 79));
        let (width, height) = if self.chance(15) { (0.0, 0.0) } else { (self.number(0, 90), self.number(0, 10)) };
        let east = if west + width > 180.0 { west + width - 360.0 } else { west + width };
        Bbox { west, south, east, north: south + height, elevation: None }
    }
    /// A box in the west of an area, whole degrees like the area itself.
    fn within(&mut self, area: &Area) -> Bbox {
        let rect = *self.pick(&area.boxes);
        let share = |random: &mut Self, width: f64| (width * random.number(0, 4) / 4.0).floor();
        let (width, height) = (share(self, rect.width()), share(self, rect.height()));
        let (west, south) = (rect.min().x, rect.min().y);
        Bbox { west, south, east: west + width, north: south + height, elevation: None }
    }
}

/// An Item as the oracle sees it.
#[derive(Debug)]
struct Holding {
    collection: &'static str,
    id: String,
    bbox: Bbox,
    datetime: Option<DateTime<Utc>>,
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Holding {
    fn random(random: &mut Random, focus: Option<&Area>) -> Self {
        let start = random.hour();
        let span =
            random.chance(40).then(|| (start, start + TimeDelta::hours(i64::try_from(random.below(100)).unwrap())));
        // the instant of an Item that lasts is one of those in between
        let lasts = span.map_or(0, |(start, end)| (end - start).num_hours());
        let instant = start + TimeDelta::hours(i64::try_from(random.below(1 + lasts.unsigned_abs())).unwrap());
        Self {
            collection: *random.pick(&COLLECTIONS),
            id: format!("{}_{}", random.pick(&PREFIXES), random.below(1000)),
            bbox: if let Some(focus) = focus { random.within(focus) } else { random.bbox() },
            datetime: (span.is_none() || random.chance(50)).then_some(instant),
            span,
        }
    }

    fn interval(&self) -> Interval {
        let (start, end) = self.span.unwrap_or_else(|| (self.datetime.unwrap(), self.datetime.unwrap()));
        Interval { start: Some(start), end: Some(end) }
    }

    /// Whether a site of this policy would have it at all.
    fn is_kept(&self, policy: &Policy) -> bool {
        // a site has nothing outside its focus
        let inside = |focus: &Option<Area>| {
            let within = |focus: &Area| {
                self.bbox.boxes().iter().all(|own| {
                    focus.boxes.iter().any(|focus| {
                        focus.min().x <= own.min().x
                            && own.max().x <= focus.max().x
                            && focus.min().y <= own.min().y
                            && own.max().y <= focus.max().y
                    })
                })
            };
            focus.as_ref().is_none_or(within)
        };
        let Interval { start: Some(start), end: Some(end) } = self.interval() else { return false };
        let covers = |rule: &&Retention| {
            let oldest = rule.keep.map(|keep| at(NOW) - TimeDelta::seconds(i64::try_from(keep.seconds).unwrap()));
            let newest = rule.lag.map(|lag| at(NOW) - TimeDelta::seconds(i64::try_from(lag.seconds).unwrap()));
            [rule.from, oldest].into_iter().flatten().all(|edge| end >= edge)
                && [rule.until, newest].into_iter().flatten().all(|edge| start <= edge)
                && (end - start).num_seconds() <= i64::try_from(rule.item_span_max.seconds).unwrap()
                && inside(&rule.focus)
        };
        let mut rules =
            policy.retention.iter().filter(|rule| globbed(&rule.collections.written, self.collection)).peekable();
        let kept = rules.peek().is_none() || rules.any(|rule| covers(&rule));
        let named =
            policy.ids_prefixes.is_empty() || policy.ids_prefixes.iter().any(|prefix| self.id.starts_with(prefix));
        kept && named && inside(&policy.focus)
    }

    fn is_seen(&self, policy: &Policy) -> bool {
        globbed(&policy.include.written, self.collection) && !globbed(&policy.exclude.written, self.collection)
    }

    /// Whether the search means it, told in other words than the plan's.
    fn matches(&self, member: &str, request: &SearchRequest) -> bool {
        let qualified = format!("{member}|{}", self.collection);
        let named = request.collections.is_empty()
            || request.collections.iter().any(|given| given == self.collection || *given == qualified);
        let ids = request.ids.as_ref().is_none_or(|ids| ids.contains(&self.id));
        let spans = self.datetime.map(|at| (at, at)).into_iter().chain(self.span);
        let timed = request.datetime.is_none_or(|asked| {
            spans.into_iter().any(|(start, end)| {
                asked.start.is_none_or(|from| end >= from) && asked.end.is_none_or(|until| start <= until)
            })
        });
        let placed = request.bbox.is_none_or(|asked| boxes_meet(&self.bbox, &asked));
        named && ids && timed && placed
    }

    /// Whether a member sends it that is asked so, whichever of an Item's times it looks at.
    fn is_sent(&self, leg: &Leg, request: &SearchRequest, by_start: bool) -> bool {
        let ask = &leg.ask;
        let named = ask.ids.as_ref().is_none_or(|ids| ids.contains(&self.id));
        let instant = self.datetime.map(Interval::instant);
        let lasting = self.span.map(|(start, end)| Interval { start: Some(start), end: Some(end) });
        let readings = [lasting.or(instant), instant.or(lasting)].into_iter().flatten();
        // of the client's own interval either reading may be right
        let timed = ask.datetime.filter(|_| request.datetime.is_none());
        let timed = timed.is_none_or(|asked| readings.into_iter().all(|times| asked.meets(&times)));
        // a member that looks at nothing but the start is told so by what it is asked
        let starts = self.span.map(|(start, _)| start).or(self.datetime).map(Interval::instant);
        let begun = ask.datetime.zip(starts).is_none_or(|(asked, start)| asked.meets(&start));
        let timed = if by_start { begun } else { timed };
        let area = ask.intersects.as_ref().map(|intersects| intersects.bbox).or(ask.bbox);
        named && timed && area.is_none_or(|asked| boxes_meet(&self.bbox, &asked))
    }

    fn sent(&self) -> Item {
        let Bbox { west, south, east, north, .. } = self.bbox;
        let ring = |west: f64, east: f64| {
            format!("[[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]")
        };
        let geometry = if east < west {
            let parts = format!("{},{}", ring(west, 180.0), ring(-180.0, east));
            format!("{{\"type\":\"MultiPolygon\",\"coordinates\":[{parts}]}}")
        } else {
            format!("{{\"type\":\"Polygon\",\"coordinates\":{}}}", ring(west, east))
        };
        let text = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339());
        let times = [text(self.datetime), text(self.span.map(|span| span.0)), text(self.span.map(|span| span.1))];
        item(
            self.collection,
            &self.id,
            times.each_ref().map(|time| time.as_deref()),
            &format!("[{west},{south},{east},{north}]"),
            &geometry,
        )
    }
}

fn boxes_meet(one: &Bbox, other: &Bbox) -> bool {
    let latitudes = one.south <= other.north && one.north >= other.south;
    let turned = |bbox: &Bbox| (bbox.west, if bbox.east < bbox.west { bbox.east + 360.0 } else { bbox.east });
    let ((west, east), (from, to)) = (turned(one), turned(other));
    latitudes && [-360.0, 0.0, 360.0].iter().any(|turn| west + turn <= to && east + turn >= from)
}

/// The globs of this test, matched by hand.
fn globbed(globs: &[String], name: &str) -> bool {
    globs.iter().any(|glob| match (glob.strip_suffix('*'), glob.strip_prefix('*')) {
        (Some(start), _) if !start.is_empty() => name.starts_with(start),
        (_, Some(end)) => name.ends_with(end),
        _ => name == glob,
    })
}

fn random_policy(random: &mut Random) -> Policy {
    let mut policy = policy(random.pick::<&[&str]>(&GLOBS));
    if random.chance(20) {
        policy.exclude = patterns(&["land-2"]);
    }
    policy.focus = random.chance(30).then(|| Area::from(random.bbox()));
    if random.chance(25) {
        policy.ids_prefixes = names(&PREFIXES[..=usize::try_from(random.below(2)).unwrap()]);
    }
    policy.extents = *random.pick(&[Extents::AreaAndStart, Extents::All, Extents::Ignore]);
    for _ in 0..random.below(3) {
        let from = random.chance(30).then(|| random.hour());
        policy.retention.push(Retention {
            collections: patterns(random.pick::<&[&str]>(&GLOBS)),
            keep: random.chance(50).then(|| days(random.below(120))),
            lag: random.chance(30).then(|| hours(random.below(72))),
            from,
            until: random.chance(30).then(|| from.unwrap_or_else(|| at(NOW)) + TimeDelta::days(20)),
            item_span_max: if random.chance(50) { hours(random.below(100)) } else { Period::default() },
            focus: random.chance(20).then(|| Area::from(random.bbox())),
        });
    }
    policy
}

/// What the member advertises: true where it says anything, with ends that may be stale unless they are trusted.
fn random_view(random: &mut Random, id: &str, policy: &Policy, items: &[Holding]) -> Option<MemberView> {
    if random.chance(20) {
        return None;
    }
    let known = if random.chance(70) { Known::Complete } else { Known::Unknown };
    let mut list = view(id, &[], known);
    for native in COLLECTIONS {
        let own: Vec<&Holding> = items.iter().filter(|item| item.collection == native).collect();
        if own.is_empty() && random.chance(50) || known == Known::Unknown && random.chance(30) {
            continue;
        }
        let boxes: Vec<Bbox> = own.iter().map(|item| item.bbox).collect();
        let area = (!own.is_empty() && random.chance(60)).then(|| Area::from_boxes(&boxes));
        let start =
            own.iter().filter_map(|item| item.interval().start.min(item.datetime.or(item.interval().start))).min();
        let end = own.iter().filter_map(|item| item.interval().end).max();
        let stale = if policy.extents == Extents::All { TimeDelta::zero() } else { TimeDelta::days(30) };
        let interval =
            (!own.is_empty() && random.chance(60)).then(|| Interval { start, end: end.map(|end| end - stale) });
        let interval = interval.filter(|interval| interval.start <= interval.end);
        list.entries.push(Arc::new(entry(id, native, area, interval)));
    }
    Some(list)
}

fn random_request(random: &mut Random, items: &[Holding]) -> SearchRequest {
    let mut request = request(&[]);
    if random.chance(40) {
        let given = ["ocean-1", "land-2", "A|ocean-2", "B|land-1", "B|gone", "gone"];
        request.collections = (0..=random.below(2)).map(|_| (*random.pick(&given)).to_owned()).collect();
        request.collections.dedup();
    }
    if random.chance(25) {
        let id = if items.is_empty() || random.chance(30) {
            format!("{}_1", random.pick(&PREFIXES))
        } else {
            random.pick(items).id.clone()
        };
        request.ids = Some(vec![id]);
    }
    if random.chance(50) {
        let (a, b) = (random.hour(), random.hour());
        let interval = Interval { start: Some(a.min(b)), end: Some(a.max(b)) };
        request.datetime = Some(match random.below(4) {
            0 => Interval { start: None, ..interval },
            1 => Interval { end: None, ..interval },
            2 => Interval::instant(a),
            _ => interval,
        });
    }
    if random.chance(50) {
        request.bbox = Some(random.bbox());
    }
    request
}

/// The same search, its box written as a polygon where that is possible.
fn as_intersects(request: &SearchRequest) -> SearchRequest {
    let Some(Bbox { west, south, east, north, .. }) =
        request.bbox.filter(|bbox| bbox.west < bbox.east && bbox.south < bbox.north)
    else {
        return request.clone();
    };
    let ring = format!("[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]");
    let polygon = format!("{{\"type\":\"Polygon\",\"coordinates\":[{ring}]}}");
    let read = super::request(&[("intersects", &polygon)]);
    SearchRequest { bbox: None, intersects: read.intersects, ..request.clone() }
}

fn random_abilities(random: &mut Random) -> Capabilities {
    let mut abilities = able();
    let mut support = || *random.pick(&[Support::Exact, Support::Exact, Support::Inexact, Support::Unsupported]);
    (abilities.datetime, abilities.bbox, abilities.ids) = (support(), support(), support());
    (abilities.collections, abilities.sort, abilities.intersects) = (support(), support(), support());
    (abilities.datetime_starts, abilities.ids_alone) = (random.chance(25), random.chance(20));
    abilities
}

#[test]
fn a_pruned_member_never_holds_a_match() {
    let (mut matched, mut pruned, mut strangers) = (0_u32, 0_u32, 0_u32);
    let (mut by_filter, mut said) = (0_u32, 0_u32);
    for seed in 0..CASES {
        let mut random = Random(seed);
        let mut holdings: Vec<Vec<Holding>> = Vec::new();
        let mut members = Vec::new();
        for id in ["A", "B"] {
            let policy = random_policy(&mut random);
            let items: Vec<Holding> = (0..12)
                .map(|_| Holding::random(&mut random, policy.focus.as_ref()))
                .filter(|item| item.is_kept(&policy))
                .collect();
            let view = random_view(&mut random, id, &policy, &items);
            members.push((member(id, policy), view, random_abilities(&mut random)));
            holdings.push(items);
        }
        let condition = random.chance(60).then(|| Condition::random(&mut random, &holdings[0], 3));
        let mut request = random_request(&mut random, &holdings[0]);
        request.filter = condition.as_ref().map(|condition| Arc::new(Expr::from_text(&condition.text()).unwrap()));
        let world = World::of(members);
        let asked = if random.chance(40) { as_intersects(&request) } else { request.clone() };
        let plan = world.plan_at(&asked, at(NOW), None);
        if seed % 50 == 0 {
            let again = world.plan_at(&asked, at(NOW), None);
            assert_eq!(format!("{again:?}"), format!("{plan:?}"), "seed {seed}");
        }
        assert_eq!(plan.legs.len() + plan.pruned.len() + plan.refused.len(), 2);
        let rules = plan.pruned.iter().map(|left| left.refusal.rule);
        by_filter += rules.filter(|rule| rule.name().starts_with("filter-")).map(|_| 1).sum::<u32>();
        for (member, items) in world.federation.members.iter().zip(&holdings) {
            let leg = plan.legs.iter().find(|leg| leg.member == member.id);
            pruned += u32::from(leg.is_none());
            said += u32::from(leg.is_some_and(|leg| leg.pushdown.iter().any(|part| part.ends_with("of the filter"))));
            for item in items {
                let holds = |condition: &Condition| condition.holds(member.id.as_str(), item) == Some(true);
                let filtered = condition.as_ref().is_none_or(holds);
                let meant = filtered && item.is_seen(&member.policy) && item.matches(member.id.as_str(), &request);
                let told = || condition.as_ref().map(Condition::text);
                matched += u32::from(meant);
                let Some(leg) = leg else {
                    assert!(
                        !meant,
                        "seed {seed}: {} is pruned and holds {} {}: {:?} {:?}",
                        member.id,
                        item.collection,
                        item.id,
                        plan.pruned,
                        told()
                    );
                    continue;
                };
                let asked =
                    leg.ask.collections.as_ref().is_none_or(|list| list.iter().any(|native| native == item.collection));
                assert!(asked || !meant, "seed {seed}: {} is not asked for {}", member.id, item.collection);
                let by_start = world.abilities[member.id.as_str()].datetime_starts;
                assert!(
                    !meant || item.is_sent(leg, &request, by_start),
                    "seed {seed}: {item:?} is not asked for: {:?} {:?}",
                    leg.ask,
                    told()
                );
                // What the member is not asked for, and does not send, need not be refused on arrival.
                let kept = leg.residual.keeps(&item.sent());
                assert_eq!(
                    kept,
                    meant,
                    "seed {seed}: {} {} at {}: {:?} {:?}",
                    item.collection,
                    item.id,
                    member.id,
                    leg.residual,
                    told()
                );
                strangers += u32::from(!kept);
            }
        }
    }
    assert!(
        matched > 2_000 && pruned > 2_000 && strangers > 5_000 && by_filter > 300 && said > 300,
        "{matched} matches, {pruned} pruned, {by_filter} of them by a filter, {strangers} refused, {said} asked by parameters"
    );
}
