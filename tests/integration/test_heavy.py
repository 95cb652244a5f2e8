"""Conditions, updates and filters that are too much work for a node's loop: computed beside it, as right as any other."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from .conftest import create_table, make_client
from .ranges import items

TEXT = "a" * 390_000
NODES = ["node-1", "node-2", "node-3"]
# Each of the texts is looked for in all of TEXT, and is not there.
CONTAINS = " OR ".join(f"contains(big, :c{i})" for i in range(12))
NEEDLES = {f":c{i}": {"S": "a" * 50 + str(i)} for i in range(12)}


@pytest.fixture(scope="module")
def heavy(client):
    create_table(client, "heavy", sort="N")
    return "heavy"


def computed(fleet):
    """How often a node has computed a write in the background."""
    total = 0
    for node in NODES:
        with urllib.request.urlopen(fleet.process(node).admin_url + "/metrics", timeout=5) as reply:
            total += sum(float(line.split()[-1]) for line in reply.read().decode().splitlines()
                         if line.startswith("sluice_node_writes_computed_in_background"))
    return total


def put(client, table, pk, sk, **more):
    client.put_item(TableName=table, Item={"pk": {"S": pk}, "sk": {"N": str(sk)}, **more})


def add_one(client, table, key):
    client.update_item(TableName=table, Key=key, UpdateExpression="ADD n :one",
                       ConditionExpression=f"NOT ({CONTAINS}) AND n < :limit",
                       ExpressionAttributeValues={**NEEDLES, ":one": {"N": "1"}, ":limit": {"N": "20"}})


def test_concurrent_heavy_updates_of_one_item_are_not_lost(fleet, tenant, client, heavy):
    put(client, heavy, "counter", 0, big={"S": TEXT}, n={"N": "0"})
    key = {"pk": {"S": "counter"}, "sk": {"N": "0"}}
    before = computed(fleet)

    def work(_):
        """Until the condition says that it is enough. Returns how often it counted."""
        mine, count = make_client(fleet, tenant, retries=8, timeout=30), 0
        while True:
            try:
                add_one(mine, heavy, key)
                count += 1
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
                return count

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))
    item = client.get_item(TableName=heavy, Key=key, ConsistentRead=True)["Item"]
    assert item["n"] == {"N": "20"}
    assert sum(counts) == 20
    assert computed(fleet) - before >= 20


def test_light_writes_of_the_same_item_do_not_wait_and_are_seen(fleet, tenant, client, heavy):
    put(client, heavy, "mixed", 0, big={"S": TEXT}, n={"N": "0"})
    key = {"pk": {"S": "mixed"}, "sk": {"N": "0"}}

    def lighten(_):
        client.update_item(TableName=heavy, Key=key, UpdateExpression="ADD m :one",
                           ExpressionAttributeValues={":one": {"N": "1"}})

    with ThreadPoolExecutor(2) as pool:
        heavies = [pool.submit(add_one, make_client(fleet, tenant, retries=8, timeout=30), heavy, key)
                   for _ in range(5)]
        list(pool.map(lighten, range(10)))
        for one in heavies:
            one.result()
    item = client.get_item(TableName=heavy, Key=key, ConsistentRead=True)["Item"]
    assert (item["n"], item["m"]) == ({"N": "5"}, {"N": "10"})


def test_a_heavy_refusal_leaves_the_item_alone(client, heavy):
    put(client, heavy, "refused", 0, big={"S": TEXT})
    key = {"pk": {"S": "refused"}, "sk": {"N": "0"}}
    with pytest.raises(ClientError) as caught:
        client.delete_item(TableName=heavy, Key=key, ConditionExpression=CONTAINS, ExpressionAttributeValues=NEEDLES)
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert client.get_item(TableName=heavy, Key=key, ConsistentRead=True)["Item"]["big"] == {"S": TEXT}


@pytest.mark.parametrize("forward", [True, False])
def test_heavy_filters_pass_over_large_rows(client, heavy, forward):
    for sk in range(6):
        put(client, heavy, "rows", sk, big={"S": TEXT if sk % 2 else "small"}, odd={"BOOL": bool(sk % 2)})
    found = items(client.query, TableName=heavy, KeyConditionExpression="pk = :pk", ScanIndexForward=forward,
                  FilterExpression=f"NOT ({CONTAINS})",
                  ExpressionAttributeValues={**NEEDLES, ":pk": {"S": "rows"}}, ConsistentRead=True)
    assert [int(item["sk"]["N"]) for item in found] == (list(range(6)) if forward else list(range(5, -1, -1)))


def test_a_long_chain_of_appends_is_put_together(client, heavy):
    put(client, heavy, "chain", 0, l={"L": [{"NULL": True}] * 1000})
    targets = ",".join(f"l{i} = list_append(l, :x)" for i in range(100))
    client.update_item(TableName=heavy, Key={"pk": {"S": "chain"}, "sk": {"N": "0"}},
                       UpdateExpression=f"SET {targets}", ExpressionAttributeValues={":x": {"L": [{"N": "7"}]}})
    item = client.get_item(TableName=heavy, Key={"pk": {"S": "chain"}, "sk": {"N": "0"}}, ConsistentRead=True)["Item"]
    assert all(item[f"l{i}"]["L"] == [{"NULL": True}] * 1000 + [{"N": "7"}] for i in range(100))


def test_appends_beyond_an_items_size_are_refused_as_such(client, heavy):
    put(client, heavy, "growth", 0, l={"L": [{"NULL": True}] * 90_000})
    targets = ",".join(f"l{i} = list_append(l, l)" for i in range(100))
    with pytest.raises(ClientError) as caught:
        client.update_item(TableName=heavy, Key={"pk": {"S": "growth"}, "sk": {"N": "0"}},
                           UpdateExpression=f"SET {targets}")
    assert caught.value.response["Error"]["Message"] == "Item size to update has exceeded the maximum allowed size"
