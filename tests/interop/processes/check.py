"""Processes of real servers behind the broker, asked by real clients.

    python check.py BINARY PYGEOAPI_VENV FOLDER      with OWSLib and ogc-api-processes-client installed

Three pygeoapi servers execute for three members of the demo federation: one prints its own address, one lies below a
path that only its links know, one is far away (no data there). Ends with status 0, or with the first thing that is wrong.
"""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from members import Member
from owslib.ogcapi.processes import Processes

BINARY, PYGEOAPI, FOLDER = sys.argv[1:4]
HERE = Path(__file__).resolve().parent
HELLO, SUBSET = "HelloWorld", "memberproc.Subset"
done = []


def good(what):
    done.append(what)
    print(f"  good  {what}", flush=True)


def expect(true, what, seen=None):
    if not true:
        raise SystemExit(f"  WRONG {what}: {seen}")


def call(method, url, body=None, headers=None):
    data = json.dumps(body).encode() if body is not None else None
    sent = {"content-type": "application/json", **(headers or {})} if data else dict(headers or {})
    request = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as refused:
        answer = refused
    raw = answer.read()
    kind = answer.headers.get("content-type", "")
    return answer.status, answer.headers, json.loads(raw) if "json" in kind and raw else raw


def start(command, log, line):
    """Starts a program and waits for a line of its log; gives the program and the address in that line."""
    path = Path(FOLDER) / log
    with path.open("w", encoding="utf-8") as out:
        program = subprocess.Popen(command, stdout=out, stderr=out)
    for _ in range(300):
        found = re.search(line, path.read_text(encoding="utf-8"))
        if found:
            return program, found.group(1)
        if program.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"{command[1]} did not come up:\n{path.read_text(encoding='utf-8')}")


def federation(written, members):
    """The demo's federation file, with these process services in place of its own."""
    parts = re.split(r"(?m)^(?=\[\[member\]\]$)", written)
    out = [parts[0]]
    for part in parts[1:]:
        part = re.sub(r"(?ms)^\[member\.processes\].*?(?=^\[|\Z)", "", part)
        name = re.search(r'(?m)^id = "([^"]+)"', part).group(1)
        out.append(part + members.get(name, ""))
    return "".join(out)


def broker(file, listen="127.0.0.1:0"):
    return start([BINARY, "serve", "-f", file, "--listen", listen], "serve.log", r"(http://127\.0\.0\.1:\d+)")


def wait_for(url):
    """Waits until the address answers with 200."""
    for _ in range(300):
        try:
            if call("GET", url)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} did not come up")


def finished(status_url):
    for _ in range(200):
        _, _, status = call("GET", status_url)
        if status["status"] in ("successful", "failed", "dismissed"):
            return status
        time.sleep(0.1)
    raise SystemExit(f"{status_url} did not end: {status}")


def item_of(base, member):
    """An Item of the member, by its address at the broker."""
    _, _, page = call("GET", f"{base}/collections?limit=1000")
    for collection in page["collections"]:
        if collection["id"].startswith(f"{member}|"):
            items = next(link["href"] for link in collection["links"] if link["rel"] == "items")
            _, _, found = call("GET", f"{items}?limit=1")
            return next(link["href"] for link in found["features"][0]["links"] if link["rel"] == "self")
    raise SystemExit(f"no Collection of {member}")


def main():
    running = []
    try:
        check(running)
    finally:
        for one in running:
            one.terminate() if hasattr(one, "terminate") else one.stop()
    print(f"processes: {len(done)} checks are good")


def check(running):
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    eodc = Member("EODC", FOLDER, PYGEOAPI, {"hello-world": HELLO, "subset": SUBSET})
    edito = Member("EDITO", FOLDER, PYGEOAPI, {"subset": SUBSET}, printed="http://member-internal:5000/oapi")
    cmems = Member("CMEMS", FOLDER, PYGEOAPI, {"hello-world": HELLO})
    running += [eodc, edito, cmems]
    written = Path(FOLDER) / "demo.toml"
    demo, _ = start(
        [BINARY, "demo", "--listen", "127.0.0.1:0", "--write", str(written)], "demo.log", r"(http://127\.0\.0\.1:\d+)/search"
    )
    running.append(demo)
    for member in (eodc, edito, cmems):
        member.service.wait_until_it_answers()
    file = Path(FOLDER) / "federation.toml"
    services = {
        "EODC": f'\n[member.processes]\nurl = "{eodc.url}"\ndata_prefixes = ["s3://eodc-archive/"]\n',
        "EDITO": f'\n[member.processes]\nurl = "{edito.url}"\naliases = ["http://member-internal:5000/oapi"]\n',
        "CMEMS": f'\n[member.processes]\nurl = "{cmems.url}"\n',
    }
    file.write_text(federation(written.read_text(encoding="utf-8"), services), encoding="utf-8")
    serving, base = broker(str(file))
    running.append(serving)
    wait_for(f"{base}/health/ready")

    owslib(base)
    routed(base, eodc, edito, cmems)
    unlike(base)
    serving = restarted(base, serving, running, str(file), edito)
    strict = [sys.executable, str(HERE / "strict_client.py"), base, item_of(base, "EDITO")]
    subprocess.run(strict, check=True)
    good("ogc-api-processes-client 0.6.0 reads every document of an asynchronous run")


def owslib(base):
    client = Processes(f"{base}/")
    ids = {process["id"] for process in client.processes()}
    expect({"subset", "hello-world"} <= ids, "OWSLib lists the processes", ids)
    expect(set(client.process("subset")["inputs"]) == {"collection", "items", "pause", "mode"}, "OWSLib describes")
    good("OWSLib lists and describes")
    said = client.execute("subset", {"items": [item_of(base, "EODC")]})
    expect("EODC" in json.dumps(said), "OWSLib executes where the Item is", said)
    client.execute("subset", {"items": [item_of(base, "EDITO")]}, async_=True)
    location = client.response_headers["Location"]
    expect(location.startswith(f"{base}/jobs/EDITO."), "OWSLib is led to the job", location)
    expect(finished(location)["status"] == "successful", "the job ends well")
    good("OWSLib executes both ways, and the job is found at the broker")


def routed(base, eodc, edito, cmems):
    before = [member.executions() for member in (eodc, edito)]
    status, headers, answer = call(
        "POST", f"{base}/processes/subset/execution", {"inputs": {"items": [{"href": item_of(base, "EDITO")}]}}
    )
    expect(status == 200 and headers["Federation-Member"] == "EDITO", "EDITO executes on its own Item", answer)
    expect(base not in json.dumps(answer), "the member got its own address of the Item", answer)
    after = [member.executions() for member in (eodc, edito)]
    expect([after[0] - before[0], after[1] - before[1]] == [0, 1], "one execution, at one member", (before, after))
    good("an Item leads to the member that holds it, and to no other")
    status, headers, _ = call("POST", f"{base}/processes/subset/execution", {"inputs": {"items": ["s3://eodc-archive/a.nc"]}})
    expect(status == 200 and headers["Federation-Member"] == "EODC", "a declared prefix leads to its member")
    status, _, problem = call(
        "POST", f"{base}/processes/subset/execution", {"inputs": {"items": [item_of(base, "EODC"), item_of(base, "EDITO")]}}
    )
    expect(status == 422 and problem["type"].endswith("data-spread"), "data at two members are refused", problem)
    status, _, problem = call("POST", f"{base}/processes/hello-world/execution", {"inputs": {"name": "Ada"}})
    expect(status == 422 and problem["type"].endswith("data-location-unknown"), "no data, two members", problem)
    status, headers, answer = call("POST", f"{base}/processes/CMEMS:hello-world/execution", {"inputs": {"name": "Ada"}})
    expect(status == 200 and headers["Federation-Member"] == "CMEMS" and "Ada" in json.dumps(answer), "a pin", answer)
    status, _, problem = call(
        "POST", f"{base}/processes/subset/execution", {"inputs": {"items": [item_of(base, "CMEMS")]}}
    )
    expect(status == 422 and problem["type"].endswith("process-not-near-data"), "no process near the data", problem)
    good("refusals are explained: data-spread, data-location-unknown, process-not-near-data")


def unlike(base):
    """What pygeoapi does in its own way comes out regular."""
    item = item_of(base, "EDITO")
    execution = f"{base}/processes/subset/execution"
    wait = {"Prefer": "respond-async, wait=5, return=minimal"}
    status, headers, body = call("POST", execution, {"inputs": {"items": [item], "pause": 1}}, wait)
    expect(status == 201 and body["jobID"], "one clean Prefer reaches the member: the run is asynchronous", (status, body))
    location = headers["Location"]
    expect("member-internal" not in location and location.startswith(base), "a wrong host in Location", location)
    status, _, early = call("GET", f"{location}/results")
    expect(status == 404 and early["type"].endswith("result-not-ready"), "results before the end", early)
    ended = finished(location)
    expect("member-internal" not in json.dumps(ended), "a wrong host in links", ended)
    status, _, results = call("GET", f"{location}/results?f=json")
    expect(status == 200 and "EDITO" in json.dumps(results), "results", results)
    status, _, gone = call("DELETE", location)
    expect(status == 200 and gone["status"] == "dismissed", "dismissal", gone)
    status, _, unknown = call("GET", location)
    expect(status == 404 and unknown["type"].endswith("no-such-job"), "a dismissed job is unknown", unknown)
    good("an asynchronous run of a member with a wrong host: status, results, dismissal")
    status, headers, raw = call("POST", execution, {"inputs": {"items": [item], "mode": "bytes"}})
    expect(status == 200 and headers["content-type"].startswith("application/x-netcdf") and raw[:4] == b"CDF\x01", "bytes")
    status, headers, _ = call("POST", execution, {"inputs": {"items": [item], "mode": "fail"}}, {"Prefer": "respond-async"})
    ended = finished(headers["Location"])
    expect(ended["status"] == "failed", "a failed job says so", ended)
    status, _, problem = call("GET", f"{headers['Location']}/results")
    expect(status >= 400 and "type" in problem, "results of a failed job are a problem document", problem)
    good("bytes come as they are; a failed job is a failed job")


def restarted(base, serving, running, file, edito):
    """Submit, restart the broker, fetch the results: the job id is all that is needed."""
    before = edito.executions()
    inputs = {"inputs": {"items": [item_of(base, "EDITO")], "pause": 2}}
    _, headers, _ = call("POST", f"{base}/processes/subset/execution", inputs, {"Prefer": "respond-async"})
    location = headers["Location"]
    serving.terminate()
    serving.wait(30)
    running.remove(serving)
    again, _ = broker(file, base.removeprefix("http://"))
    running.append(again)
    wait_for(f"{base}/health/ready")
    expect(finished(location)["status"] == "successful", "the job is found after a restart")
    status, _, results = call("GET", f"{location}/results?f=json")
    expect(status == 200 and "EDITO" in json.dumps(results), "its results are found after a restart", results)
    expect(edito.executions() == before + 1, "it ran once", edito.executions() - before)
    good("the broker is restarted between submit and results")
    return again


main()
