"""Conditions, updates and filters that are too much work for a node's loop: computed beside it, as right as any other."""

import time
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
# What fits into an expression of 4 KB: about half a second of a processor.
MOST = " OR ".join(f"contains(#b,:{i})" for i in range(190))
MOST_NEEDLES = {f":{i}": {"S": "a" * 50 + str(i)} for i in range(190)}
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


def test_light_and_heavy_updates_of_one_item_are_all_kept(fleet, tenant, client, heavy):
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


def put_most(client, table, key):
    """The most expensive condition, which is not met, however often it is looked at. Returns (error's code, seconds)."""
    began = time.monotonic()
    with pytest.raises(ClientError) as caught:
        client.update_item(TableName=table, Key=key, UpdateExpression="SET m = :0", ConditionExpression=MOST,
                           ExpressionAttributeNames={"#b": "big"}, ExpressionAttributeValues=MOST_NEEDLES)
    return caught.value.response["Error"]["Code"], time.monotonic() - began


def test_the_most_expensive_conditions_collapse_nothing(fleet, tenant, client, heavy):
    """32 at once: each has the right answer, or may be tried again, in its time; and scans get on beside them."""
    create_table(client, "beside", sort="N")
    for sk in range(40):
        put(client, "beside", "rows", sk, padding={"S": "x" * 60_000})
    key = {"pk": {"S": "most"}, "sk": {"N": "0"}}
    put(client, heavy, "most", 0, big={"S": TEXT})
    right = "ConditionalCheckFailedException"

    with ThreadPoolExecutor(33) as pool:
        heavies = [pool.submit(put_most, make_client(fleet, tenant, retries=1, timeout=30), heavy, key)
                   for _ in range(32)]
        time.sleep(1)
        scanner, scans = make_client(fleet, tenant, retries=1, timeout=30), 0
        while not all(one.done() for one in heavies):
            assert len(items(scanner.scan, TableName="beside", ConsistentRead=True, FilterExpression="size(padding) > :n",
                             ExpressionAttributeValues={":n": {"N": "10"}})) == 40
            scans += 1
        answers = [one.result() for one in heavies]
    assert {code for code, _ in answers} <= {right, "InternalServerError", "ServiceUnavailable"}
    assert sum(code == right for code, _ in answers) >= 1
    assert max(seconds for _, seconds in answers) < 12
    assert scans > 0
    assert put_most(client, heavy, key)[0] == right


def test_a_filter_with_large_values_of_its_own_gets_on_over_small_rows(client):
    """Its work per row is bounded by megabytes and is really nothing: no answer may be one row, with all of it sent again."""
    create_table(client, "small", sort="N")
    for first in range(0, 1500, 25):
        client.batch_write_item(RequestItems={"small": [
            {"PutRequest": {"Item": {"pk": {"S": "rows"}, "sk": {"N": str(sk)}}}} for sk in range(first, first + 25)]})
    large = " OR ".join(f"a=:{i % 5}" for i in range(140))
    page = client.scan(TableName="small", ConsistentRead=True, FilterExpression=f"sk >= :n AND NOT ({large})",
                       ExpressionAttributeValues={":n": {"N": "100"},
                                                  **{f":{i}": {"S": "v" * 380_000 + str(i)} for i in range(5)}})
    assert (page["ScannedCount"], page["Count"]) == (1500, 1400)
    assert "LastEvaluatedKey" not in page


def test_a_table_goes_while_its_rows_are_computed_on(fleet, tenant, client):
    create_table(client, "going", sort="N")
    key = {"pk": {"S": "going"}, "sk": {"N": "0"}}
    put(client, "going", "going", 0, big={"S": TEXT})
    with ThreadPoolExecutor(6) as pool:
        heavies = [pool.submit(put_most, make_client(fleet, tenant, retries=1, timeout=30), "going", key)
                   for _ in range(6)]
        time.sleep(0.5)
        client.delete_table(TableName="going")
        assert {one.result()[0] for one in heavies} <= {
            "ConditionalCheckFailedException", "ResourceNotFoundException", "InternalServerError", "ServiceUnavailable"}
    client.get_waiter("table_not_exists").wait(TableName="going", WaiterConfig={"Delay": 0.2, "MaxAttempts": 150})
