"""Searches put to a STAC API, and walked to the end."""

import json
import urllib.error
import urllib.request
from urllib.parse import quote

from meaning import as_filter
from searches import as_text

ANSWER_S_MAX = 60
# Identities alone, all of them.
ALL_IDS = {"limit": 10_000, "fields": {"include": ["id", "collection"], "exclude": ["geometry", "bbox", "properties", "assets", "links"]}}


class Refused(Exception):
    """An answer that is no page of Items."""


def fetch(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code}: {error.read()[:300].decode(errors='replace')}") from None
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        raise Refused(str(error)) from None


def whole(base, body):
    """What pgSTAC has for a search, in one page, put to it in a way that it takes: `query` as a condition, for it knows six
    of the ten operators, and none beside `filter`; a bbox without heights, or the point that it is; and its own name of A_CONTAINEDBY."""
    parts = [body["filter"]] if "filter" in body else []
    parts += [as_filter(body["query"])] if "query" in body else []
    asked = {name: value for name, value in body.items() if name not in ("fields", "filter", "query")} | ALL_IDS
    if len(asked.get("bbox", ())) == 6:
        asked["bbox"] = [asked["bbox"][place] for place in (0, 1, 3, 4)]
    if "bbox" in asked and asked["bbox"][:2] == asked["bbox"][2:]:
        # PostGIS makes a polygon without area of it, which meets some of the Items at that very point and not others.
        asked["intersects"] = {"type": "Point", "coordinates": asked.pop("bbox")[:2]}
    if parts:
        condition = parts[0] if len(parts) == 1 else {"op": "and", "args": parts}
        asked |= {"filter": renamed(condition), "filter-lang": "cql2-json"}
    return fetch(f"{base}/search", asked)["features"]


def renamed(node):
    if isinstance(node, list):
        return [renamed(part) for part in node]
    if not isinstance(node, dict) or "op" not in node:
        return node
    return {"op": {"a_containedBy": "a_contained_by"}.get(node["op"], node["op"]), "args": renamed(node["args"])}


def address(base, body):
    """The search as a GET."""
    def text(name, value):
        if name in ("collections", "ids"):
            return ",".join(value)
        if name == "bbox":
            return ",".join(json.dumps(number) for number in value)
        if name == "sortby":
            return ",".join(("-" if key["direction"] == "desc" else "+") + key["field"] for key in value)
        if name == "fields":
            return ",".join(value.get("include", []) + ["-" + name for name in value.get("exclude", [])])
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return f"{base}/search?" + "&".join(f"{name}={quote(text(name, value), safe='')}" for name, value in body.items())


def spelled(body, ways, exposed):
    """The search as the broker gets it. `exposed` gives the qualified ids of a native Collection id."""
    body = dict(body, limit=ways["limit"])
    if ways["qualified"] and "collections" in body:
        body["collections"] = [one for native in body["collections"] for one in exposed[native]]
    if "filter" in body:
        condition = qualify(body["filter"], exposed) if ways["qualified"] else body["filter"]
        body["filter"] = as_text(condition) if ways["language"] == "cql2-text" else condition
        # Left out where it is the default of the method.
        if (ways["method"], ways["language"]) not in (("GET", "cql2-text"), ("POST", "cql2-json")) or ways["limit"] % 2:
            body["filter-lang"] = ways["language"]
    return body


def qualify(node, exposed):
    """A condition on native Collection ids as one on qualified ids, of which there may be several."""
    if isinstance(node, list):
        return [qualify(part, exposed) for part in node]
    if not isinstance(node, dict) or "args" not in node:
        return node
    args = node["args"]
    if {"property": "collection"} not in args or node["op"] not in ("=", "<>", "in"):
        return {"op": node["op"], "args": qualify(args, exposed)}
    natives = args[1] if node["op"] == "in" else [arg for arg in args if isinstance(arg, str)]
    among = {"op": "in", "args": [{"property": "collection"}, [one for native in natives for one in exposed[native]]]}
    return {"op": "not", "args": [among]} if node["op"] == "<>" else among


def walk(base, body, method, pages_max):
    """All pages: (pages, the first request as it was sent)."""
    request = (address(base, body), None) if method == "GET" else (f"{base}/search", body)
    first, pages = request, []
    while request:
        if len(pages) >= pages_max:
            raise Refused(f"no end after {pages_max} pages")
        pages.append(fetch(*request))
        following = [link for link in pages[-1]["links"] if link["rel"] == "next"]
        request = (following[0]["href"], following[0].get("body")) if following else None
    return pages, first
