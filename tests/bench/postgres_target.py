"""The same work on PostgreSQL: a private cluster of its own, pgbench with 16 clients over the unix socket.

Upsert and select by key of a JSONB document of 940 bytes, and select of the 100 documents of 100 bytes under the
first column of a key of two, in the second one's order; pgbench takes all their bytes. Prepared statements,
synchronous_commit = on. It gets more memory and rarer checkpoints than Debian's defaults, as one who runs it in
earnest would give it.
"""

import json
import math
import re
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.local import postgres
from deploy.local.fleet import is_alive
from deploy.local.layout import Layout

from tests.bench.load import LoadError
from tests.bench.processes import CpuMeter

CLIENTS = 16
DOCUMENT_BYTES = 940
RANGE_ITEMS = 100
RANGE_ITEM_BYTES = 100  # as DynamoDB counts: names and values
KEY = "'user' || lpad((:key)::text, 12, '0')"
SCRIPTS = {
    "put": r"\set key random(0, :keys - 1)" "\n"
           f"INSERT INTO bench (k, v) VALUES ({KEY}, (:document)::jsonb) "
           "ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v;\n",
    "c": r"\set key random(0, :keys - 1)" "\n" f"SELECT v FROM bench WHERE k = {KEY};\n",
    "query": r"\set key random(0, :range_keys - 1)" "\n"
             f"SELECT v FROM ranges WHERE k = {KEY} ORDER BY s LIMIT {RANGE_ITEMS};\n",
}
SETTINGS = "shared_buffers = 256MB\nmax_wal_size = 4GB\ncheckpoint_timeout = 15min\nsynchronous_commit = on\n"


def document():
    """The item that sluice-load writes, in PostgreSQL's terms: {k, n, f0..f3}."""
    value = {"k": "user000000000042", "n": 1234567890, "f0": "", "f1": "", "f2": "", "f3": ""}
    rest = DOCUMENT_BYTES - len(json.dumps(value))
    for i in range(4):
        value[f"f{i}"] = ("xK3-q8Zb_w" * 100)[:rest // 4 + (1 if i < rest % 4 else 0)]
    return json.dumps(value)


def small_document():
    """One of the hundred items under a key: {k, s, f0}."""
    return json.dumps({"k": "user000000000042", "s": 42, "f0": ("xK3-q8Zb_w" * 10)[:RANGE_ITEM_BYTES - 22]})


def quantile(ordered, part):
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0


class PostgresTarget:
    """A cluster below `scratch`, in a fleet's layout, so that deploy.local's helpers make and run it."""

    def __init__(self, scratch, port, keys, range_keys):
        self.keys = keys
        self.range_keys = range_keys
        self.layout = Layout(scratch / "pg", port, scratch)
        self.layout.path("log").mkdir(parents=True, mode=0o711)
        self.layout.home.chmod(0o711)
        postgres.create(self.layout)
        with open(Path(self.layout.postgres().data_dir, "postgresql.conf"), "a", encoding="utf-8") as conf:
            conf.write(SETTINGS)
        with open(self.layout.path("log", "postgres.log"), "ab") as log:
            self.server = subprocess.Popen(postgres.command(self.layout), stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, cwd="/", start_new_session=True)
        self._wait_ready()
        postgres.create_database(self.layout)

    def _wait_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and is_alive(self.server.pid):
            if postgres.is_ready(self.layout):
                return
            time.sleep(0.05)
        self.close()
        raise LoadError("PostgreSQL is not ready: see its log")

    def _address(self):
        return ["-h", str(self.layout.path("postgres", "socket")),
                "-p", str(self.layout.postgres().ports["data"]), "-U", "sluice"]

    def processes(self):
        return {"postgres": (self.server.pid, True)}

    def load(self):
        sql = ("CREATE TABLE bench (k text PRIMARY KEY, v jsonb NOT NULL);"
               f"INSERT INTO bench SELECT 'user' || lpad(g::text, 12, '0'), '{document()}'::jsonb "
               f"FROM generate_series(0, {self.keys - 1}) g;"
               "CREATE TABLE ranges (k text, s int, v jsonb NOT NULL, PRIMARY KEY (k, s));"
               f"INSERT INTO ranges SELECT 'user' || lpad(g::text, 12, '0'), s, '{small_document()}'::jsonb "
               f"FROM generate_series(0, {self.range_keys - 1}) g, generate_series(0, {RANGE_ITEMS - 1}) s;"
               "VACUUM ANALYZE; CHECKPOINT;")
        command = [str(postgres.BINARIES / "psql"), *self._address(), "-d", "sluice", "-q",
                   "-v", "ON_ERROR_STOP=1"]
        for statement in filter(None, sql.split(";")):
            subprocess.run([*command, "-c", statement], check=True, stdout=subprocess.DEVNULL)

    def measure(self, workload, seconds, rate=0):
        """As HttpTarget.measure: ops, ops_per_s, cpu_us; with a rate also latency_us, which pgbench then
        counts from the scheduled start, as sluice-load does. Without one it logs nothing, which costs."""
        with tempfile.TemporaryDirectory() as directory:
            script = Path(directory, "script.sql")
            script.write_text(SCRIPTS[workload], encoding="ascii")
            self._pgbench(script, 1)
            meter = CpuMeter(self.processes())
            before = _children_cpu_us()
            log = ["-R", str(rate), "-l", "--log-prefix", str(Path(directory, "latency"))] if rate else []
            text = self._pgbench(script, seconds, *log)
            report = {
                "ops": int(re.search(r"transactions actually processed: (\d+)", text)[1]),
                "ops_per_s": float(re.search(r"tps = ([0-9.]+)", text)[1]),
                "cpu_us": {**meter.spent(), "pgbench": _children_cpu_us() - before},
            }
            report["others_share"] = meter.others_share(sum(report["cpu_us"].values()))
            return {**report, "latency_us": _latencies(directory)} if rate else report

    def _pgbench(self, script, seconds, *more):
        command = [str(postgres.BINARIES / "pgbench"), *self._address(), "-n", "-M", "prepared",
                   "-f", str(script), "-c", str(CLIENTS), "-j", "2", "-T", str(seconds),
                   "-D", f"keys={self.keys}", "-D", f"range_keys={self.range_keys}",
                   "-D", f"document={document()}", *more, "sluice"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LoadError(f"pgbench: {done.stderr.strip()}")
        return done.stdout

    def close(self):
        if is_alive(self.server.pid):
            self.server.send_signal(2)  # SIGINT: fast shutdown
            try:
                self.server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.server.kill()


def _children_cpu_us():
    """pgbench is our child: its time is what our ended children gained."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e6)


def _latencies(directory):
    """pgbench's log: client, transaction, latency in us, ..., one line each."""
    values = []
    for log in Path(directory).glob("latency*"):
        with open(log, encoding="ascii") as lines:
            values.extend(int(line.split(" ", 3)[2]) for line in lines)
    values.sort()
    return {"count": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, 0.99),
            "p999": quantile(values, 0.999), "max": values[-1] if values else 0}
