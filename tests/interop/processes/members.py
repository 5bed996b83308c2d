"""Members that execute processes: pygeoapi servers with a process that counts how often it ran."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "servers"))

import pygeoapi_server  # noqa: E402  (the servers of the other checks)


class Member:
    """A running member. `printed` is the base that it writes into its links; by default its own address."""

    def __init__(self, name, folder, venv, processes, printed=None):
        work = Path(folder) / name
        work.mkdir(parents=True)
        self.counted = work / "executions"
        self.counted.touch()
        own = {"member": name, "executions": str(self.counted)}
        resources = {id: {"type": "process", "processor": {"name": code, **own}} for id, code in processes.items()}
        manager = {"name": "TinyDB", "connection": str(work / "jobs.db"), "output_dir": str(work)}
        self.service = pygeoapi_server.start(
            name, Path(venv), work, work / "log", resources, plugins=HERE / "plug", manager=manager, url=printed
        )
        self.url = self.service.url

    def executions(self):
        return len(self.counted.read_text(encoding="utf-8").splitlines())

    def stop(self):
        self.service.stop()
