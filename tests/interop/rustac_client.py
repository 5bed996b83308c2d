"""rustac's library against the demo federation: rustac_client.py BASE. Run with -W error."""

import asyncio
import json
import sys
import urllib.request

import rustac

BASE = sys.argv[1]


async def main():
    searches = [
        {"limit": 7, "collections": ["EODC|sentinel-2-l2a"]},
        {"limit": 7, "collections": ["GRNET-OPENSTACK|sentinel-2-l2a", "EDITO|bc_maps"], "sortby": "-datetime"},
        {"limit": 100},
        {"limit": 100, "bbox": [9, 53, 30, 66], "datetime": "2020-01-01T00:00:00Z/2020-12-31T23:59:59Z"},
    ]
    for search in searches:
        items = await rustac.search(BASE, **search)
        body = {key: value for key, value in search.items() if key != "sortby"} | {"limit": 1}
        request = urllib.request.Request(f"{BASE}/search", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            matched = json.load(answer)["numberMatched"]
        different = len({(item["collection"], item["id"]) for item in items})
        print(search, len(items), different, matched, flush=True)
        if not len(items) == different == matched:
            sys.exit(f"{search}: {len(items)} Items, {different} different, {matched} matched")


asyncio.run(main())
