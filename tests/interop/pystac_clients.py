"""pystac-client and pystac against the demo federation: pystac_clients.py BASE PART. Run with -W error."""

import sys

import pystac
from pystac_client import Client

BASE = sys.argv[1]
FLANDERS = ["EODC|sentinel-2-l2a", "GRNET-OPENSTACK|sentinel-2-l2a"]
BALTIC = {"bbox": [9, 53, 30, 66], "datetime": "2020-01-01/2020-12-31"}
AT_TWO_SITES = "S2A_MSIL2A_20230929T103821_N0509_R008_T31UFS_20230929T154658"


def same(what, found, expected):
    print(f"{what}: {found}", flush=True)
    if found != expected:
        sys.exit(f"{what}: {found}, expected {expected}")


def identities(client, **search):
    """Every Item of a search to its end, each once, nothing missing."""
    found = []
    for page in client.search(**search).pages_as_dicts():
        if page.get("federation:missing"):
            sys.exit(f"{search}: without {page['federation:missing']}")
        found += [(item["collection"], item["id"]) for item in page["features"]]
    if len(found) != len(set(found)):
        sys.exit(f"{search}: {len(found) - len(set(found))} Items came twice")
    return found


def counted(what, client, expected, **search):
    """`numberMatched` is what a walk gives, and absent where EDITO is asked (a resto only estimates) or two holders of what they share."""
    page = next(client.search(**search).pages_as_dicts())
    estimated = "EDITO" in [member["id"] for member in page["federation:report"]["members"]]
    shared = "sentinel-2-l2a" in search.get("collections", [])
    same(f"{what}, matched", page.get("numberMatched"), None if estimated or shared else expected)


def everything(client):
    """All Items, by one walk in large pages: what the other walks are compared with."""
    return set(identities(client, limit=1000, method="GET"))


def walk(client, method):
    found = client.search(method=method, limit=7)
    found = [(item.collection_id, item.id) for item in found.items()]
    same(f"{method}, limit 7, twice given", len(found) - len(set(found)), 0)
    same(f"{method}, limit 7, complete", set(found) == everything(client), True)


def walks(client):
    whole = everything(client)
    counted("everything", client, len(whole))
    small = None
    for method in ("POST", "GET"):
        for search in ({}, {"sortby": "-datetime"}, {"sortby": "+datetime"}):
            same(f"{method}, limit 150, {search}", set(identities(client, method=method, limit=150, **search)) == whole, True)
        for limit, sortby in ((1000, "+id"), (150, "-id")):
            by_id = identities(client, method=method, limit=limit, sortby=sortby)
            ids = [id for _, id in by_id]
            same(f"{method}, limit {limit}, {sortby}, complete", set(by_id) == whole, True)
            in_order = sorted(ids, key=str.encode, reverse=sortby == "-id")
            same(f"{method}, limit {limit}, {sortby}, in order", ids == in_order, True)
        one = identities(client, method=method, limit=1, collections=["EDITO|sc"])
        same(f"{method}, limit 1, as before", small in (None, one), True)
        small = one
    same("limit 1, Items", len(small) > 1, True)


def searches(client):
    """Every way to ask gives one and the same set, whatever method, page size and spelling."""
    asked = {
        "bbox and datetime": BALTIC,
        "the same, sorted": {**BALTIC, "sortby": "-datetime"},
        "intersects": {"intersects": {"type": "Point", "coordinates": [5, 51]}, "datetime": "2023"},
        "ids": {"ids": [AT_TWO_SITES]},
        "collections": {"collections": FLANDERS},
        "a bare id": {"collections": ["sentinel-2-l2a"]},
        "sorted by two": {"collections": FLANDERS, "sortby": ["+datetime", "-id"]},
        "fields": {"collections": FLANDERS, "fields": ["id", "geometry", "bbox", "properties.datetime", "stac_version", "assets"]},
    }
    counts = {}
    for name, search in asked.items():
        ways = [(method, limit) for method in ("POST", "GET") for limit in (40, 100)]
        sets = [set(identities(client, method=method, limit=limit, **search)) for method, limit in ways]
        same(f"{name}, one set in {len(ways)} ways", all(found == sets[0] for found in sets), True)
        counted(name, client, len(sets[0]), **search)
        counts[name] = len(sets[0])
    same("an Item of a shared Collection, once", counts["ids"], 1)
    mine = [{id for _, id in identities(client, collections=[collection])} for collection in FLANDERS]
    same("what two sites share, each Item once", counts["a bare id"], len(mine[0] | mine[1]))
    same("each site by its own name", counts["collections"], len(mine[0]) + len(mine[1]))
    for method in ("POST", "GET"):
        times = [item.datetime for item in client.search(method=method, limit=50, collections=FLANDERS, sortby="+datetime").items()]
        same(f"{method}, in order", times == sorted(times), True)
        kept = next(client.search(method=method, max_items=1, collections=FLANDERS, fields=["id", "properties.platform"]).items_as_dicts())
        same(f"{method}, fields", (sorted(kept), sorted(kept["properties"])), (["collection", "id", "links", "properties", "type"], ["platform"]))
    six = {"collections": [c.id for c in client.get_collections() if c.id.startswith("CMEMS|WIND")][:6]}
    sets = [set(identities(client, method=m, limit=n, **six)) for m in ("POST", "GET") for n in (7, 100)]
    same("six collections in one request, one set", all(found == sets[0] for found in sets) and len(sets[0]) > 0, True)


def collections(client):
    listed = list(client.get_collections())
    same("collections", len(listed) > 0 and len({c.id for c in listed}) == len(listed), True)
    for id in (*FLANDERS, "EDITO|bc_maps", "EMODnet|emodnet", "CMEMS|GLOBAL_ANALYSISFORECAST_BGC_001_028"):
        collection = client.get_collection(id)
        items = list(collection.get_items())
        same(f"{id}, Items", len(items), len(identities(client, collections=[id])))
        counted(id, client, len(items), collections=[id])
        item = items[0]
        same(f"{id}, one Item", collection.get_item(item.id).id, item.id)
        same(f"{id}, back to it", (item.get_collection().id, item.get_root().id), (id, client.id))
    same("an Item that is not there", collection.get_item("nope"), None)
    same("a bare Item id", {item.id for item in client.get_items(AT_TWO_SITES)}, {AT_TWO_SITES})


def plain_pystac(_):
    root = pystac.Catalog.from_file(BASE)
    children = list(root.get_children())
    same("children", len(children), len(list(Client.open(BASE).get_collections())))
    for child in children:
        same(child.id, (child.get_parent().id, child.get_root().id), (root.id, root.id))
    item = next(Client.open(BASE).search(max_items=1, collections=FLANDERS).items())
    same("an Item's own address", pystac.Item.from_file(item.get_self_href()).id, item.id)


parts = {
    "walk-7-post": lambda client: walk(client, "POST"),
    "walk-7-get": lambda client: walk(client, "GET"),
    "walks": walks,
    "searches": searches,
    "collections": collections,
    "pystac": plain_pystac,
}
parts[sys.argv[2]](Client.open(BASE))
