"""The requests of programs that cannot run here: requests_of_others.py BASE qgis, or BASE browser COLLECTION…"""

import json
import sys
import urllib.error
import urllib.request
from urllib.parse import quote

BASE = sys.argv[1]


def fetch(url, method="GET", headers=None, body=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def fetch_json(url, **request):
    status, headers, body = fetch(url, **request)
    must(status == 200, f"{url[:200]}: {status}")
    return json.loads(body), headers


def must(holds, otherwise):
    if not holds:
        sys.exit(otherwise)


def link(document, rel, **more):
    """The links of one relation."""
    return [l for l in document["links"] if l["rel"] == rel and all(l.get(k) == v for k, v in more.items())]


def qgis():
    """GET only; every id of the first page of Collections in the address; times with milliseconds."""
    root, _ = fetch_json(f"{BASE}/")
    (data,) = link(root, "data")
    must(data["href"].endswith("/collections"), "`data` does not end in /collections")
    must(all("?" not in search["href"] for search in link(root, "search")), "a `search` link has a query")
    ids = [c["id"] for c in fetch_json(data["href"])[0]["collections"]]
    area = quote(json.dumps({"type": "Polygon", "coordinates": [[[9, 53], [30, 53], [30, 66], [9, 66], [9, 53]]]}))
    found = []
    for where in ("bbox=9,53,30,66", f"intersects={area}"):
        url = f"{BASE}/search?limit=50&collections={quote(','.join(ids))}&{where}"
        url += "&datetime=2020-01-01T00:00:00.000Z/2020-12-31T23:59:59.999Z"
        print(len(url), "characters")
        items = []
        while url:
            page, _ = fetch_json(url)
            items += [(item["collection"], item["id"]) for item in page["features"]]
            following = link(page, "next")
            url = following[0]["href"] if following else None
        must(len(items) == len(set(items)), "an Item came twice")
        found.append(set(items))
        print(len(items), "Items")
    must(found[0] == found[1] and found[0], "bbox and intersects of the same area differ")


def allowed(headers, wanted):
    must(headers["access-control-allow-origin"] == "*", f"{wanted}: no access for other origins")


def browser():
    """Preflight, then JSON by POST, `Accept` as the type of the link, and the links it follows."""
    origin = {"Origin": "https://browser.example"}
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}
    for path in ("/", "/search", "/collections", f"/collections/{quote(sys.argv[3])}/items", "/nope"):
        status, headers, _ = fetch(BASE + path, "OPTIONS", origin | preflight)
        must(status == 204, f"OPTIONS {path}: {status}")
        allowed(headers, path)
        must("POST" in headers["access-control-allow-methods"], f"{path}: POST is not allowed")
        must("content-type" in headers["access-control-allow-headers"], f"{path}: content-type is not allowed")
    for path in ("/nope", "/search?limit=0", "/collections/nope"):
        status, headers, body = fetch(BASE + path, headers=origin)
        must(400 <= status < 500 and {"code", "description"} <= set(json.loads(body)), f"{path}: {status}")
        allowed(headers, path)
    root, headers = fetch_json(f"{BASE}/", headers=origin | {"Accept": "application/json"})
    allowed(headers, "/")
    must(link(root, "self")[0]["href"] == f"{BASE}/", "`self` is another address")
    (search,) = link(root, "search", method="POST")
    json_type = {"Content-Type": "application/json", "Accept": search["type"]}
    body = {"collections": sys.argv[3:], "limit": 12, "sortby": [{"field": "datetime", "direction": "desc"}]}
    seen, href = [], search["href"]
    while True:
        page, headers = fetch_json(href, method="POST", headers=origin | json_type, body=json.dumps(body).encode())
        must(headers["content-type"].startswith("application/geo+json"), headers["content-type"])
        seen += [(item["collection"], item["id"]) for item in page["features"]]
        following = link(page, "next")
        if not following:
            break
        # It replaces the body and does not know `merge`.
        href, body = following[0]["href"], following[0]["body"]
    matched = page.get("numberMatched", len(seen))
    must(len(seen) == len(set(seen)) == matched > 0, f"{len(seen)} Items of {matched}")
    item = page["features"][0]
    for rel in ("self", "collection", "root"):
        fetch_json(link(item, rel)[0]["href"], headers=origin)
    print(len(seen), "Items")


{"qgis": qgis, "browser": browser}[sys.argv[2]]()
