"""The two DynamoDB endpoints that sluice-load drives: a Sluice fleet, and dynalite."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import boto3
from botocore.config import Config
from deploy.local.fleet import Fleet
from deploy.local.layout import HOST, NO_CAPS, REGION

from tests.bench.load import BackgroundLoad, LoadError, run_load
from tests.bench.processes import CpuMeter

JS = Path(__file__).resolve().parent / "js"
CONNECTIONS = 64
ITEM_BYTES = 900
BATCH_ITEMS = 25

ONE_PARTITION = ("--heat-splits", "false")  # what is driven past its caps stays whole


def free_port(first):
    """The first port base of a fleet's hundred, from `first` on, on which nobody listens."""
    for port in range(first, 65000, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise LoadError("no port is free")


class HttpTarget:
    """A table at an endpoint, and the load on it."""

    def __init__(self, binary, port, identity, keys):
        self.binary = binary
        self.port = port
        self.identity = identity
        self.keys = keys
        self.table = f"bench-{os.getpid()}"
        self.client = boto3.client(
            "dynamodb", endpoint_url=f"http://{HOST}:{port}", region_name=REGION,
            aws_access_key_id=identity[0], aws_secret_access_key=identity[1],
            config=Config(retries={"total_max_attempts": 5, "mode": "standard"}))

    def processes(self):
        """{name: (pid, with children)} of all that serve."""
        raise NotImplementedError

    def create_table(self, name=None, sort_key=False, throughput=None):
        """`name` is by default the table that all load goes to unless told otherwise. `throughput`: read and write units; else the
        table is on demand."""
        schema = [("k", "HASH", "S")] + ([("s", "RANGE", "N")] if sort_key else [])
        billing = {"BillingMode": "PAY_PER_REQUEST"}
        if throughput:
            billing = {"ProvisionedThroughput": dict(zip(("ReadCapacityUnits", "WriteCapacityUnits"), throughput))}
        self.client.create_table(
            TableName=name or self.table, **billing,
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role, _ in schema],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, _, kind in schema])
        self.client.get_waiter("table_exists").wait(
            TableName=name or self.table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def delete_table(self, name=None):
        self.client.delete_table(TableName=name or self.table)

    @contextlib.contextmanager
    def tables(self, name=None, sort_key=False, throughput=None):
        """A table that is there for the time of a with-block."""
        self.create_table(name, sort_key, throughput)
        try:
            yield
        finally:
            self.delete_table(name)

    def load(self, **options):
        """Write each key once."""
        return self._run(load=True, **options)

    def measure(self, workload, seconds, warmup_seconds=0, **options):
        """A run after a second of warm-up; the report also has cpu_us: {process: us it spent}. warmup_seconds: of load that goes over
        into the run without a pause; its CPU time is in the report."""
        self._run(workload=workload, **{**options, "seconds": 1, "warmup_seconds": 0, "rate": 0})
        meter = CpuMeter(self.processes())
        report = self._run(workload=workload, seconds=seconds, warmup_seconds=warmup_seconds, **options)
        report["cpu_us"] = meter.spent()
        report["cpu_us"]["sluice-load"] = report["cpu_us_per_op"] * report["ops"]
        report["others_share"] = meter.others_share(sum(report["cpu_us"].values()))
        return report

    def begin(self, workload, **options):
        """A run in the background, for long enough: see BackgroundLoad."""
        return BackgroundLoad(self.binary, (HOST, self.port), self.identity,
                              **self._options(workload=workload, seconds=3600, warmup_seconds=0, **options))

    def _run(self, **options):
        return run_load(self.binary, (HOST, self.port), self.identity, **self._options(**options))

    def _options(self, **options):
        return {"table": self.table, "keys": self.keys, "item_bytes": ITEM_BYTES, "connections": CONNECTIONS,
                **options}


class Sluice(HttpTarget):
    """A fleet below `scratch`. Its partitions have no caps, unless those are what is measured.

    in_session: with us in one session, so that what stands back in one process does so for all of them.
    """

    def __init__(self, binary, port, scratch, keys, say, in_session=False, has_caps=False):
        say("starting a fleet for this run")
        fleet = Fleet(scratch / "fleet", free_port(port + 100), Path(binary).parent, shares_session=in_session,
                      node_settings=ONE_PARTITION if has_caps else NO_CAPS)
        self.fleet = fleet
        try:
            fleet.layout.home.mkdir(mode=0o711)
            fleet.up()
        except BaseException:
            fleet.down()
            raise
        values = fleet.environment()
        identity = (values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
        super().__init__(binary, fleet.layout.port, identity, keys)

    def processes(self):
        return {row["name"]: (row["pid"], row["role"] == "postgres") for row in self.fleet.rows()}

    def rows(self, role=None):
        return [row for row in self.fleet.rows() if role in (None, row["role"])]

    def close(self):
        self.fleet.down()


class Dynalite(HttpTarget):
    """The npm package dynalite, in memory."""

    def __init__(self, binary, port, keys, say):
        if not (JS / "node_modules" / "dynalite").exists():
            say("npm ci")
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=JS, check=True)
        super().__init__(binary, port, ("AKIAIOSFODNN7EXAMPLE", "secret"), keys)
        node = shutil.which("node") or shutil.which("nodejs")
        self.server = subprocess.Popen(
            [node, str(JS / "node_modules" / "dynalite" / "cli.js"), "--host", HOST, "--port", str(port),
             "--createTableMs", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_listening()

    def _wait_listening(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.server.poll() is None:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.close()
        raise LoadError("dynalite does not listen")

    def processes(self):
        return {"dynalite": (self.server.pid, False)}

    def close(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGKILL)
        self.server.wait()
