"""Searches by seed: every parameter, conditions in CQL2, orders, page sizes and methods.

A search is a POST body in which `filter` is CQL2 JSON; `ways` says how it is put to the broker. Conditions are made of what
is in the Items, so that most of them find something.
"""

import json
import random
from datetime import datetime, timedelta, timezone

NUMBERS = ("eo:cloud_cover", "gsd", "view:sun_elevation", "landsat:wrs_path", "sat:relative_orbit", "depth", "depth_max", "quality")
TEXTS = ("platform", "place", "grid:code", "sat:orbit_state", "processing:level", "note")
TIMES = ("datetime", "created")
ARRAYS = ("sar:polarizations", "variables", "instruments")
SPATIAL = ("s_intersects", "s_intersects", "s_intersects", "s_within", "s_disjoint", "s_contains")
TEMPORAL = ("t_after", "t_before", "t_during", "t_intersects")
ARRAY = ("a_contains", "a_containedBy", "a_overlaps", "a_equals")
# Pages of one search at most; the page size is raised to keep to it.
PAGES_MAX = 12


def drawn(seed, number, items, classes):
    """Search `number` of a seed over these Items: (body, ways). `classes` are the endings of CQL2 classes to use."""
    dice = random.Random(f"{seed}:{number}")
    maker = Maker(dice, items, classes)
    body = maker.body()
    return body, maker.ways(body)


class Maker:
    def __init__(self, dice, items, classes):
        self.dice, self.items, self.classes = dice, items, classes
        # One Item that much is taken from, so that conditions joined by AND have a match together.
        self.anchor = dice.choice(items)

    def some(self, chance):
        return self.dice.random() < chance

    def item(self):
        return self.anchor if self.some(0.6) else self.dice.choice(self.items)

    def named(self, names):
        """One of these properties, mostly one that the anchor has."""
        there = [name for name in names if self.anchor["properties"].get(name) is not None]
        return self.dice.choice(there if there and self.some(0.85) else names)

    def value(self, name):
        """A value that some Item has."""
        value = self.anchor["properties"].get(name)
        if value is not None and self.some(0.5):
            return value
        return self.dice.choice([value for item in self.items if (value := item["properties"].get(name)) is not None])

    # --- parameters

    def body(self):
        dice, body = self.dice, {}
        if self.some(0.35):
            names = sorted({item["collection"] for item in self.items})
            body["collections"] = dice.sample(names, dice.choice([1, 1, 2, 3]))
            if self.some(0.7) and self.anchor["collection"] not in body["collections"]:
                body["collections"][0] = self.anchor["collection"]
        if self.some(0.08):
            body["ids"] = [self.item()["id"] for _ in range(dice.randrange(1, 8))] + (["no-such-item"] if self.some(0.3) else [])
        area = dice.random()
        if area < 0.2:
            body["bbox"] = self.bbox()
        elif area < 0.34:
            body["intersects"] = self.geometry()
        if self.some(0.25):
            body["datetime"] = self.datetime()
        if self.some(0.6):
            body["filter"] = self.condition(dice.choice([0, 0, 1, 1, 2, 3]))
        if self.some(0.15):
            body["query"] = self.query()
        if self.some(0.75):
            body["sortby"] = self.sortby()
        if self.some(0.15):
            body["fields"] = self.fields()
        return body

    def ways(self, body):
        """How the broker is asked: method, language, page size, and whether collections are named with their members."""
        dice = self.dice
        return {
            "method": dice.choice(["GET", "POST"]),
            "language": dice.choice(["cql2-text", "cql2-json"]),
            "limit": dice.choice([1, 2, 3, 7, 10, 25, 50, 100, 250, 1000]),
            "qualified": self.some(0.4),
        }

    def bbox(self):
        dice = self.dice
        if self.some(0.12):
            # Over the antimeridian.
            box = [dice.randrange(165, 180), -40, dice.randrange(-180, -165), dice.randrange(-20, 40)]
        else:
            west, south, east, north = self.item()["bbox"]
            grow = dice.choice([-0.2, 0, 0.001, 1, 10, 45])
            box = [west - grow, south - grow, east + grow, north + grow]
            if box[0] > box[2] or box[1] > box[3] or self.some(0.1):
                box = [-25, 30, 40, 72]
            box = [max(-180, min(180, round(box[0], 4))), max(-90, round(box[1], 4)), max(-180, min(180, round(box[2], 4))), min(90, round(box[3], 4))]
        return [box[0], box[1], -10, box[2], box[3], 9000] if self.some(0.1) else box

    def geometry(self):
        dice = self.dice
        x, y = round(dice.uniform(-20, 35), 3), round(dice.uniform(32, 65), 3)
        if self.some(0.3):
            west, south, *_ = self.item()["bbox"]
            x, y = min(170, max(-175, west)), min(80, max(-80, south))
        size = dice.choice([0.3, 2, 8, 25])
        east, north = round(min(180, x + size), 3), round(min(89, y + size / 2), 3)
        kind = dice.choice(["Point", "LineString", "Polygon", "Polygon", "MultiPolygon", "MultiPoint", "Hole"])
        triangle = [[x, y], [east, y], [x, north], [x, y]]
        if kind == "Point":
            return {"type": kind, "coordinates": [x, y]}
        if kind == "LineString":
            return {"type": kind, "coordinates": [[x, y], [east, north]]}
        if kind == "MultiPoint":
            return {"type": kind, "coordinates": [[x, y], [east, north]]}
        if kind == "Polygon":
            return {"type": kind, "coordinates": [triangle]}
        if kind == "MultiPolygon":
            return {"type": kind, "coordinates": [[triangle], [[[-10, 40], [-8, 40], [-8, 43], [-10, 40]]]]}
        square = [[x, y], [east, y], [east, north], [x, north], [x, y]]
        w, h = east - x, north - y
        hole = [[round(x + w * a, 4), round(y + h * b, 4)] for a, b in ((0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.8, 0.2), (0.2, 0.2))]
        return {"type": "Polygon", "coordinates": [square, hole]}

    def moment(self):
        """Somewhere in the Items' time, often exactly at one of them."""
        properties = self.item()["properties"]
        text = properties["datetime"] or properties[self.dice.choice(["start_datetime", "end_datetime"])]
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if self.some(0.5):
            moment += timedelta(days=self.dice.randrange(-200, 200))
        return moment.astimezone(timezone.utc)

    def spell(self, moment):
        if self.some(0.2):
            moment = moment.astimezone(timezone(timedelta(hours=self.dice.choice([-8, 1, 5]))))
            return moment.isoformat(timespec="milliseconds")
        return moment.isoformat(timespec="milliseconds" if self.some(0.8) or moment.microsecond else "seconds").replace("+00:00", "Z")

    def datetime(self):
        first, second = sorted([self.moment(), self.moment()])
        kind = self.dice.random()
        if kind < 0.15:
            return self.spell(first)
        if kind < 0.35:
            return f"{self.spell(first)}/.."
        if kind < 0.5:
            return f"../{self.spell(second)}"
        return f"{self.spell(first)}/{self.spell(second)}"

    def sortby(self):
        dice = self.dice
        keys = [self.sort_key()]
        if self.some(0.3):
            keys.append(self.sort_key())
        if self.some(0.6):
            keys.append("id")
        seen = dict.fromkeys(keys)
        return [{"field": name, "direction": dice.choice(["asc", "desc"])} for name in seen]

    def sort_key(self):
        pick = self.dice.random()
        if pick < 0.6:
            return "datetime"
        if pick < 0.75:
            return "id"
        return self.dice.choice(["eo:cloud_cover", "depth", "created", "quality"])

    def fields(self):
        names = ["id", "geometry", "bbox", "assets", "properties.datetime", "properties.platform", "properties.depth", "properties"]
        picked = self.dice.sample(names, self.dice.randrange(1, 4))
        return {self.dice.choice(["include", "include", "exclude"]): [name for name in picked]}

    def query(self):
        query = {}
        for _ in range(self.dice.choice([1, 1, 2])):
            if self.some(0.55):
                name, ops = self.named(NUMBERS), ("eq", "neq", "lt", "lte", "gt", "gte", "in")
            else:
                name, ops = self.named(TEXTS), ("eq", "neq", "startsWith", "endsWith", "contains", "in")
            value, op = self.value(name), self.dice.choice(ops)
            if op == "in":
                value = [value, self.value(name)]
            elif op == "startsWith":
                value = value[:3] or "x"
            elif op == "endsWith":
                value = value[-2:] or "x"
            elif op == "contains":
                value = value[1:4] or "x"
            query.setdefault(name, {})[op] = value
        return query

    # --- conditions

    def condition(self, depth):
        if depth == 0:
            return self.leaf()
        pick = self.dice.random()
        if pick < 0.2:
            return {"op": "not", "args": [self.condition(depth - 1)]}
        parts = [self.condition(self.dice.randrange(depth)) for _ in range(self.dice.choice([2, 2, 3]))]
        return {"op": "and" if pick < 0.6 else "or", "args": parts}

    def leaf(self):
        kinds = [(5, self.compare_number), (3, self.compare_text), (3, self.compare_time), (1, self.compare_id), (2, self.is_null), (1, self.boolean)]
        if "advanced-comparison-operators" in self.classes:
            kinds += [(2, self.between), (2, self.among), (3, self.like)]
        if "basic-spatial-functions" in self.classes:
            kinds += [(3, self.spatial)]
        if "temporal-functions" in self.classes:
            kinds += [(3, self.temporal)]
        if "array-functions" in self.classes:
            kinds += [(2, self.array)]
        if "case-insensitive-comparison" in self.classes:
            kinds += [(2, self.folded)]
        if "arithmetic" in self.classes:
            kinds += [(2, self.arithmetic)]
        weights, makers = zip(*kinds)
        return self.dice.choices(makers, weights)[0]()

    def compare(self, left, right, ops=("=", "<>", "<", "<=", ">", ">=")):
        args = [left, right]
        op = self.dice.choice(ops)
        if self.some(0.1):
            args.reverse()
        return {"op": op, "args": args}

    def compare_number(self):
        name = self.named(NUMBERS)
        value = self.value(name)
        return self.compare({"property": name}, value if self.some(0.7) else round(value + self.dice.uniform(-3, 3), 2))

    def compare_text(self):
        name = self.named(TEXTS)
        return self.compare({"property": name}, self.value(name))

    def compare_time(self):
        name = self.named(TIMES)
        if name == "created":
            text = self.value(name)
            return self.compare({"property": name}, {"timestamp": text})
        return self.compare({"property": name}, {"timestamp": self.spell(self.moment())})

    def compare_id(self):
        if self.some(0.5):
            return {"op": self.dice.choice(["=", "<>"]), "args": [{"property": "collection"}, self.item()["collection"]]}
        return {"op": "=", "args": [{"property": "id"}, self.item()["id"]]}

    def boolean(self):
        return {"op": self.dice.choice(["=", "<>"]), "args": [{"property": "calibrated"}, self.some(0.5)]}

    def is_null(self):
        return {"op": "isNull", "args": [{"property": self.named(NUMBERS + TEXTS + ("created",))}]}

    def between(self):
        name = self.named(NUMBERS)
        low, high = sorted([self.value(name), self.value(name)])
        return {"op": "between", "args": [{"property": name}, low, high]}

    def among(self):
        name = self.named(TEXTS + NUMBERS) if self.some(0.8) else "collection"
        pick = (lambda: self.item()["collection"]) if name == "collection" else (lambda: self.value(name))
        return {"op": "in", "args": [{"property": name}, [pick() for _ in range(self.dice.randrange(1, 4))]]}

    def like(self):
        name = self.named(TEXTS)
        text = self.value(name)
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        pattern = self.dice.choice([escaped, f"{text[:2]}%", f"%{text[-2:]}", f"%{text[1:3]}%", f"_{text[1:]}"])
        return {"op": "like", "args": [{"property": name}, pattern]}

    def spatial(self):
        op = self.dice.choice(SPATIAL)
        geometry = self.geometry()
        while op == "s_contains" and geometry["type"] not in ("Point", "Polygon") or geometry["type"].startswith("Multi"):
            geometry = self.geometry()
        return {"op": op, "args": [{"property": "geometry"}, geometry]}

    def temporal(self):
        op = self.dice.choice(TEMPORAL)
        first, second = sorted([self.moment(), self.moment()])
        if op in ("t_during", "t_intersects"):
            if first == second:
                second += timedelta(days=1)
            return {"op": op, "args": [{"property": "datetime"}, {"interval": [self.spell(first), self.spell(second)]}]}
        return {"op": op, "args": [{"property": "datetime"}, {"timestamp": self.spell(first)}]}

    def array(self):
        name = self.named(ARRAYS)
        value = self.value(name)
        values = self.dice.sample(value, self.dice.randrange(1, len(value) + 1)) + (["other"] if self.some(0.3) else [])
        return {"op": self.dice.choice(ARRAY), "args": [{"property": name}, values]}

    def folded(self):
        name = self.named(("place", "platform"))
        text = self.value(name)
        fold = self.dice.choice(["casei", "accenti"])
        other = self.dice.choice([text.upper(), text.lower(), text]) if fold == "casei" else text
        return {"op": "=", "args": [{"op": fold, "args": [{"property": name}]}, {"op": fold, "args": [other]}]}

    def arithmetic(self):
        name = self.named(("gsd", "quality", "landsat:wrs_path", "eo:cloud_cover"))
        left = {"op": self.dice.choice(["+", "-", "*"]), "args": [{"property": name}, self.dice.choice([1, 2, 0.5])]}
        return self.compare(left, self.value(name))


# --- the same condition as text


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def number(value):
    return json.dumps(value)


def wkt(geometry):
    def position(p):
        return " ".join(number(c) for c in p)

    def run(points):
        return "(" + ", ".join(position(p) for p in points) + ")"

    kind, c = geometry["type"], geometry["coordinates"]
    if kind == "Point":
        return f"POINT({position(c)})"
    if kind == "LineString":
        return "LINESTRING" + run(c)
    if kind == "MultiPoint":
        return "MULTIPOINT(" + ", ".join(f"({position(p)})" for p in c) + ")"
    if kind == "Polygon":
        return "POLYGON(" + ", ".join(run(ring) for ring in c) + ")"
    return "MULTIPOLYGON(" + ", ".join("(" + ", ".join(run(ring) for ring in part) + ")" for part in c) + ")"


def name_text(name):
    return name if name.replace(":", "_").replace("_", "a").isalnum() else f'"{name}"'


def as_text(node):
    """CQL2 text of CQL2 JSON."""
    if isinstance(node, bool):
        return "TRUE" if node else "FALSE"
    if isinstance(node, (int, float)):
        return number(node)
    if isinstance(node, str):
        return quoted(node)
    if isinstance(node, list):
        return "(" + ", ".join(as_text(part) for part in node) + ")"
    if "property" in node:
        return name_text(node["property"])
    if "timestamp" in node:
        return f"TIMESTAMP({quoted(node['timestamp'])})"
    if "interval" in node:
        return "INTERVAL(" + ", ".join(quoted(end) for end in node["interval"]) + ")"
    if "coordinates" in node:
        return wkt(node)
    op, args = node["op"], [as_text(part) for part in node["args"]]
    if op in ("and", "or"):
        return "(" + f" {op.upper()} ".join(args) + ")"
    if op == "not":
        return f"(NOT {args[0]})"
    if op == "isNull":
        return f"{args[0]} IS NULL"
    if op == "between":
        return f"{args[0]} BETWEEN {args[1]} AND {args[2]}"
    if op == "in":
        return f"{args[0]} IN {args[1]}"
    if op == "like":
        return f"{args[0]} LIKE {args[1]}"
    if op in ("+", "-", "*", "/"):
        return f"({args[0]} {op} {args[1]})"
    if op[0] in "=<>":
        return f"{args[0]} {op} {args[1]}"
    return f"{op.upper()}({', '.join(args)})"
