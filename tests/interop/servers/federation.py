"""A federation file over the real servers, as an admin would write it: federation.py WORK NAME MEMBER… (or MEMBER=URL)"""

import json
import sys
from pathlib import Path

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
    "DEMO": "a member of the demo",
}
# What discovery cannot know, or would have to ask for.
MORE = {
    # Its database compares text by bytes (locale C.UTF-8).
    "ARCHIVE": '[member.capabilities]\nstring_order = "bytes"\n',
    # The whole demo would be too many Collections for a validator that searches each of them.
    "DEMO": '[member.policy]\ncollections = { include = ["sentinel-2-l2a"] }\n',
}


def text(id, urls):
    return HEAD.format(id=id) + "".join(
        MEMBER.format(id=member, title=TITLES[member], url=url, more=MORE.get(member, "")) for member, url in urls.items()
    )


if __name__ == "__main__":
    work, name, *members = sys.argv[1:]
    known = json.loads((Path(work) / "servers.json").read_text())
    print(text(name, {member.split("=")[0]: member.split("=")[1] if "=" in member else known[member] for member in members}))
