"""Pages and Items that the broker gave, against what they have to be."""

from meaning import instant

ALWAYS = {"type", "id", "collection", "links"}
TIMES = ("datetime", "start_datetime", "end_datetime", "created")
PROBLEMS_MAX = 3


def without_nulls(pages):
    """Members that cannot be asked for Items without the property that sorts them, and are said to lack these alone."""
    members = [member for page in pages for member in page["federation:report"]["members"]]
    lacking = {m["id"] for m in members if m.get("feature", "").startswith("null-filter: ")}
    return lacking - {m["id"] for m in members if m["status"] not in ("ok", "exhausted", "skipped-capability")}


def page_problems(pages, limit):
    problems = []
    lacking = without_nulls(pages)
    for number, page in enumerate(pages):
        if set(page.get("federation:missing", ())) - lacking:
            members = {m["id"]: m["status"] for m in page["federation:report"]["members"]}
            problems.append(f"page {number} is without {page['federation:missing']}: {members}")
        if page["numberReturned"] != len(page["features"]) or len(page["features"]) > limit:
            problems.append(f"page {number} has {len(page['features'])} Items, says {page['numberReturned']}, limit {limit}")
        if not page["features"] and any(link["rel"] == "next" for link in page["links"]):
            problems.append(f"page {number} of {len(pages)} is empty and has a next link")
        if page["federation:report"].get("invalid"):
            problems.append(f"page {number} counts {page['federation:report']['invalid']} invalid Items")
    return problems[:PROBLEMS_MAX]


def content_problems(given, facts, fields):
    """Whether Items came as they were made: values, not spellings, since some members write times and numbers anew."""
    problems = []
    for item, fact in zip(given, facts):
        if fact is None:
            continue
        problem = projected(item, fact.item, fields) if fields else same(item, fact.item)
        if problem:
            problems.append(f"Item {fact.id} of {item['collection']}: {problem}")
    return problems[:PROBLEMS_MAX]


def same(given, made):
    for name in ("geometry", "bbox", "stac_version"):
        if given.get(name) != made[name]:
            return f"`{name}` is {given.get(name)}, was {made[name]}"
    hrefs = {key: asset["href"] for key, asset in made["assets"].items()}
    if {key: asset["href"] for key, asset in given["assets"].items()} != hrefs:
        return f"`assets` are {given['assets']}"
    found = {name: value for name, value in given["properties"].items() if name != "federation:backends"}
    return None if plain(found) == plain(made["properties"]) else f"`properties` are {plain(found)}, were {plain(made['properties'])}"


def plain(properties):
    """Times as instants. A null property means what an absent one means, and some members leave it out."""
    return {name: instant(value) if name in TIMES else value for name, value in properties.items() if value is not None}


def projected(given, made, fields):
    """The rules for `fields`: include is the named members and four more, exclude everything but the named."""
    whole = set(made) | {"links"}
    if fields.get("include"):
        names = fields["include"]
        top = ALWAYS | ({name.split(".")[0] for name in names} & whole)
    else:
        names = fields["exclude"]
        top = whole - {name for name in names if name not in ALWAYS}
    # A named property that the Item lacks may leave `properties` behind, or not.
    if set(given) - {"properties"} != top - {"properties"}:
        return f"members {sorted(given)}, expected {sorted(top)}"
    wanted = properties_of(made, fields)
    found = {name for name in given.get("properties", {}) if name != "federation:backends"}
    absent = {name for name in wanted if made["properties"][name] is None}
    return None if found - absent == wanted - absent else f"properties {sorted(found)}, expected {sorted(wanted)}"


def properties_of(made, fields):
    there = set(made["properties"])
    if fields.get("include"):
        if "properties" in fields["include"]:
            return there
        return there & {name.removeprefix("properties.") for name in fields["include"]}
    if "properties" in fields["exclude"]:
        return set()
    return there - {name.removeprefix("properties.") for name in fields["exclude"]}
