"""rustac's library: rustac_client.py BASE over the demo, or BASE SHARE over real servers. Run with -W error."""

import asyncio
import json
import os
import sys
import urllib.request
from pathlib import Path

import rustac

BASE = sys.argv[1]


def answered(body):
    request = urllib.request.Request(f"{BASE}/search", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def matched(search):
    """How many the broker itself counts, or gives where a member's counts are estimates."""
    body = {key: value for key, value in search.items() if key != "sortby"} | {"limit": 1000}
    page = answered(body)
    given = len(page["features"])
    while following := [link for link in page["links"] if link["rel"] == "next"]:
        page = answered(following[0]["body"])
        given += len(page["features"])
    if page.get("numberMatched", given) != given:
        sys.exit(f"{search}: {given} Items, counted as {page['numberMatched']}")
    return given


def of_the_demo():
    searches = [
        {"limit": 7, "collections": ["EODC|sentinel-2-l2a"]},
        {"limit": 7, "collections": ["GRNET-OPENSTACK|sentinel-2-l2a", "EDITO|bc_maps"], "sortby": "-datetime"},
        {"limit": 100},
        {"limit": 100, "bbox": [9, 53, 30, 66], "datetime": "2020-01-01T00:00:00Z/2020-12-31T23:59:59Z"},
    ]
    return [(search, matched(search)) for search in searches]


def of_real_servers(share):
    """Searches of Collections that three members hold, and how many Items were loaded for them."""
    lines = (share / "items.ndjson").read_text(encoding="utf-8").splitlines()
    # The demo's member, and the one that repeats another's Items, are left out.
    held = [f"{member}|scenes-optical" for member in ("ARCHIVE", "MEM", "GEO")]
    optical = [item["properties"] for item in map(json.loads, lines) if item["collection"] == "scenes-optical"]
    clear = sum(p["eo:cloud_cover"] < 20 for p in optical)
    condition = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}
    return [
        ({"limit": 90, "collections": held}, len(optical)),
        ({"limit": 90, "collections": held, "sortby": "-datetime"}, len(optical)),
        ({"limit": 40, "collections": held, "filter": "eo:cloud_cover < 20"}, clear),
        ({"limit": 40, "collections": held, "filter": condition, "sortby": "+datetime"}, clear),
        ({"limit": 40, "collections": held, "query": {"gsd": {"eq": 20}}}, sum(p["gsd"] == 20 for p in optical)),
    ]


async def main():
    for search, expected in of_real_servers(Path(sys.argv[2])) if len(sys.argv) > 2 else of_the_demo():
        items = await rustac.search(BASE, **search)
        different = len({(item["collection"], item["id"]) for item in items})
        print(search, len(items), different, expected, flush=True)
        if not len(items) == different == expected > 0:
            sys.exit(f"{search}: {len(items)} Items, {different} different, expected {expected}")


asyncio.run(main())
# rustac 0.9.18 now and then crashes when the interpreter takes its threads down, with everything done.
sys.stdout.flush()
os._exit(0)
