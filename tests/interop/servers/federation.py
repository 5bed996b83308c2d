"""Federation files over the real servers: what their admins would write."""

HEAD = """[federation]
id = "interop-{id}"
title = "Real servers on this machine"

[server]
listen = "127.0.0.1:0"

[limits]
deadline_ms = 60000
member_deadline_ms = 30000

[replicas]
processes = 1
"""

MEMBER = """
[[member]]
id = "{id}"
title = "{title}"
url = "{url}"
internal = true
{more}"""

TITLES = {
    "ARCHIVE": "stac-fastapi-pgstac",
    "MEM": "rustac serve, in memory",
    "GEO": "pygeoapi, Features",
    "TWIN": "rustac serve over pgSTAC",
}
# What discovery cannot know, or would have to ask for.
MORE = {}


def text(id, members, urls):
    return HEAD.format(id=id) + "".join(
        MEMBER.format(id=member, title=TITLES[member], url=urls[member], more=MORE.get(member, "")) for member in members
    )


def write(work, urls):
    """federation.toml: the same Items as WHOLE, each at one member. all.toml: TWIN too, which repeats ARCHIVE's."""
    (work / "federation.toml").write_text(text("split", ("ARCHIVE", "MEM", "GEO"), urls))
    (work / "all.toml").write_text(text("all", ("ARCHIVE", "MEM", "GEO", "TWIN"), urls))
