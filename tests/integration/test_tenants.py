"""Tenants see only what is theirs; keys are created and revoked, with the command line as an operator uses it."""

import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from tests.faults.kill_probe import wait_for

from .conftest import binary, create_table, make_client

VISIBLE_SECONDS_MAX = 10


@pytest.fixture(scope="module")
def sluice(fleet):
    """The command line: sluice("tenant", "list") -> what --json prints."""
    environment = {**os.environ, "SLUICE_OPERATOR_URL": fleet.operator_url, "SLUICE_OPERATOR_TOKEN": fleet.token()}

    def run(*words, expected=0):
        done = subprocess.run([binary("sluice"), *words, "--json"], env=environment, capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == expected, done.stdout + done.stderr
        return json.loads(done.stdout) if expected == 0 else done.stderr

    return run


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def names(client):
    return client.list_tables()["TableNames"]


def test_two_tenants_with_one_table_name_see_only_their_own(fleet, sluice):
    keys = []
    for name in ("left", "right"):
        tenant = sluice("tenant", "create", name)
        keys.append(sluice("key", "create", tenant["tenant_id"]))
    assert keys[0]["tenant_id"] != keys[1]["tenant_id"]
    listed = {row["name"]: row["tenant_id"] for row in sluice("tenant", "list")["tenants"]}
    assert (listed["left"], listed["right"]) == (keys[0]["tenant_id"], keys[1]["tenant_id"])

    left, right = (make_client(fleet, key) for key in keys)
    create_table(left, "shared")
    assert names(right) == []
    item = {"TableName": "shared", "Key": {"pk": {"S": "k"}}, "ConsistentRead": True}
    assert refusal(right.get_item, **item) == {"Code": "ResourceNotFoundException",
                                               "Message": "Requested resource not found"}
    assert refusal(right.describe_table, TableName="shared") == {
        "Code": "ResourceNotFoundException",
        "Message": "Requested resource not found: Table: shared not found"}
    assert refusal(right.delete_table, TableName="shared")["Code"] == "ResourceNotFoundException"
    foreign = left.describe_table(TableName="shared")["Table"]["TableArn"]
    assert refusal(right.get_item, **{**item, "TableName": foreign})["Code"] == "ResourceNotFoundException"

    create_table(right, "shared", sort="N")
    left.put_item(TableName="shared", Item={"pk": {"S": "k"}, "of": {"S": "left"}})
    right.put_item(TableName="shared", Item={"pk": {"S": "k"}, "sk": {"N": "1"}, "of": {"S": "right"}})
    assert left.get_item(**item)["Item"]["of"] == {"S": "left"}
    both = {"pk": {"S": "k"}, "sk": {"N": "1"}}
    assert right.get_item(TableName="shared", Key=both, ConsistentRead=True)["Item"]["of"] == {"S": "right"}

    right.delete_table(TableName="shared")
    right.get_waiter("table_not_exists").wait(TableName="shared", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    assert names(left) == ["shared"]
    assert left.get_item(**item)["Item"]["of"] == {"S": "left"}
    left.delete_table(TableName="shared")


def test_a_table_created_again_is_empty(fleet, sluice):
    client = make_client(fleet, sluice("key", "create", sluice("tenant", "create", "again")["tenant_id"]))
    key = {"pk": {"S": "k"}}
    create_table(client, "again")
    client.put_item(TableName="again", Item=key)
    client.delete_table(TableName="again")
    client.get_waiter("table_not_exists").wait(TableName="again", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    assert refusal(client.get_item, TableName="again", Key=key)["Code"] == "ResourceNotFoundException"
    create_table(client, "again")
    assert "Item" not in client.get_item(TableName="again", Key=key, ConsistentRead=True)
    client.delete_table(TableName="again")


def test_a_revoked_key_stops_working_and_the_other_one_goes_on(fleet, sluice):
    tenant = sluice("tenant", "create", "revoking")
    kept, revoked = (sluice("key", "create", tenant["tenant_id"]) for _ in range(2))
    # Each client's connection goes to one router: several clients reach both.
    clients = [make_client(fleet, revoked, retries=1) for _ in range(8)]
    create_table(clients[0], "revoking")
    for client in clients:
        client.put_item(TableName="revoking", Item={"pk": {"S": "k"}})

    sluice("key", "revoke", revoked["access_key_id"])

    def is_refused_everywhere():
        for client in clients:
            try:
                client.get_item(TableName="revoking", Key={"pk": {"S": "k"}})
                return False
            except ClientError as error:
                assert error.response["Error"] == {
                    "Code": "UnrecognizedClientException",
                    "Message": "The security token included in the request is invalid."}
        return True

    wait_for(is_refused_everywhere, VISIBLE_SECONDS_MAX, "the revoked key to be refused by both routers")
    assert refusal(clients[0].list_tables)["Code"] == "UnrecognizedClientException"
    client = make_client(fleet, kept)
    assert client.get_item(TableName="revoking", Key={"pk": {"S": "k"}}, ConsistentRead=True)["Item"]
    client.delete_table(TableName="revoking")


def test_the_command_line_says_what_is_wrong(sluice):
    sluice("tenant", "create", "named-once")
    assert "named-once" in sluice("tenant", "create", "named-once", expected=1)
    assert "999999999999" in sluice("key", "create", "999999999999", expected=1)
    assert "AKIANOSUCHKEYATALLXX" in sluice("key", "revoke", "AKIANOSUCHKEYATALLXX", expected=1)


def test_operators_need_their_token(fleet):
    environment = {**os.environ, "SLUICE_OPERATOR_URL": fleet.operator_url, "SLUICE_OPERATOR_TOKEN": "guess"}
    done = subprocess.run([binary("sluice"), "tenant", "list"], env=environment, capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1
    assert "token" in done.stderr.lower()
