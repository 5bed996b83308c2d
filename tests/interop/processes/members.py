"""Starts pygeoapi members on loopback. Everything they write lies in one folder."""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent

CONFIG = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: {printed}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  languages: [en-US]
  limits: {{default_items: 20, max_items: 50}}
  map: {{url: 'https://tiles.example/{{z}}/{{x}}/{{y}}.png', attribution: none}}
  manager: {{name: TinyDB, connection: {out}/jobs.db, output_dir: {out}/}}
logging: {{level: ERROR}}
metadata:
  identification: {{title: {name}, description: test member, keywords: [test], keywords_type: theme, terms_of_service: none, url: http://127.0.0.1}}
  license: {{name: CC0, url: http://127.0.0.1}}
  provider: {{name: none, url: http://127.0.0.1}}
  contact: {{name: c, position: c, address: a, city: c, stateorprovince: s, postalcode: p, country: c, phone: p, fax: f, email: e@e, url: u, hours: h, instructions: i, role: pointOfContact}}
resources:
{resources}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, seconds=60):
    """Waits until the address answers at all."""
    last = None
    for _ in range(seconds * 5):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError as wrong:
            last = wrong
            time.sleep(0.2)
    raise SystemExit(f"{url} did not come up: {last}")


class Member:
    """A running pygeoapi server. `printed` is the base that it writes into its links; by default its own address."""

    def __init__(self, name, folder, venv, resources, printed=None):
        self.name, self.folder = name, Path(folder) / name
        self.folder.mkdir(parents=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        lines = "\n".join(f"  {key}: {value}" for key, value in resources.items())
        config = CONFIG.format(port=port, printed=printed or self.url, out=self.folder, name=name, resources=lines)
        (self.folder / "member.yml").write_text(config, encoding="utf-8")
        self.counted = self.folder / "executions"
        self.counted.touch()
        env = dict(
            os.environ,
            PYGEOAPI_CONFIG=str(self.folder / "member.yml"),
            PYGEOAPI_OPENAPI=str(self.folder / "openapi.yml"),
            PYTHONPATH=str(HERE / "plug"),
            MEMBER=name,
            EXECUTIONS=str(self.counted),
        )
        self.log = (self.folder / "log").open("w", encoding="utf-8")
        generate = [f"{venv}/bin/pygeoapi", "openapi", "generate", "member.yml", "--output-file", "openapi.yml"]
        subprocess.run(generate, cwd=self.folder, env=env, check=True, stdout=self.log, stderr=self.log)
        serve = [f"{venv}/bin/gunicorn", "--no-control-socket", "-w", "1", "--threads", "4"]
        serve += ["-b", f"127.0.0.1:{port}", "pygeoapi.flask_app:APP"]
        self.process = subprocess.Popen(serve, cwd=self.folder, env=env, stdout=self.log, stderr=self.log)

    def executions(self):
        return len(self.counted.read_text(encoding="utf-8").splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
