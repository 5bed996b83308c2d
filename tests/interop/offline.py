"""stac-api-validator and stac-check without a network, and with a verdict that can be trusted.

    offline.py TOOLS validate --root-url BASE --conformance core …      stac-api-validator's own arguments
    offline.py TOOLS check BASE                                         stac-check over all Collections

TOOLS is the folder of `install`. Run with the Python of TOOLS/stac. JSON schemas are answered from the files that two releases
of pystac carry, loopback is let through, and every other address is refused at once; the validator opens links and assets, and
does not count what cannot be opened.

The validator ends with 0 after a crash, too, and skips a class in silence when another is missing. Here 0 means: it ran to its
end, said `Errors: none`, and entered the check of every class that was asked for.
"""

import io
import json
import re
import sys
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

# The check that has to be entered for a `--conformance` value to count.
CHECKS = {
    "core": "validate_core",
    "collections": "validate_collections",
    "features": "validate_features",
    "item-search": "validate_item_search",
    "filter": "validate_item_search_filter",
    "item-search#sort": "validate_sort",
    "item-search#fields": "validate_fields",
    "item-search#query": "validate_query",
}
LOOPBACK = ("127.0.0.1", "localhost")


def schemas(tools):
    """Address of every schema that is there: its file."""
    newest = next(tools.glob("stac/lib/python3*/site-packages/pystac/validation/jsonschemas"))
    files = list(newest.glob("stac-spec/v1.1.0/*.json"))
    files += (tools / "schemas/pystac-1.10.1/pystac/validation/jsonschemas/stac-spec/v1.0.0").glob("*.json")
    found = {f"https://geojson.org/schema/{file.name}": file for file in newest.glob("geojson/*.json")}
    for file in files:
        # The parts lie beside the Item's schema.
        spec = file.stem if file.stem in ("catalog", "collection") else "item"
        found[f"https://schemas.stacspec.org/{file.parent.name}/{spec}-spec/json-schema/{file.name}"] = file
    if len(found) < 20:
        sys.exit(f"{len(found)} schemas are there: pystac has other files than it had")
    return found


class Gate:
    """What an outgoing request gets instead of a network."""

    def __init__(self, schemas):
        self.schemas, self.requests, self.missing = schemas, 0, set()

    def answer(self, url):
        """None: let it through. Else a schema, or nothing."""
        if urlsplit(url).hostname in LOOPBACK:
            self.requests += 1
            return None
        file = self.schemas.get(url.split("#")[0].replace("http://", "https://", 1))
        if file:
            return file.read_bytes()
        if url.split("#")[0].endswith(".json"):
            self.missing.add(url)
        return b""

    def close(self):
        """Stands in front of the three clients that the tools use."""
        import requests
        import urllib3

        send, urlopen, open_ = requests.Session.send, urllib3.PoolManager.urlopen, urllib.request.OpenerDirector.open

        def sent(session, request, **more):
            body = self.answer(request.url)
            if body is None:
                return send(session, request, **more)
            if not body:
                raise requests.ConnectionError(f"not loopback: {request.url}")
            response = requests.Response()
            response.status_code, response._content, response.url, response.request = 200, body, request.url, request
            response.headers["content-type"] = "application/json"
            return response

        def opened(pool, method, url, redirect=True, **more):
            body = self.answer(url)
            if body is None:
                return urlopen(pool, method, url, redirect=redirect, **more)
            headers = {"content-type": "application/json"}
            return urllib3.HTTPResponse(body=io.BytesIO(body), status=200 if body else 404, headers=headers, preload_content=False)

        def plainly_opened(opener, request, *words, **more):
            url = request.full_url if isinstance(request, urllib.request.Request) else request
            if self.answer(url) is not None:
                raise urllib.error.URLError(f"not loopback: {url}")
            return open_(opener, request, *words, **more)

        requests.Session.send, urllib3.PoolManager.urlopen, urllib.request.OpenerDirector.open = sent, opened, plainly_opened


def watch(entered):
    """Makes the validator's checks leave their names in `entered`."""
    from stac_api_validator import validations

    def watched(name, check):
        def entering(*words, **more):
            entered.add(name)
            return check(*words, **more)

        return entering

    for name in CHECKS.values():
        setattr(validations, name, watched(name, getattr(validations, name)))


def validate(gate, words):
    import stac_api_validator.__main__ as validator

    entered, crash = set(), None
    watch(entered)
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        # Without click's own end of the program the 1 of a crash comes back; at its end the tool exits, with 1 if there are
        # errors.
        status = validator.main(args=words, prog_name="stac-api-validator", standalone_mode=False)
        crash = None if status is None else "it caught an exception, see above"
    except SystemExit:
        pass
    except Exception:
        crash = traceback.format_exc()
    finally:
        said, sys.stdout = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue()).splitlines(), out
    # Its warnings are many, and of taste.
    print("\n".join(said[said.index("Errors:") :] if "Errors:" in said else said[-20:] if crash else []))
    asked = [words[place + 1] for place, word in enumerate(words) if word == "--conformance"]
    unchecked = [name for name in asked if CHECKS[name] not in entered]
    print(f"\n{gate.requests} requests; classes: {' '.join(asked)}")
    problems = [f"crashed: {crash}"] if crash else []
    problems += [f"asked for and not checked: {unchecked}"] if unchecked else []
    problems += [] if "Errors: none" in said else ["there are errors"]
    problems += [f"no such schema here: {sorted(gate.missing)}"] if gate.missing else []
    print("\n".join(problems) or "passed")
    return 1 if problems else 0


def check(base):
    from stac_check.cli import main

    sys.argv = ["stac-check", f"{base}collections", "--collections", "--no-assets-urls"]
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        main(standalone_mode=False)
    except SystemExit:
        pass
    finally:
        said, sys.stdout = sys.stdout.getvalue(), out
    # Counted here, as its status is good when there was nothing to check.
    passed, failed = said.count("Passed: True"), said.count("Passed: False")
    print(said if failed or not passed else "")
    print(f"{passed} Collections passed, {failed} failed")
    return 0 if passed and not failed else 1


def main():
    tools, what, *words = sys.argv[1:]
    gate = Gate(schemas(Path(tools)))
    gate.close()
    return validate(gate, words) if what == "validate" else check(*words)


if __name__ == "__main__":
    sys.exit(main())
