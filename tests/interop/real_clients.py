"""pystac-client against a federation of real servers: real_clients.py BASE SHARE PART. Run with -W error.

SHARE is the folder of servers/items.py: what there is at ARCHIVE, MEM and GEO. Every search is walked to its end, by POST and by
GET, and has to give exactly the Items for which the plain test beside it holds.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from pystac_client import Client

BASE, SHARE, PART = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
MEMBERS = ("ARCHIVE", "MEM", "GEO")


def held():
    """(exposed Collection id, Item) of every Item at the three members."""
    for member in MEMBERS:
        for line in (SHARE / member / "items.ndjson").read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            yield f"{member}|{item['collection']}", item


HELD = list(held())
EXPOSED = sorted({collection for collection, _ in HELD})


def of(*natives):
    return [id for id in EXPOSED if id.split("|")[1] in natives]


def same(what, found, expected):
    if found != expected:
        detail = f", missing {sorted(expected - found)[:5]}, too many {sorted(found - expected)[:5]}" if isinstance(found, set) else ""
        sys.exit(f"{what}: {len(found) if hasattr(found, '__len__') else found}, expected {len(expected) if hasattr(expected, '__len__') else expected}{detail}")


def matching(collections, test):
    return {(collection, item["id"]) for collection, item in HELD if collection in collections and test(item, item["properties"])}


def walked(client, what, test, limits=(50, 250), methods=("POST", "GET"), **search):
    """A search in every way: one and the same set, which is the right one."""
    collections = search.setdefault("collections", EXPOSED)
    expected = matching(collections, test)
    for method in methods:
        for limit in limits:
            found = []
            for page in client.search(method=method, limit=limit, **search).pages_as_dicts():
                if page.get("federation:missing"):
                    sys.exit(f"{what}: without {page['federation:missing']}: {page['federation:report']['members']}")
                found += [(item["collection"], item["id"]) for item in page["features"]]
            same(f"{what}, {method}, limit {limit}, twice given", len(found) - len(set(found)), 0)
            same(f"{what}, {method}, limit {limit}", set(found), expected)
    print(f"{what}: {len(expected)} Items, each way", flush=True)
    if not expected:
        sys.exit(f"{what}: a search without Items shows nothing")


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def walks(client):
    """Every Item of every member, whatever the order and the page size."""
    everything = lambda item, p: True
    walked(client, "everything", everything, limits=(100, 1000))
    for sortby in ("-datetime", "+datetime", "+id"):
        walked(client, f"everything by {sortby}", everything, limits=(400,), sortby=sortby)
    for collection in ("ARCHIVE|stations", "MEM|stations", "GEO|stations"):
        walked(client, f"{collection} by small pages", everything, limits=(7,), collections=[collection])
    items = list(client.search(collections=of("scenes-optical"), sortby="+datetime", limit=200).items())
    times = [item.datetime for item in items]
    same("in order", times == sorted(times), True)


def conditions(client):
    """`filter` in both languages and `query`."""
    def both(what, test, text, condition, **more):
        walked(client, f"{what}, text", test, filter=text, filter_lang="cql2-text", **more)
        walked(client, f"{what}, JSON", test, filter=condition, filter_lang="cql2-json", **more)

    cover, platform = {"property": "eo:cloud_cover"}, {"property": "platform"}
    low = lambda item, p: p.get("eo:cloud_cover") is not None and p["eo:cloud_cover"] < 10
    both("a number", low, "eo:cloud_cover < 10", {"op": "<", "args": [cover, 10]})
    both("a number, in order", low, "eo:cloud_cover < 10", {"op": "<", "args": [cover, 10]}, sortby="-datetime", limits=(50,))
    both(
        "texts joined by OR",
        lambda item, p: p.get("platform") == "sentinel-2a" or p.get("place") == "O'Higgins",
        "platform = 'sentinel-2a' OR place = 'O''Higgins'",
        {"op": "or", "args": [{"op": "=", "args": [platform, "sentinel-2a"]}, {"op": "=", "args": [{"property": "place"}, "O'Higgins"]}]},
    )
    both(
        "what is absent",
        lambda item, p: p.get("gsd") is None,
        "gsd IS NULL", {"op": "isNull", "args": [{"property": "gsd"}]},
        collections=of("scenes-thermal"),
    )
    both(
        "NOT, of what may be absent",
        lambda item, p: p.get("gsd") is not None and p["gsd"] != 30,
        "NOT (gsd = 30)", {"op": "not", "args": [{"op": "=", "args": [{"property": "gsd"}, 30]}]},
    )
    noon = "2023-05-20T12:00:00Z"
    both(
        "instants",
        lambda item, p: p["datetime"] is not None and instant(p["datetime"]) >= instant(noon),
        f"datetime >= TIMESTAMP('{noon}')", {"op": ">=", "args": [{"property": "datetime"}, {"timestamp": noon}]},
        limits=(250,),
    )
    both(
        "a Collection, by the name of one member",
        lambda item, p: item["collection"] == "stations" and p["depth"] > 100,
        "collection IN ('ARCHIVE|stations', 'MEM|stations', 'GEO|stations') AND depth > 100",
        {"op": "and", "args": [
            {"op": "in", "args": [{"property": "collection"}, of("stations")]},
            {"op": ">", "args": [{"property": "depth"}, 100]},
        ]},
    )
    walked(client, "query, two operators", lambda item, p: p.get("gsd") is not None and 15 <= p["gsd"] < 61, query={"gsd": {"gte": 15, "lt": 61}})
    walked(client, "query, texts", lambda item, p: p.get("grid:code", "").startswith("MGRS-31"), query={"grid:code": {"startsWith": "MGRS-31"}})


def parameters(client):
    some = [item["id"] for _, item in HELD[::90]]
    walked(client, "ids", lambda item, p: item["id"] in some, ids=some)
    walked(client, "a bare Collection id", lambda item, p: True, collections=of("stations"), sortby="-id")
    point = lambda item: item["geometry"]["type"] == "Point" and item["geometry"]["coordinates"]
    inside = lambda item, p: point(item) and 0 <= point(item)[0] <= 20 and 40 <= point(item)[1] <= 60
    points = {"collections": of("stations")}
    area = {"type": "Polygon", "coordinates": [[[0, 40], [20, 40], [20, 60], [0, 60], [0, 40]]]}
    # Lines reach over an edge here and there: their boxes tell which ones.
    reaches = lambda item, p: inside(item, p) or (not point(item) and touches(item["geometry"]["coordinates"], 0, 40, 20, 60))
    walked(client, "bbox", reaches, bbox=[0, 40, 20, 60], **points)
    walked(client, "intersects", reaches, intersects=area, **points)
    crosses = lambda item, p: item["bbox"][0] > item["bbox"][2] or item["bbox"][2] >= 178 or item["bbox"][0] <= -178
    walked(client, "bbox over the antimeridian", crosses, collections=of("scenes-radar"), bbox=[178, -90, -178, 90])
    month = lambda item, p: instant(p.get("end_datetime") or p["datetime"]) >= instant("2023-06-01T00:00:00Z") and instant(
        p["datetime"] or p["start_datetime"]) <= instant("2023-06-30T23:59:59Z")
    walked(client, "datetime", month, datetime="2023-06")
    walked(client, "datetime, in order", month, datetime="2023-06", sortby="+datetime")
    for method in ("POST", "GET"):
        kept = next(client.search(method=method, max_items=1, collections=of("scenes-optical"), fields=["id", "properties.gsd"]).items_as_dicts())
        same("fields", (sorted(kept), sorted(kept["properties"])), (["collection", "id", "links", "properties", "type"], ["gsd"]))


def touches(line, west, south, east, north):
    """Whether a line of two points meets a box: by halves, as the lines are short."""
    (a, b), (c, d) = line
    steps = 2000
    return any(west <= a + (c - a) * i / steps <= east and south <= b + (d - b) * i / steps <= north for i in range(steps + 1))


def collections(client):
    """What is listed, and Collection Search."""
    listed = {collection.id for collection in client.get_collections()}
    same("every Collection is listed", set(EXPOSED) <= listed, True)
    for words, natives in (("stations", {"stations"}), ('"ocean daily", stations', {"ocean-daily", "stations"})):
        found = {collection.id for collection in client.collection_search(q=words).collections()}
        same(f"q={words}", {id.split("|")[1] for id in found if id in EXPOSED}, natives)
    found = {collection.id for collection in client.collection_search(bbox=[-170, -30, -160, -20]).collections()}
    same("bbox keeps the ocean and leaves the stations", ("MEM|ocean-daily" in found, "MEM|stations" in found), (True, False))
    for id in EXPOSED:
        items = list(client.get_collection(id).get_items())
        same(f"{id}, Items", {item.id for item in items}, {item["id"] for collection, item in HELD if collection == id})
        same(f"{id}, one Item", client.get_collection(id).get_item(items[0].id).id, items[0].id)


{"walks": walks, "conditions": conditions, "parameters": parameters, "collections": collections}[PART](Client.open(BASE))
