"""pygeoapi: Collections of Items by OGC API - Features, without Item Search; and processes, where a caller wants some.

`start` is for every purpose: a configuration, a folder with plug-ins, and what to call it.
"""

import json

from service import Service, environment, free_port, run

# Filled in by `configuration`; pygeoapi reads JSON, being YAML. Every block of `metadata` has to be there.
METADATA = {
    "identification": {
        "title": "member", "description": "a member of tests", "keywords": ["test"], "keywords_type": "theme",
        "terms_of_service": "none", "url": "http://127.0.0.1",
    },
    "license": {"name": "CC0-1.0", "url": "http://127.0.0.1"},
    "provider": {"name": "tests", "url": "http://127.0.0.1"},
    "contact": {
        "name": "n", "position": "n", "address": "n", "city": "n", "stateorprovince": "n", "postalcode": "n", "country": "n",
        "phone": "n", "fax": "n", "email": "n@example.org", "url": "http://127.0.0.1", "hours": "n", "instructions": "n",
        "role": "pointOfContact",
    },
}


def configuration(port, resources, page_items_max=250, manager=None, url=None):
    """A configuration. `url` is the address it prints in links; `manager` makes executions outlive their request."""
    server = {
        "bind": {"host": "127.0.0.1", "port": port},
        "url": url or f"http://127.0.0.1:{port}",
        "mimetype": "application/json; charset=UTF-8",
        "encoding": "utf-8",
        "languages": ["en-US"],
        "limits": {"default_items": 10, "max_items": page_items_max},
        "map": {"url": "http://127.0.0.1/{z}/{x}/{y}.png", "attribution": "none"},
    }
    if manager:
        server["manager"] = manager
    return {"server": server, "logging": {"level": "ERROR"}, "metadata": METADATA, "resources": resources}


def features(share, folder):
    """Resources for the Collections and Items of the folder `share`, whose files go into `folder`."""
    items = [json.loads(line) for line in (share / "items.ndjson").read_text(encoding="utf-8").splitlines()]
    resources = {}
    for line in (share / "collections.ndjson").read_text(encoding="utf-8").splitlines():
        collection = json.loads(line)
        id, extent = collection["id"], collection["extent"]
        held = [item for item in items if item["collection"] == id]
        data = folder / f"{id}.json"
        data.write_text(json.dumps({"type": "FeatureCollection", "features": held}, ensure_ascii=False), encoding="utf-8")
        begin, end = extent["temporal"]["interval"][0]
        resources[id] = {
            "type": "collection",
            "title": collection["title"],
            "description": collection["description"],
            "keywords": collection["keywords"],
            "links": [],
            "extents": {"spatial": {"bbox": extent["spatial"]["bbox"][0]}, "temporal": {"begin": begin, "end": end}},
            "providers": [{"type": "feature", "name": "GeoJSON", "data": str(data), "id_field": "id"}],
        }
    return resources


def start(name, venv, work, log, resources, plugins=None, app="pygeoapi.flask_app:APP", **settings):
    """pygeoapi with these resources. `plugins` is a folder of Python modules that they, or `app`, name."""
    port = free_port()
    config, openapi = work / f"{name}.json", work / f"{name}-openapi.json"
    config.write_text(json.dumps(configuration(port, resources, **settings)), encoding="utf-8")
    env = environment(PYGEOAPI_CONFIG=str(config), PYGEOAPI_OPENAPI=str(openapi), **({"PYTHONPATH": str(plugins)} if plugins else {}))
    run([venv / "bin/pygeoapi", "openapi", "generate", config, "--output-file", openapi, "--format", "json"], log, env=env, cwd=work)
    # It reads its whole file for each request, so one worker does.
    command = [venv / "bin/gunicorn", "--no-control-socket", "--workers", 1, "--threads", 4, "--bind", f"127.0.0.1:{port}", app]
    return Service(name, command, log, url=f"http://127.0.0.1:{port}", ready_path="/conformance?f=json", env=env, cwd=work)
