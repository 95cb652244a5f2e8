"""Fixtures: one fleet for the session, tenants, clients."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.local.fleet import Fleet  # noqa: E402
from deploy.local.layout import REGION  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the full campaigns")


@pytest.fixture(scope="session")
def is_long(request):
    return request.config.getoption("--long")


BINARIES = ROOT / os.environ.get("SLUICE_TEST_BINARIES", "build/release")


def binary(name):
    return str(BINARIES / name)


@pytest.fixture(scope="session")
def fleet():
    home = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    port = int(os.environ.get("SLUICE_TEST_PORT", "18000"))
    fleet = Fleet(home, port, BINARIES)
    try:
        fleet.up()
        yield fleet
    finally:
        fleet.down()
        complaints = complaints_of(home)
        if os.environ.get("SLUICE_TEST_KEEP"):
            print("kept", home)
        else:
            shutil.rmtree(home)
    assert not complaints, "\n".join(complaints)


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
