"""The same Items in one pgSTAC and split over three unequal members behind the broker: equal answers, in equal order?

    python tests/interop/differential BROKER WHOLE SHARE [--seed N] [--searches N] [--only N]

BROKER and WHOLE are the addresses of the two, SHARE the folder of servers/items.py. Each search is drawn from the seed and its
number, so `--seed S --only N` asks one again. It needs shapely.

The broker's answer has to be the meaning of the standards (meaning.py), Item by Item and in order; pgSTAC's too, or the meaning
with the quirks it is known for (quirks.py). Everything else fails. `differential` beside this folder starts what it needs.
"""

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import asking
import searches
from comparing import content_problems, page_problems, without_nulls
from meaning import Facts, Meaning
from quirks import QUIRKS, REFUSALS, refusal

STANDARD, PGSTAC = Meaning(set()), Meaning(set(QUIRKS))
# As many searches at once as the small machines of CI have cores to answer them.
AT_ONCE = 3
FAILURES_SHOWN = 15


class Differential:
    def __init__(self, broker, whole, share):
        self.broker, self.whole = broker.rstrip("/"), whole.rstrip("/")
        items = [json.loads(line) for line in (share / "items.ndjson").read_text(encoding="utf-8").splitlines()]
        self.items = items
        # Who holds what, told by the shares the members were loaded with.
        self.exposed, holder = {}, {}
        for folder in sorted(share.iterdir()):
            if folder.is_dir():
                for line in (folder / "items.ndjson").read_text(encoding="utf-8").splitlines():
                    item = json.loads(line)
                    exposed = f"{folder.name}|{item['collection']}"
                    holder[item["collection"], item["id"]] = exposed
                    self.exposed.setdefault(item["collection"], set()).add(exposed)
        self.exposed = {native: sorted(ids) for native, ids in self.exposed.items()}
        self.facts = [Facts(item, holder[item["collection"], item["id"]]) for item in items]
        self.by_key = {fact.key: fact for fact in self.facts}
        conforms = asking.fetch(f"{self.broker}/conformance")["conformsTo"]
        self.classes = {uri.rsplit("/", 1)[-1] for uri in conforms}
        self.sortable = self.sort_fields()

    def sort_fields(self):
        try:
            return {name.removeprefix("properties.") for name in asking.fetch(f"{self.broker}/sortables")["properties"]}
        except asking.Refused:
            return {"datetime", "id", "collection"}

    def drawn(self, seed, number):
        body, ways = searches.drawn(seed, number, self.items, self.classes)
        if "sortby" in body:
            body["sortby"] = [key for key in body["sortby"] if key["field"] in self.sortable] or [{"field": "datetime", "direction": "desc"}]
        for name, needed in (("filter", "item-search#filter"), ("query", "item-search#query")):
            if needed not in self.classes:
                body.pop(name, None)
        return body, ways

    def judge(self, seed, number):
        """One search: (problems, quirks of pgSTAC that showed, what happened, the request)."""
        body, ways = self.drawn(seed, number)
        right = self.in_order(STANDARD, body)
        quirks, problems = self.pgstac(body, right)
        ways["limit"] = max(ways["limit"], ceil(len(right) / searches.PAGES_MAX))
        asked = asking.spelled(body, ways, self.exposed)
        request = (asking.address(self.broker, asked), None) if ways["method"] == "GET" else (f"{self.broker}/search", asked)
        try:
            pages, _ = asking.walk(self.broker, asked, ways["method"], searches.PAGES_MAX + 3)
        except asking.Refused as refused:
            return [*problems, f"the broker: {refused}"], quirks, {"pages": 0, "items": 0}, request
        problems += page_problems(pages, ways["limit"])
        given = [item for page in pages for item in page["features"]]
        keys = [(item["collection"].split("|", 1)[1], item["id"]) for item in given]
        # what a page declares as missing may be missing, and nothing else
        lacking = without_nulls(pages)
        right = [fact for fact in right if not (self.is_null(fact, body) and fact.exposed.split("|")[0] in lacking)]
        problems += difference("the broker", keys, [fact.key for fact in right], "sortby" in body)
        problems += content_problems(given, self.facts_of(keys), body.get("fields"))
        return problems, quirks, {"pages": len(pages), "items": len(given)}, request

    def in_order(self, meaning, body):
        """Without `sortby` the order is free; any will do."""
        found = meaning.select(self.facts, body)
        return meaning.order(found, body["sortby"]) if "sortby" in body else found

    @staticmethod
    def is_null(fact, body):
        """Whether an Item lacks the property that a search is sorted by first."""
        return "sortby" in body and Meaning.sort_value(fact, body["sortby"][0]["field"]) is None

    def facts_of(self, keys):
        return [self.by_key.get(key) for key in keys]

    def pgstac(self, body, right):
        """(quirks that showed, problems) of the reference."""
        try:
            given = [(item["collection"], item["id"]) for item in asking.whole(self.whole, body)]
        except asking.Refused as refused:
            known = refusal(body)
            return ([known], []) if known else ([], [f"pgSTAC: {refused}"])
        ordered = "sortby" in body
        if not difference("pgSTAC", given, [fact.key for fact in right], ordered):
            return [], []
        explained = self.in_order(PGSTAC, body)
        problems = difference("pgSTAC, with its quirks", given, [fact.key for fact in explained], ordered)
        if problems:
            return [], problems
        showed = [name for name in QUIRKS if self.in_order(Meaning(set(QUIRKS) - {name}), body) != explained]
        return showed, []


def difference(who, given, right, ordered):
    """What is wrong with a list of Items, in at most a few words."""
    missing, extra = set(right) - set(given), set(given) - set(right)
    if len(given) != len(set(given)):
        twice = [key for key, times in Counter(given).items() if times > 1]
        return [f"{who}: {len(twice)} Items twice, such as {twice[:3]}"]
    if missing or extra:
        return [f"{who}: {len(right)} right, {len(missing)} missing {sorted(missing)[:3]}, {len(extra)} too many {sorted(extra)[:3]}"]
    if ordered and given != right:
        at = next(index for index, (a, b) in enumerate(zip(given, right)) if a != b)
        return [f"{who}: another order from Item {at} of {len(right)} on: {given[at:at + 3]}, right is {right[at:at + 3]}"]
    return []


def curl(url, body):
    return f"curl -s '{url}'" if body is None else "curl -s " + url + " -H 'content-type: application/json' -d '" + json.dumps(body, ensure_ascii=False).replace("'", "'\\''") + "'"


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("broker")
    words.add_argument("whole")
    words.add_argument("share", type=Path)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--searches", type=int, default=500)
    words.add_argument("--only", type=int)
    given = words.parse_args()
    differential = Differential(given.broker, given.whole, given.share)
    numbers = range(given.searches) if given.only is None else [given.only]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        judged = list(zip(numbers, pool.map(lambda number: differential.judge(given.seed, number), numbers)))
    quirks, failed = Counter(name for _, (_, showed, _, _) in judged for name in showed), [(n, j) for n, j in judged if j[0]]
    for number, (problems, _, _, request) in failed[:FAILURES_SHOWN]:
        print(f"\nsearch {number}: " + "\n    ".join(problems))
        print(f"    again: tests/interop/differential/run --seed {given.seed} --only {number}\n    {curl(*request)}")
    pages, items = (sum(j[2][what] for _, j in judged) for what in ("pages", "items"))
    empty = sum(j[2]["items"] == 0 for _, j in judged)
    print("where pgSTAC's own behaviour differs:")
    for name, (what, clause) in (QUIRKS | REFUSALS).items():
        print(f"{quirks[name]:5} x {name}: {what} ({clause})")
    print(f"\nseed {given.seed}: {len(judged)} searches, {pages} pages, {items} Items, {empty} searches without Items")
    print(f"{len(failed)} unexplained differences")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
