"""`rustac serve` over Items in its memory: searches by POST, and neither sorts, filters nor counts."""

import json

from service import Service, environment, free_port


def in_memory(name, venv, share, work, log):
    """`rustac serve` with the Collections and Items of the folder `share`."""
    folder = work / f"{name}-files"
    folder.mkdir()
    files = []
    for line in (share / "collections.ndjson").read_text(encoding="utf-8").splitlines():
        files.append(folder / f"collection-{len(files)}.json")
        files[-1].write_text(line, encoding="utf-8")
    items = [json.loads(line) for line in (share / "items.ndjson").read_text(encoding="utf-8").splitlines()]
    files.append(folder / "items.json")
    files[-1].write_text(json.dumps({"type": "FeatureCollection", "features": items}, ensure_ascii=False), encoding="utf-8")
    port = free_port()
    command = [venv / "bin/rustac", "serve", "--addr", f"127.0.0.1:{port}", *files]
    return Service(name, command, log, url=f"http://127.0.0.1:{port}", env=environment())
