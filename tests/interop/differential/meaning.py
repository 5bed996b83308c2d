"""What a search means: which Items it selects and in which order, by the standards, and with the quirks of a named server.

It shares nothing with the broker and nothing with pgSTAC, so that it can say which of two unlike answers is right. A *quirk* is
a name from `quirks.py`; `Meaning(set())` is the meaning of the standards.
"""

import re
import unicodedata
from datetime import datetime, timezone

import shapely
from shapely.geometry import box, shape

UNKNOWN = None
OPEN_START = datetime.min.replace(tzinfo=timezone.utc)
OPEN_END = datetime.max.replace(tzinfo=timezone.utc)
PREDICATES = {
    "s_intersects": shapely.intersects, "s_within": shapely.within, "s_contains": shapely.contains, "s_disjoint": shapely.disjoint,
    "s_touches": shapely.touches, "s_crosses": shapely.crosses, "s_overlaps": shapely.overlaps, "s_equals": shapely.equals,
}


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


class Facts:
    """An Item and what is read of it again and again."""

    def __init__(self, item, exposed):
        self.item, self.id, self.collection, self.exposed = item, item["id"], item["collection"], exposed
        self.properties = item["properties"]
        self.geometry = shape(item["geometry"])
        start = self.properties["datetime"] or self.properties["start_datetime"]
        self.start, self.end = instant(start), instant(self.properties.get("end_datetime", start))

    @property
    def key(self):
        return self.collection, self.id


class Meaning:
    def __init__(self, quirks):
        self.quirks = quirks

    def has(self, quirk):
        return quirk in self.quirks

    # --- which Items

    def select(self, facts, body):
        tests = [self.test(name, value) for name, value in body.items() if name not in ("sortby", "fields", "limit")]
        return [fact for fact in facts if all(test(fact) is True for test in tests)]

    def test(self, name, value):
        """A parameter as a test of an Item."""
        if name == "collections":
            return lambda fact: fact.collection in value
        if name == "ids":
            return lambda fact: fact.id in value
        if name == "bbox":
            area = self.area(value)
            return lambda fact: bool(shapely.intersects(fact.geometry, area))
        if name == "intersects":
            area = shape(value)
            return lambda fact: bool(shapely.intersects(fact.geometry, area))
        if name == "datetime":
            low, high = self.interval(value)
            return lambda fact: fact.start <= high and fact.end >= low
        if name == "filter":
            return lambda fact: self.truth(fact, value)
        if name == "query":
            return lambda fact: self.truth(fact, as_filter(value))
        raise ValueError(f"no meaning of `{name}`")

    def area(self, bbox):
        west, south, east, north = bbox if len(bbox) == 4 else (bbox[0], bbox[1], bbox[3], bbox[4])
        if west <= east:
            return box(west, south, east, north)
        if self.has("bbox-antimeridian"):
            return box(east, south, west, north)
        return shapely.union(box(west, south, 180, north), box(-180, south, east, north))

    @staticmethod
    def interval(text):
        if "/" not in text:
            return instant(text), instant(text)
        low, high = text.split("/")
        return OPEN_START if low in ("", "..") else instant(low), OPEN_END if high in ("", "..") else instant(high)

    def truth(self, fact, node):
        """True, False or unknown."""
        op, args = node["op"], node["args"]
        if op in ("and", "or"):
            found = {self.truth(fact, part) for part in args}
            decisive = op == "or"
            return decisive if decisive in found else UNKNOWN if UNKNOWN in found else not decisive
        if op == "not":
            found = self.truth(fact, args[0])
            return UNKNOWN if found is UNKNOWN else not found
        if op == "isNull":
            return self.value(fact, args[0]) is None
        if op in PREDICATES:
            return bool(PREDICATES[op](fact.geometry, shape(args[1])))
        if op.startswith("t_"):
            return self.temporal(fact, op, args)
        values = [self.value(fact, arg) for arg in args]
        if any(value is None for value in values):
            return UNKNOWN
        if op == "in":
            return any(equal(values[0], one) for one in values[1])
        if op == "between":
            return values[1] <= values[0] <= values[2]
        if op == "like":
            return re.fullmatch(like_pattern(values[1]), values[0], re.DOTALL) is not None
        if op.startswith("a_"):
            return array(op, *values, ordered=self.has("array-order"))
        return compare(op, *values)

    def value(self, fact, node):
        if isinstance(node, list):
            return [self.value(fact, part) for part in node]
        if not isinstance(node, dict):
            return node
        if "timestamp" in node:
            return instant(node["timestamp"])
        if "op" in node:
            return self.function(node["op"], [self.value(fact, arg) for arg in node["args"]])
        name = node["property"]
        if name in ("id", "collection"):
            return getattr(fact, name)
        if name == "datetime" and self.has("datetime-of-interval"):
            return fact.start
        value = fact.properties.get(name)
        return instant(value) if value is not None and name in ("datetime", "created") else value

    @staticmethod
    def function(op, values):
        if None in values:
            return None
        if op == "casei":
            return values[0].casefold()
        if op == "accenti":
            return "".join(c for c in unicodedata.normalize("NFD", values[0]) if not unicodedata.combining(c))
        left, right = values
        return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right}[op]()

    def temporal(self, fact, op, args):
        if fact.properties["datetime"] is None and not self.has("datetime-of-interval"):
            return UNKNOWN
        low = high = fact.start
        if "interval" in args[1]:
            first, last = (instant(end) for end in args[1]["interval"])
        else:
            first = last = instant(args[1]["timestamp"])
        return {
            "t_after": low > last,
            "t_before": high < first,
            "t_during": low > first and high < last,
            "t_intersects": low <= last and high >= first,
        }[op]

    # --- which order

    def order(self, facts, sortby):
        """The Items in order. Every sort is stable, so the least key goes first."""
        keys = [(key["field"], key["direction"] == "desc") for key in sortby]
        named = {name for name, _ in keys}
        ties = [("collection", keys[0][1]), ("id", keys[0][1])] if self.has("ties") else [("id", False), ("exposed", False)]
        keys += [tie for tie in ties if tie[0] not in named]
        ordered = list(facts)
        for name, descending in reversed(keys):
            there = [fact for fact in ordered if self.sort_value(fact, name) is not None]
            absent = [fact for fact in ordered if self.sort_value(fact, name) is None]
            there.sort(key=lambda fact: self.sort_value(fact, name), reverse=descending)
            ordered = absent + there if descending and self.has("nulls-first") else there + absent
        return ordered

    @staticmethod
    def sort_value(fact, name):
        if name == "datetime":
            return fact.start
        if name in ("id", "collection", "exposed"):
            return getattr(fact, name).encode()
        value = fact.properties.get(name)
        return instant(value) if name == "created" and value else value


def equal(left, right):
    return isinstance(left, str) == isinstance(right, str) and left == right


def compare(op, left, right):
    if op == "=":
        return equal(left, right)
    if op == "<>":
        return not equal(left, right)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def like_pattern(pattern):
    out, escaped = "", False
    for c in pattern:
        if escaped or c not in "\\%_":
            out, escaped = out + re.escape(c), False
        elif c == "\\":
            escaped = True
        else:
            out += ".*" if c == "%" else "."
    return out


def array(op, left, right, ordered):
    return {
        "a_contains": set(left) >= set(right),
        "a_containedBy": set(left) <= set(right),
        "a_overlaps": bool(set(left) & set(right)),
        "a_equals": left == right if ordered else set(left) == set(right),
    }[op]


def as_filter(query):
    """The Query extension as a condition."""
    parts = []
    for name, tests in query.items():
        for op, value in tests.items():
            if op in ("startsWith", "endsWith", "contains"):
                text = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                pattern = {"startsWith": f"{text}%", "endsWith": f"%{text}", "contains": f"%{text}%"}[op]
                parts.append({"op": "like", "args": [{"property": name}, pattern]})
            else:
                sign = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "in": "in"}[op]
                parts.append({"op": sign, "args": [{"property": name}, value]})
    return {"op": "and", "args": parts}
