#!/usr/bin/env python3
"""Starts the real servers over the same Items, and keeps them until it is ended: up.py TOOLS WORK

TOOLS is the folder of tests/interop/install. When all of them serve, WORK/servers.json has their addresses, and
`federation.py` makes federation files over them; then it waits. It ends, and all of them with it, on TERM, on INT, when its
standard input closes, or when one of the servers ends.

    WHOLE      stac-fastapi-pgstac, every Item: what the federation is compared with; no member of it
    ARCHIVE    stac-fastapi-pgstac, about half: sorts, filters in CQL2, pages by token
    MEM        rustac serve over memory: Item Search by POST, nothing more
    GEO        pygeoapi: Collections of Items, no Item Search
    TWIN       rustac serve over pgSTAC: another dialect over ARCHIVE's Items
"""

import json
import select
import signal
import sys
from pathlib import Path

import items
import pgstac
import pygeoapi_server
import rustac_serve


PLUGINS = Path(__file__).resolve().parent / "plugins"


def start(tools, work, started):
    """Everything, each entered in `started` as soon as it runs: {name: URL}."""
    share = work / "share"
    items.write_all(share)
    postgres = pgstac.Postgres(work)
    started.append(postgres.service)
    postgres.database("whole", tools / "pgstac", share)
    postgres.database("archive", tools / "pgstac", share / "ARCHIVE")
    files = work / "GEO-files"
    files.mkdir()
    geo = pygeoapi_server.features(share / "GEO", files)

    def log(name):
        return work / f"{name}.log"

    servers = []
    for make in (
        lambda: pgstac.stac_fastapi("WHOLE", tools / "pgstac", postgres, "whole", log("WHOLE")),
        lambda: pgstac.stac_fastapi("ARCHIVE", tools / "pgstac", postgres, "archive", log("ARCHIVE")),
        lambda: rustac_serve.in_memory("MEM", tools / "rustac", share / "MEM", work, log("MEM")),
        lambda: pgstac.rustac_over_pgstac("TWIN", tools / "rustac", postgres, "archive", log("TWIN")),
        lambda: pygeoapi_server.start("GEO", tools / "pygeoapi", work, log("GEO"), geo, plugins=PLUGINS, app="stac_face:APP"),
    ):
        servers.append(make())
        started.append(servers[-1])
    for server in servers:
        server.wait_until_it_answers()
    return {server.name: server.url for server in servers}


def main():
    tools, work = (Path(word).resolve() for word in sys.argv[1:3])
    work.mkdir(parents=True, exist_ok=True)
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(0))
    started = []
    try:
        urls = start(tools, work, started)
        (work / "servers.json").write_text(json.dumps(urls, indent=1))
        print(*(f"{name} {url}" for name, url in urls.items()), "all serve", sep="\n", flush=True)
        while not select.select([sys.stdin], [], [], 1)[0]:
            for service in started:
                if service.process.poll() is not None:
                    sys.exit(f"{service.name} ended with status {service.process.returncode}\n{service.log_tail()}")
    except RuntimeError as failure:
        sys.exit(str(failure))
    finally:
        # The database last, and without waiting for its clients.
        for service in reversed(started):
            service.stop(signal.SIGINT if service.name == pgstac.NAME else signal.SIGTERM)


if __name__ == "__main__":
    main()
