"""`./dev faults --restart`: every process of a fleet starts again, one after the other, while clients work.

Stock boto3 clients with their default retries must not see one failed request. A raw client, which never retries, counts what
such retries hide; and the load of the kill campaign shows afterwards whether anything was lost or applied twice.
"""

import threading
import time
from dataclasses import dataclass, field

import boto3
from botocore.config import Config

from deploy.local.fleet import http
from deploy.local.layout import HOST, REGION
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import wait_for

BOTO_CLIENTS = 4
PAUSE_SECONDS = 0.01
RESTART_SECONDS_MAX = 240
BEGIN_SECONDS_MAX = 60


@dataclass
class Result:
    seconds: float = 0.0
    steps: list = field(default_factory=list)       # (role, name)
    boto_requests: int = 0
    boto_failures: list = field(default_factory=list)  # sentences
    boto_slowest: float = 0.0                       # seconds, retries included
    report: object = None                           # kill_load.Report, of the raw clients

    @property
    def is_good(self):
        return not self.boto_failures and self.report.is_clean

    def summary(self):
        raw = self.report.acknowledged + self.report.refused + self.report.unanswered + self.report.unsent
        return (f"{len(self.steps)} processes started again in {self.seconds:.0f} s: boto3 with default retries "
                f"{len(self.boto_failures)} of {self.boto_requests} requests failed (bound 0), slowest "
                f"{self.boto_slowest:.2f} s; without retries {self.report.unanswered} of {raw} unanswered or 5xx, "
                f"{self.report.unsent} without a connection")


class BotoLoad:
    """Puts and strong gets of stock clients, each with a key of its own, until stopped."""

    def __init__(self, fleet, key, table):
        self.table = table
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.requests, self.slowest, self.failures = 0, 0.0, []
        self.threads = [threading.Thread(target=self.run, args=(self.client(fleet, key), f"boto-{i}"), daemon=True)
                        for i in range(BOTO_CLIENTS)]

    @staticmethod
    def client(fleet, key):
        session = boto3.session.Session(aws_access_key_id=key["access_key_id"],
                                        aws_secret_access_key=key["secret_access_key"], region_name=REGION)
        return session.client("dynamodb", endpoint_url=fleet.endpoint, config=Config(connect_timeout=10))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, client, name):
        number = 0
        while not self.stopping.is_set():
            number += 1
            value = {"N": str(number)}
            self.request(lambda v=value: client.put_item(TableName=self.table, Item={"pk": {"S": name}, "n": v}), number)
            self.request(lambda v=value: self.check(client, name, v), number)
            time.sleep(PAUSE_SECONDS)

    def check(self, client, name, value):
        item = client.get_item(TableName=self.table, Key={"pk": {"S": name}}, ConsistentRead=True).get("Item")
        if item != {"pk": {"S": name}, "n": value}:
            raise ValueError(f"{name} is {item}, not {value}")

    def request(self, send, number):
        begin = time.monotonic()
        failure = None
        try:
            send()
        except Exception as error:  # whatever a program without its own retries would see
            failure = f"request {number}: {error!r}"
        with self.lock:
            self.requests += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)
            if failure:
                self.failures.append(failure)


def status(fleet):
    """The restart as control tells of it; None while control itself starts."""
    try:
        return http("GET", f"{fleet.operator_url}/v1/fleet/restart", token=fleet.token(), timeout=5)
    except OSError:  # HTTPError is one
        return None


def begin(fleet):
    """Control refuses until it has heard of everybody, and every partition is whole."""
    def ask():
        try:
            return http("POST", f"{fleet.operator_url}/v1/fleet/restart", {}, fleet.token())
        except OSError:
            return None
    return wait_for(ask, BEGIN_SECONDS_MAX, "the fleet to be whole")


def follow(fleet, say):
    """Until it is over; says each process that is done. Returns all (role, name)."""
    done = []
    deadline = time.monotonic() + RESTART_SECONDS_MAX
    while time.monotonic() < deadline:
        now = status(fleet)
        for step in (now or {"steps": []})["steps"]:
            if step["state"] == "done" and step["name"] not in done:
                done.append(step["name"])
                say(f"{step['role']:<8} {step['name']:<12} is back")
        if now and not now["is_running"]:
            return [(step["role"], step["name"]) for step in now["steps"]]
        time.sleep(0.2)
    raise TimeoutError(f"the restart is not over after {RESTART_SECONDS_MAX} s: {status(fleet)}")


def run(fleet, key, seed, table="restart", say=lambda text: None):
    """On a running fleet, for a tenant's key; returns a Result."""
    options = (HOST, fleet.layout.port, key)
    client = Client(*options)
    create_table(client, table)
    result = Result()
    with LoadProcess(*options, table, seed) as load:
        with BotoLoad(fleet, key, table) as boto:
            begin(fleet)
            started = time.monotonic()
            result.steps = follow(fleet, say)
            result.seconds = time.monotonic() - started
        load.stop()
        result.report = load.check()
    result.boto_requests, result.boto_failures, result.boto_slowest = boto.requests, boto.failures, boto.slowest
    client.call("DeleteTable", TableName=table)
    return result
