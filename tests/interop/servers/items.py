"""Collections and Items for real servers, the same for every run: items.py FOLDER.

Five Collections of unlike shape, and the shares of them that three unequal members hold. Everything comes from one seed,
so that a failure can be repeated. What is hard about them is named where it is made.

    FOLDER/collections.ndjson, FOLDER/items.ndjson          everything
    FOLDER/MEMBER/collections.ndjson, items.ndjson          the share of one member
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEED = 20250630
# Which share of a Collection a member holds. GEO cannot sort or filter, so that the broker reads it whole for both; that is
# bounded at 1,000 matches, and its share, like MEM's, stays below.
SHARES = {
    "scenes-optical": {"ARCHIVE": 0.62, "MEM": 0.22, "GEO": 0.16},
    "scenes-thermal": {"ARCHIVE": 0.8, "MEM": 0.2},
    "scenes-radar": {"ARCHIVE": 0.5, "GEO": 0.5},
    "ocean-daily": {"MEM": 1.0},
    "stations": {"ARCHIVE": 0.4, "MEM": 0.3, "GEO": 0.3},
}
MEMBERS = ("ARCHIVE", "MEM", "GEO")
COUNTS = {"scenes-optical": 700, "scenes-thermal": 300, "scenes-radar": 240, "ocean-daily": 200, "stations": 360}

PLATFORMS = ("sentinel-2a", "sentinel-2b", "Sentinel-2C", "landsat-8", "landsat-9")
# Text that quoting, folding and byte order can get wrong.
PLACES = ("Ærø", "Zürich", "Łódź", "Ostende", "ostende", "Porto", "O'Higgins", "100 % humid", "a_b", "naïve café", "Ψαρά", "Zebra", "apple")


def rectangle(west, south, width, height):
    """A footprint. Beyond 180 degrees it becomes two, as the GeoJSON standard asks for."""
    east, north = round(west + width, 4), round(south + height, 4)
    if east <= 180:
        return {"type": "Polygon", "coordinates": [ring(west, south, east, north)]}, [west, south, east, north]
    east = round(east - 360, 4)
    halves = [[ring(west, south, 180, north)], [ring(-180, south, east, north)]]
    return {"type": "MultiPolygon", "coordinates": halves}, [west, south, east, north]


def ring(west, south, east, north):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def slanted(dice, west, south, width, height):
    """A footprint that is smaller than its box, so that a box in its corner tells bbox from geometry."""
    east, north = round(west + width, 4), round(south + height, 4)
    lean = round(width * dice.choice([0.15, 0.3]), 4)
    corners = [[west, south], [round(east - lean, 4), south], [east, north], [round(west + lean, 4), north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}, [west, south, east, north]


def zulu(moment, digits=3):
    if digits == 0:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}"[:digits] + "Z"


def item(collection, id, geometry, bbox, properties, assets=None):
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": collection,
        "geometry": geometry,
        "bbox": bbox,
        "properties": properties,
        "assets": assets or {"data": {"href": f"https://data.example.org/{collection}/{id}.tif", "type": "image/tiff", "roles": ["data"]}},
        "links": [],
    }


def optical(dice, count):
    """Products as a ground segment makes them: many of one instant, whole and broken numbers in one property."""
    tiles = [(f"{zone}T{a}{b}", 4.0 + 2.5 * i, 46.0 + 1.7 * j) for i, (zone, a) in enumerate(zip((31, 32, 33, 34), "UVWX")) for j, b in enumerate("FSGT")]
    moment = datetime(2023, 5, 1, 10, 30, 21, 24000, tzinfo=timezone.utc)
    for n in range(count):
        # Every fourth product opens a new datatake; the others share its instant.
        if n % 4 == 0:
            moment += timedelta(minutes=dice.choice([50, 100, 1440]), milliseconds=dice.choice([0, 0, 7, 500]))
        tile, west, south = tiles[dice.randrange(len(tiles))]
        geometry, bbox = slanted(dice, west, south, 1.4, 1.0)
        cover = dice.choice([0, 100, 12.5, round(dice.uniform(0, 100), dice.choice([0, 1, 6]))])
        properties = {
            "datetime": zulu(moment),
            "created": zulu(moment + timedelta(hours=dice.randrange(1, 90), milliseconds=dice.randrange(1000))),
            "platform": dice.choice(PLATFORMS[:3]),
            "gsd": dice.choice([10, 20, 60]),
            "eo:cloud_cover": cover,
            "grid:code": f"MGRS-{tile}",
            "view:sun_elevation": round(dice.uniform(-5, 70), 3),
            "instruments": ["msi"],
        }
        yield item("scenes-optical", f"OPT_{moment:%Y%m%dT%H%M%S}_{tile}_{n:04d}", geometry, bbox, properties)


def thermal(dice, count):
    """Gaps: a property that is there, null, or absent; and clocks that are not at UTC."""
    start = datetime(2022, 11, 20, 22, 5, tzinfo=timezone.utc)
    for n in range(count):
        moment = start + timedelta(hours=31 * n, seconds=dice.randrange(60))
        hours = dice.choice([0, 2, -5])
        local = moment.astimezone(timezone(timedelta(hours=hours)))
        text = zulu(moment, 0) if hours == 0 else local.isoformat()
        geometry, bbox = rectangle(round(dice.uniform(-170, 160), 2), round(dice.uniform(-70, 70), 2), 1.85, 1.7)
        properties = {"datetime": text, "platform": dice.choice(PLATFORMS[3:]), "landsat:wrs_path": dice.randrange(1, 30)}
        cover = dice.choice(["there", "there", "null", "absent"])
        if cover != "absent":
            properties["eo:cloud_cover"] = round(dice.uniform(0, 100), 2) if cover == "there" else None
        if dice.random() < 0.5:
            properties["gsd"] = dice.choice([30, 100])
        yield item("scenes-thermal", f"TH-{n:05d}", geometry, bbox, properties)


def radar(dice, count):
    """Arrays, truth values, and footprints over the antimeridian."""
    start = datetime(2024, 1, 3, 5, 0, tzinfo=timezone.utc)
    for n in range(count):
        moment = start + timedelta(minutes=97 * (n // 2))
        west = round(dice.choice([dice.uniform(176, 179.9), dice.uniform(-180, -174), dice.uniform(150, 175)]), 3)
        geometry, bbox = rectangle(west, round(dice.uniform(-40, 30), 3), 3.5, 2)
        properties = {
            "datetime": zulu(moment, dice.choice([0, 3, 6])),
            "platform": dice.choice(["sentinel-1a", "sentinel-1c"]),
            "sar:polarizations": dice.choice([["VV"], ["VV", "VH"], ["HH", "HV"]]),
            "sat:orbit_state": dice.choice(["ascending", "descending"]),
            "sat:relative_orbit": dice.randrange(1, 176),
            "calibrated": dice.choice([True, False]),
        }
        yield item("scenes-radar", f"s1_{n:04d}_{dice.choice('abcXYZ')}", geometry, bbox, properties)


def ocean(dice, count):
    """Days and months: a start and an end, and no datetime."""
    day = datetime(2023, 1, 1, tzinfo=timezone.utc)
    for n in range(count):
        begins = day + timedelta(days=n * 3)
        ends = begins + timedelta(days=dice.choice([1, 3, 31])) - timedelta(seconds=1)
        geometry, bbox = rectangle(*dice.choice([(-180, -80, 360, 160), (-30, 30, 66, 16), (9, 53, 21, 13)]))
        properties = {
            "datetime": None,
            "start_datetime": zulu(begins, 0),
            "end_datetime": zulu(ends, 0),
            "processing:level": dice.choice(["L3", "L4"]),
            "variables": dice.sample(["thetao", "so", "chl", "zos"], dice.randrange(1, 4)),
            "depth_max": dice.choice([0.494, 5727.917, 100]),
        }
        yield item("ocean-daily", f"ocean_{begins:%Y%m%d}", geometry, bbox, properties)


def stations(dice, count):
    """Points and lines, text of many alphabets, numbers of many sizes; one instant for many."""
    moment = datetime(2023, 9, 1, tzinfo=timezone.utc)
    for n in range(count):
        x, y = round(dice.uniform(-25, 40), 4), round(dice.uniform(30, 72), 4)
        if n % 5 == 0:
            geometry, bbox = {"type": "LineString", "coordinates": [[x, y], [round(x + 1, 4), round(y + 0.5, 4)]]}, [x, y, round(x + 1, 4), round(y + 0.5, 4)]
        else:
            geometry, bbox = {"type": "Point", "coordinates": [x, y]}, [x, y, x, y]
        properties = {
            "datetime": zulu(moment + timedelta(days=n // 40), 0),
            "place": dice.choice(PLACES),
            "depth": dice.choice([-1, 0, 0.5, 12, 2500, 1e-3, 123456789]),
            "quality": dice.choice([1, 2, 3]),
            "observer": {"name": dice.choice(["Ida", "Åke"]), "level": dice.randrange(3)},
        }
        if dice.random() < 0.3:
            properties["note"] = dice.choice(["", "calibrated", "drift; see log", "50% \"raw\""])
        yield item("stations", f"st.{n:03d}{dice.choice(['', '-A', '_b', 'ü'])}", geometry, bbox, properties)


MAKERS = {"scenes-optical": optical, "scenes-thermal": thermal, "scenes-radar": radar, "ocean-daily": ocean, "stations": stations}


def everything():
    """All Items with the member that holds each: [(member, Item)], in an order of no meaning."""
    dice = random.Random(SEED)
    made = []
    for collection, maker in MAKERS.items():
        shares = SHARES[collection]
        for one in maker(dice, COUNTS[collection]):
            made.append((dice.choices(list(shares), list(shares.values()))[0], one))
    dice.shuffle(made)
    return made


def collection(id, items):
    """The Collection document over these Items."""
    times = [p for one in items for p in (one["properties"]["datetime"] or one["properties"]["start_datetime"],)]
    times += [one["properties"].get("end_datetime", times[0]) for one in items]
    instants = [datetime.fromisoformat(t.replace("Z", "+00:00")).astimezone(timezone.utc) for t in times]
    crosses = any(one["bbox"][0] > one["bbox"][2] for one in items)
    boxes = [one["bbox"] for one in items]
    west, east = (-180, 180) if crosses else (min(b[0] for b in boxes), max(b[2] for b in boxes))
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": id,
        "title": id.replace("-", " ").capitalize(),
        "description": f"{len(items)} Items made for tests: {MAKERS[id].__doc__.splitlines()[0]}",
        "license": "CC0-1.0",
        "keywords": ["test", *id.split("-")],
        "extent": {
            "spatial": {"bbox": [[west, min(b[1] for b in boxes), east, max(b[3] for b in boxes)]]},
            "temporal": {"interval": [[zulu(min(instants), 0), zulu(max(instants) + timedelta(seconds=1), 0)]]},
        },
        "links": [],
    }


def queryables(items):
    """What may be asked of these Items, as an admin of pgSTAC declares it; without, it reads every property as text."""
    found = {}
    for one in items:
        for name, value in one["properties"].items():
            if value is not None and name != "datetime":
                found.setdefault(name, schema(name, value))
    return {"type": "object", "properties": found}


def schema(name, value):
    if name in ("created", "start_datetime", "end_datetime"):
        return {"type": "string", "format": "date-time"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, (int, float)):
        return {"type": "number"}
    return {"type": {str: "string", list: "array", dict: "object"}[type(value)]}


def write(folder, items):
    folder.mkdir(parents=True, exist_ok=True)
    by_collection = {}
    for one in items:
        by_collection.setdefault(one["collection"], []).append(one)
    lines(folder / "items.ndjson", items)
    lines(folder / "queryables.json", [queryables(items)])
    lines(folder / "collections.ndjson", [collection(id, held) for id, held in by_collection.items()])


def lines(path, documents):
    path.write_text("".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents), encoding="utf-8")


def write_all(folder):
    made = everything()
    write(folder, [one for _, one in made])
    for member in MEMBERS:
        write(folder / member, [one for holder, one in made if holder == member])
    return made


if __name__ == "__main__":
    for member in MEMBERS:
        print(member, sum(holder == member for holder, _ in write_all(Path(sys.argv[1]))))
