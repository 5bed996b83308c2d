"""What pgSTAC does otherwise than the standards, by name, each with the clause that decides.

The comparison is strict: pgSTAC's answer has to be the meaning of the standards or, to the last Item and in order, the meaning
with these quirks. A quirk is counted for a search only if the answer would be another one without it.
"""

QUIRKS = {
    "ties": (
        "breaks ties by collection and id, in the direction of the first key",
        "the order of equal keys is free in the Sort extension; ours is S1: id, then collection, ascending",
    ),
    "nulls-first": (
        "an absent sort key comes first when descending",
        "free in the Sort extension; ours is S2: last in both directions",
    ),
    "bbox-antimeridian": (
        "a bbox with west > east is taken as the box between its corners, the other way around the globe",
        "GeoJSON (RFC 7946) 5.2, and the OGC API Features parameter `bbox`: it crosses the antimeridian",
    ),
    "datetime-of-interval": (
        "in conditions, `datetime` of an Item without one is its `start_datetime`",
        "CQL2 6.5: a property that is null makes a comparison null, which selects nothing",
    ),
    "array-order": (
        "A_EQUALS compares lists",
        "CQL2 7.9: arrays are compared as sets",
    ),
}

# What it answers with an error, so that the broker is compared with the standards alone.
REFUSALS = {
    "arithmetic": (
        "answers arithmetic on a property with 500",
        "CQL2 7.13 (Arithmetic Expressions), which it does not declare",
    ),
}


def refusal(body):
    """The name under which a search is known to be refused, or None."""
    return "arithmetic" if arithmetic(body.get("filter")) else None


def arithmetic(node):
    if isinstance(node, list):
        return any(arithmetic(part) for part in node)
    return isinstance(node, dict) and (node.get("op") in ("+", "-", "*") or arithmetic(node.get("args", [])))
