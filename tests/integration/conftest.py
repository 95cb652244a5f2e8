"""Fixtures: one fleet for the session, tenants, clients; fleets of a module's own."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.local.fleet import Fleet, is_alive  # noqa: E402
from deploy.local.layout import HOST, NO_CAPS, REGION  # noqa: E402
from tests.faults.kill_client import Client  # noqa: E402
from tests.faults.kill_probe import wait_for  # noqa: E402
from tests.integration.ports import PORT  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the full campaigns")


@pytest.fixture(scope="session")
def is_long(request):
    return request.config.getoption("--long")


BINARIES = ROOT / os.environ.get("SLUICE_TEST_BINARIES", "build/release")


def binary(name):
    return str(BINARIES / name)


@contextlib.contextmanager
def new_fleet(port, settings=(), loops=None, has_caps=False, nodes=3, control_settings=()):
    """A fleet, up, each of whose nodes has `settings`; afterwards it is down, and nothing in it complained. Its partitions have
    no caps, unless a test is about those: others are to wait for nothing but the machine."""
    home = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    fleet = Fleet(home, port, BINARIES, loops, node_settings=[*([] if has_caps else NO_CAPS), *settings],
                  control_settings=control_settings)
    try:
        fleet.up(nodes)
        yield fleet
    finally:
        fleet.down()
        complaints = complaints_of(home)
        if os.environ.get("SLUICE_TEST_KEEP"):
            print("kept", home)
        else:
            shutil.rmtree(home)
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def fleet():
    with new_fleet(PORT) as fleet:
        yield fleet


def own_fleet(settings=(), loops=None, has_caps=False, nodes=3, control_settings=()):
    """Beside the session's, for a module that damages it or wants other nodes. One at a time, as they share their ports."""
    return new_fleet(PORT + 100, settings, loops, has_caps, nodes, control_settings)


def complaints_of(home):
    """What a process said before it died of itself, or what a sanitizer said."""
    words = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "assertion failed:", "crash name=")
    return [f"{log.name}: {line}" for log in sorted(home.glob("log/*.log"))
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(word in line for word in words)]


@pytest.fixture(scope="session")
def tenant(fleet):
    return fleet.create_tenant("tour")


def make_client(fleet, key, retries=3, timeout=10):
    """A stock boto3 client."""
    return boto3.client(
        "dynamodb", endpoint_url=fleet.endpoint, region_name=REGION,
        aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
        config=Config(retries={"total_max_attempts": retries, "mode": "standard"},
                      read_timeout=timeout, connect_timeout=timeout))


@pytest.fixture(scope="session")
def client(fleet, tenant):
    return make_client(fleet, tenant)


@pytest.fixture(scope="session")
def everyday(fleet, client):
    from .everyday import Everyday
    return Everyday(fleet, client)


@pytest.fixture
def client_environment(fleet, tenant):
    """What a stock client finds in its environment."""
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": tenant["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": tenant["secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_PAGER": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SLUICE_ENDPOINT": fleet.endpoint,
    }


def create_table(client, name, sort=None, partition="S", **more):
    """A table with partition key pk and, if `sort` names its type, sort key sk; ACTIVE on return."""
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}]
    types = [{"AttributeName": "pk", "AttributeType": partition}]
    if sort:
        keys.append({"AttributeName": "sk", "KeyType": "RANGE"})
        types.append({"AttributeName": "sk", "AttributeType": sort})
    if "ProvisionedThroughput" not in more:
        more.setdefault("BillingMode", "PAY_PER_REQUEST")
    client.create_table(TableName=name, KeySchema=keys, AttributeDefinitions=types, **more)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150})


def connect(fleet, tenant):
    return Client(HOST, fleet.layout.port, tenant, timeout=60)


@pytest.fixture(scope="module")
def raw(fleet, tenant):
    """A client that can do things wrong (tests/faults/kill_client.py); a module's own, as idle connections are closed."""
    return connect(fleet, tenant)


@pytest.fixture(scope="session")
def raw_table(fleet, tenant):
    """A table for refusals: partition key pk (S), sort key sk (N)."""
    raw = connect(fleet, tenant)
    raw.settled("CreateTable", TableName="refusals", BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"},
                                      {"AttributeName": "sk", "AttributeType": "N"}])
    wait_for(lambda: raw.settled("DescribeTable", TableName="refusals")["Table"]["TableStatus"] == "ACTIVE", 30,
             "the table to be ACTIVE")
    return "refusals"


@pytest.fixture
def unharmed(fleet, raw, raw_table):
    """Whatever the test sent: every process lives on under its pid, and an item is written and read."""
    before = {row["name"]: row["pid"] for row in fleet.rows()}
    yield
    assert {row["name"]: row["pid"] for row in fleet.rows()} == before
    assert [name for name, pid in before.items() if not is_alive(pid)] == []
    item = {"pk": {"S": "unharmed"}, "sk": {"N": "1"}}
    raw.settled("PutItem", 10, TableName=raw_table, Item=item)
    got = raw.settled("GetItem", 10, TableName=raw_table, Key=item, ConsistentRead=True)
    assert got["Item"] == item


def assert_refused(reply, name, message=None, status=400):
    """An error in DynamoDB's form: status, __type, message under both names, and the headers of every answer."""
    assert (reply.status, reply.error) == (status, name), reply.body
    assert reply.json["__type"].startswith(("com.amazon.coral.", "com.amazonaws.dynamodb.v20120810#"))
    assert reply.json.get("message") == reply.json.get("Message")
    if message is not None:
        assert reply.message == message
    assert re.fullmatch("[0-9A-Z]{52}", reply.headers["x-amzn-requestid"])
    assert int(reply.headers["x-amz-crc32"]) == zlib.crc32(reply.body)
    assert reply.headers["content-type"] == "application/x-amz-json-1.0"


@pytest.fixture(scope="session")
def cluster_id(fleet):
    return fleet.layout.cluster_id()
