"""Start, stop and wait for the processes of a local fleet; fleet.json and env.sh."""

import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from deploy.local import postgres
from deploy.local.layout import LOOPS_MAX, MEMDS, REGION, Layout

READY_SECONDS = 60
STOP_SECONDS = 20


class FleetError(Exception):
    """What went wrong, for a person."""


def is_alive(pid):
    """Whether the process runs; a zombie of ours is reaped and counts as gone.

    A process whose first thread has ended is a zombie by its state already, while its other threads still hold its
    ports: it is alive until the last of them has gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != pid
    except ChildProcessError:
        pass  # not ours: somebody else started it
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            state = stat.read().rsplit(")", 1)[1].split()[0]
        return state not in ("Z", "X") or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def http(method, url, body=None, token=None, timeout=10):
    """A JSON request to a process of ours; returns the decoded reply."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def loops_per_node(nodes=3):
    """One loop for each CPU of this machine, shared out among the nodes."""
    return min(LOOPS_MAX, max(1, len(os.sched_getaffinity(0)) // nodes))


class Fleet:
    """The fleet of one SLUICE_HOME. `loops` of each node: of a new fleet; an old one keeps what its home says.

    shares_session: the processes that are started stay in the caller's session. Where the kernel groups processes by sessions
    (sched_autogroup), each session is given the same share of the machine, and niceness counts only within one.
    places: of processes that are to run elsewhere than on loopback, by name (layout.Place).
    """

    def __init__(self, home, port, binaries, loops=None, shares_session=False, node_settings=(),
                 control_settings=(), places=None):
        self.shares_session = shares_session
        self.layout = Layout(Path(home).resolve(), port, binaries, node_settings=node_settings,
                             control_settings=control_settings, places=places)
        self.table = self.layout.path("fleet.json")
        self.layout.loops = self._kept_loops() or loops or loops_per_node()
        if not 1 <= self.layout.loops <= LOOPS_MAX:
            raise FleetError(f"{self.layout.loops} loops per node; from 1 to {LOOPS_MAX} have room for their ports")

    def _kept_loops(self):
        """What the fleet began with; ports follow it, and nodes never change it. None: there is no fleet yet."""
        try:
            return int(self.layout.path("loops").read_text(encoding="ascii"))
        except FileNotFoundError:
            return 1 if self.table.exists() else None

    # ---- fleet.json ----

    def rows(self):
        try:
            return json.loads(self.table.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []

    def row(self, name):
        for row in self.rows():
            if row["name"] == name:
                return row
        raise FleetError(f"no process '{name}' in {self.table}")

    def _save(self, rows):
        new = self.table.with_suffix(".new")
        new.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        new.replace(self.table)

    def _record(self, process, pid):
        row = {
            "name": process.name, "role": process.role, "zone": process.zone, "pid": pid,
            "ports": process.ports, "admin_url": process.admin_url,
            "log": str(self._log(process.name)), "data_dir": process.data_dir,
        }
        rows = self.rows()
        for i, old in enumerate(rows):
            if old["name"] == process.name:
                rows[i] = row
                break
        else:
            rows.append(row)
        self._save(rows)

    def _log(self, name):
        return self.layout.path("log", f"{name}.log")

    # ---- processes ----

    def process(self, name):
        kind, _, number = name.partition("-")
        if name == "postgres":
            return self.layout.postgres()
        if kind == "memds" and number.isdigit() and int(number) in MEMDS:
            return self.layout.memds(int(number))
        if name == "control-1":
            return self.layout.control()
        if kind == "router" and number.isdigit() and int(number) > 0:
            return self.layout.router(int(number))
        if kind == "node" and number.isdigit() and 0 < int(number) <= self.layout.nodes_max:
            return self._node(int(number))
        raise FleetError(f"no process '{name}'")

    def _node(self, number):
        """In the zone that it began in; one that is new, in the zone of its number."""
        process = self.layout.node(number)
        zones = {row["name"]: row["zone"] for row in self.rows()}
        zone = zones.get(process.name, process.zone)
        return process if zone == process.zone else self.layout.node(number, zone)

    def is_running(self, name):
        return any(row["name"] == name and is_alive(row["pid"]) for row in self.rows())

    def start(self, name):
        """Start one process on its data and record it; does nothing when it runs already."""
        if self.is_running(name):
            return False
        self._launch(self.process(name))
        return True

    def _launch(self, process):
        command = process.arguments
        if process.role == "postgres":
            self._clear_postmaster_pid(process)
            command = postgres.command(self.layout)
        else:
            Path(process.data_dir).mkdir(parents=True, exist_ok=True)
        with open(self._log(process.name), "ab") as log:
            child = subprocess.Popen([*process.place.prefix, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env={**os.environ, **process.place.environment},
                                     start_new_session=not self.shares_session,
                                     process_group=0 if self.shares_session else None, cwd="/")
        self._record(process, child.pid)

    def _clear_postmaster_pid(self, process):
        """After kill -9 of the postmaster its children may live on for a moment: wait for them."""
        pid_file = Path(process.data_dir, "postmaster.pid")
        try:
            segment = pid_file.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return
        old = int(segment[0])
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(old) and time.monotonic() < deadline:
            time.sleep(0.05)

    def wait_ready(self, name, seconds=READY_SECONDS):
        """Wait until the process serves; raises FleetError with the end of its log when it does not."""
        process = self.process(name)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_running(name):
                raise FleetError(f"{name} ended at once; its log says:\n{self._log_end(name)}")
            if self._is_ready(process):
                return
            time.sleep(0.05)
        raise FleetError(f"{name} is not ready after {seconds} s; its log says:\n{self._log_end(name)}")

    def _is_ready(self, process):
        if process.role == "postgres":
            return postgres.is_ready(self.layout)
        try:
            with urllib.request.urlopen(process.admin_url + "/readyz", timeout=1) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _log_end(self, name):
        try:
            lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return "(nothing)"
        return "\n".join(lines[-15:])

    def kill(self, name):
        """kill -9, and wait until it is gone."""
        pid = self.row(name)["pid"]
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.002)

    def stop(self, name):
        """SIGTERM, which drains; SIGKILL when that takes too long. Returns whether it went by itself."""
        row = self.row(name)
        if not is_alive(row["pid"]):
            return True
        # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for its clients.
        os.kill(row["pid"], signal.SIGINT if row["role"] == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(row["pid"]) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not is_alive(row["pid"]):
            return True
        self.kill(name)
        return False

    # ---- the whole ----

    def up(self, nodes=3, say=lambda text: None):
        """Start what does not run. Returns the names started."""
        self._prepare()
        known = [row["name"] for row in self.rows() if row["role"] == "node"]
        nodes = max([nodes] + [int(name.partition("-")[2]) for name in known])
        started = []
        processes = [self.process(process.name) for process in self.layout.processes(nodes)]
        for process in processes:
            if self.start(process.name):
                say(f"starting {process.name}")
                started.append(process.name)
            if process.role == "postgres":
                self.wait_ready(process.name)
                postgres.create_database(self.layout)
            elif process.role == "control":  # a MemDS of a new fleet is ready when control has spoken to it
                self.wait_ready(process.name)
        for process in processes:
            self.wait_ready(process.name)
        self._first_tenant()
        return started

    def add_node(self, zone=None):
        """Start one node more, in `zone` or in the next one in turn; returns its name when it is ready."""
        if not self.is_running("control-1"):
            raise FleetError("the fleet does not run: ./dev up")
        numbers = [int(row["name"].partition("-")[2]) for row in self.rows() if row["role"] == "node"]
        number = max(numbers, default=0) + 1
        if number > self.layout.nodes_max:
            raise FleetError(f"a local fleet has ports for {self.layout.nodes_max} nodes of {self.layout.loops} loops")
        process = self.layout.node(number, zone) if zone else self.layout.node(number)
        self._launch(process)
        self.wait_ready(process.name)
        return process.name

    def down(self, say=lambda text: None):
        order = {"router": 0, "node": 1, "control": 2, "memds": 3, "postgres": 4}
        for row in sorted(self.rows(), key=lambda r: order.get(r["role"], 0)):
            if is_alive(row["pid"]):
                say(f"stopping {row['name']}")
                self.stop(row["name"])

    def _prepare(self):
        for part in ("log", "data", "secrets"):
            self.layout.path(part).mkdir(parents=True, exist_ok=True)
        self.layout.path("secrets").chmod(0o700)
        self.layout.path("loops").write_text(f"{self.layout.loops}\n", encoding="ascii")
        for path, text in ((self.layout.path("secrets", "cluster.id"), str(secrets.randbits(62) + 1)),
                           (self.layout.cluster_key, secrets.token_hex(32)),
                           (self.layout.operator_token, secrets.token_urlsafe(32))):
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(text + "\n", encoding="ascii")
        postgres.create(self.layout)

    # ---- tenants ----

    @property
    def operator_url(self):
        return f"http://{self.layout.place('control-1').host}:{self.layout.control().ports['operator']}"

    @property
    def endpoint(self):
        return f"http://{self.layout.place('router-1').host}:{self.layout.port}"

    def token(self):
        return self.layout.operator_token.read_text(encoding="ascii").strip()

    def create_tenant(self, name):
        """A tenant and a key of it: {"tenant_id", "access_key_id", "secret_access_key"}."""
        tenant = http("POST", f"{self.operator_url}/v1/tenants", {"name": name}, self.token())
        key = http("POST", f"{self.operator_url}/v1/tenants/{tenant['tenant_id']}/keys", {}, self.token())
        self._wait_for_bundle(key["bundle_version"])
        return {**tenant, **key}

    def _wait_for_bundle(self, version):
        """Until all routers know what is of this version; those that do not answer are not waited for."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and any(known < version for known in self._bundle_versions()):
            time.sleep(0.01)

    def _bundle_versions(self):
        for row in self.rows():
            if row["role"] != "router" or not is_alive(row["pid"]):
                continue
            try:
                with urllib.request.urlopen(row["admin_url"] + "/metrics", timeout=1) as reply:
                    found = re.search(rb"^sluice_router_bundle_version_count(?:{[^}]*})? (\S+)", reply.read(), re.M)
            except OSError:
                continue
            if found:
                yield int(float(found[1]))

    def _first_tenant(self):
        env = self.layout.path("env.sh")
        if env.exists():
            return
        key = self.create_tenant("first")
        values = {
            "SLUICE_ENDPOINT": self.endpoint,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "SLUICE_OPERATOR_URL": self.operator_url,
            "SLUICE_OPERATOR_TOKEN": self.token(),
        }
        env.touch(mode=0o600)
        env.write_text("".join(f"export {name}='{value}'\n" for name, value in values.items()),
                       encoding="utf-8")

    def environment(self):
        """What env.sh exports, as a dictionary."""
        values = {}
        for line in self.layout.path("env.sh").read_text(encoding="utf-8").splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            values[name] = value.strip("'")
        return values
