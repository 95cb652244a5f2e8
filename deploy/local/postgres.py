"""The private PostgreSQL cluster of a local fleet, from Debian's package, under SLUICE_HOME/postgres.

PostgreSQL refuses to run as root. Where its account can reach SLUICE_HOME it runs as `postgres`. Where it
cannot (a checkout below /root), it runs in a user namespace in which our files belong to an ordinary user.
"""

import os
import pwd
import subprocess
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "synchronous_commit": "on",
    "logging_collector": "off",
}


def _can_postgres_reach(directory):
    test = subprocess.run(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                           "test", "-x", str(directory)], capture_output=True, check=False)
    return test.returncode == 0


def run_as(directory):
    """The words to put before a PostgreSQL program so that it may use `directory`, which we own."""
    if os.geteuid() != 0:
        return []
    if _can_postgres_reach(directory):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return ["unshare", "--user", "--map-user=70", "--map-group=70"]


def create(layout):
    """initdb, once. Both directories belong to the account that will run it."""
    process = layout.postgres()
    data = Path(process.data_dir)
    if (data / "PG_VERSION").exists():
        return
    socket_dir = layout.path("postgres", "socket")
    parent = layout.path("postgres")
    for directory in (parent, data, socket_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    prefix = run_as(layout.home)
    if "setpriv" in prefix:
        account = pwd.getpwnam("postgres")
        for directory in (parent, data, socket_dir):
            os.chown(directory, account.pw_uid, account.pw_gid)
    log = layout.path("log", "initdb.log")
    with open(log, "wb") as out:
        subprocess.run([*prefix, str(BINARIES / "initdb"), "-D", str(data), "-U", "sluice", "-A", "trust",
                        "-E", "UTF8", "--locale=C.UTF-8"],
                       stdout=out, stderr=subprocess.STDOUT, check=True, cwd="/")
    with open(data / "postgresql.conf", "a", encoding="utf-8") as conf:
        for name, value in SETTINGS.items():
            conf.write(f"{name} = {value}\n")
        conf.write(f"unix_socket_directories = '{socket_dir}'\n")


def command(layout):
    process = layout.postgres()
    return [*run_as(layout.home), str(BINARIES / "postgres"), "-D", process.data_dir, "-p", str(process.ports["data"])]


def is_ready(layout):
    ready = subprocess.run([str(BINARIES / "pg_isready"), "-q", "-h", str(layout.path("postgres", "socket")),
                            "-p", str(layout.port + 15)], check=False)
    return ready.returncode == 0


def create_database(layout):
    """The database `sluice`; control's migrations fill it."""
    psql = [str(BINARIES / "psql"), "-h", str(layout.path("postgres", "socket")),
            "-p", str(layout.port + 15), "-U", "sluice", "-d", "postgres", "-tA", "-c"]
    known = subprocess.run([*psql, "SELECT 1 FROM pg_database WHERE datname = 'sluice'"],
                           capture_output=True, check=True, text=True)
    if known.stdout.strip() != "1":
        subprocess.run([*psql, "CREATE DATABASE sluice"], capture_output=True, check=True)
