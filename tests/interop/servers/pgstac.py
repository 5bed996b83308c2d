"""stac-fastapi-pgstac, and rustac over pgSTAC: one PostgreSQL with PostGIS, a database for each member."""

import os
import pwd
from pathlib import Path

from service import Service, environment, free_port, run

NAME = "PostgreSQL"
# What makes a database durable makes it slow, and this one is thrown away.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


def programs():
    """The folder of the newest PostgreSQL of this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("there is no PostgreSQL below /usr/lib/postgresql")
    return found[-1].parent


def owner():
    """Popen's arguments for the account that runs PostgreSQL, which refuses to be root's."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class Postgres:
    """The database server, in a folder of its own."""

    def __init__(self, work):
        self.folder, self.port, account = work / "postgres", free_port(), owner()
        self.folder.mkdir(parents=True)
        if account:
            # The account has to reach its folder through folders of root.
            for above in (work, *work.parents):
                if above.owner() == "root" and above != Path("/") and not above.stat().st_mode & 0o001:
                    above.chmod(above.stat().st_mode | 0o011)
            os.chown(self.folder, account["user"], account["group"])
        bin, data, log = programs(), self.folder / "data", work / "postgres.log"
        common = {"cwd": self.folder, "env": environment(), **account}
        run([bin / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"], log, **common)
        settings = [word for setting in QUICK for word in ("-c", setting)]
        command = [bin / "postgres", "-D", data, "-p", self.port, "-h", "127.0.0.1", "-k", self.folder, *settings]
        self.service = Service(NAME, command, log, **common)
        self.service.wait_until(lambda: (self.folder / f".s.PGSQL.{self.port}").exists())
        self.bin, self.work = bin, work

    def environment(self, database):
        return environment(PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER="postgres", PGPASSWORD="none", PGDATABASE=database)

    def database(self, name, venv, share):
        """A database of pgSTAC that holds the Collections and Items of the folder `share`."""
        log, env = self.work / f"load-{name}.log", self.environment(name)
        psql = [self.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1"]
        run([*psql, "-d", "postgres", "-c", f'CREATE DATABASE "{name}"'], log, env=env)
        run([venv / "bin/pypgstac", "migrate"], log, env=env)
        for table in ("collections", "items"):
            run([venv / "bin/pypgstac", "load", table, share / f"{table}.ndjson", "--method", "insert"], log, env=env)
        run([venv / "bin/pypgstac", "load_queryables", share / "queryables.json"], log, env=env)
        # Without it, plans are made for empty tables.
        run([*psql, "-c", "ANALYZE"], log, env=env)
        # rustac does not name the schema.
        run([*psql, "-c", f'ALTER DATABASE "{name}" SET search_path TO pgstac, public'], log, env=env)


def stac_fastapi(name, venv, postgres, database, log):
    """stac-fastapi-pgstac over a database."""
    port = free_port()
    command = [venv / "bin/uvicorn", "--factory", "stac_fastapi.pgstac.app:create_app", "--port", port, "--no-access-log"]
    env = postgres.environment(database) | {"DB_MIN_CONN_SIZE": "1", "DB_MAX_CONN_SIZE": "8"}
    return Service(name, command, log, url=f"http://127.0.0.1:{port}", env=env)


def rustac_over_pgstac(name, venv, postgres, database, log):
    """`rustac serve` over a database: another face of the same store, with a dialect of its own."""
    port = free_port()
    store = f"postgresql://postgres@127.0.0.1:{postgres.port}/{database}"
    command = [venv / "bin/rustac", "serve", "--addr", f"127.0.0.1:{port}", "--pgstac", store]
    return Service(name, command, log, url=f"http://127.0.0.1:{port}", env=environment())
