"""Scan: every item once over all partitions, segments, pages, filters, capacity, refusals."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest


from .conftest import assert_refused, create_table, make_client
from .ranges import fill, items, pages

COUNT = 300


def names(found):
    return sorted(item["pk"]["S"] for item in found)


@pytest.fixture(scope="module")
def people(client):
    """On demand: four partitions."""
    create_table(client, "people")
    fill(client, "people", [{"pk": {"S": f"person-{i}"}, "n": {"N": str(i)}} for i in range(COUNT)])
    yield "people"
    client.delete_table(TableName="people")


EVERYBODY = sorted(f"person-{i}" for i in range(COUNT))


def test_each_item_once_over_all_partitions(fleet, client, people):
    answer = client.scan(TableName=people, ConsistentRead=True)
    assert names(answer["Items"]) == EVERYBODY
    assert (answer["Count"], answer["ScannedCount"], "LastEvaluatedKey" in answer) == (COUNT, COUNT, False)
    assert client.scan(TableName=people, ConsistentRead=True)["Items"] == answer["Items"], "a stable order"


@pytest.mark.parametrize("limit", [1, 7, 99, 100, COUNT - 1, COUNT, COUNT + 1])
def test_pages_of_a_limit(client, people, limit):
    found = pages(client.scan, TableName=people, ConsistentRead=True, Limit=limit)
    assert names(item for page in found for item in page["Items"]) == EVERYBODY
    assert [page["Count"] for page in found[:-1]] == [limit] * (COUNT // limit)
    for page in found[:-1]:
        assert page["LastEvaluatedKey"] == {"pk": page["Items"][-1]["pk"]}


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 16, 100])
def test_segments_hold_each_item_exactly_once(client, people, total):
    found, filled = [], 0
    for segment in range(total):
        part = items(client.scan, TableName=people, ConsistentRead=True, Segment=segment, TotalSegments=total,
                     Limit=50)
        found += part
        filled += bool(part)
    assert names(found) == EVERYBODY
    assert filled >= min(total, 4), "segments share the work"


def test_a_segment_of_a_million(client, people):
    for segment in (0, 499_999, 999_999):
        answer = client.scan(TableName=people, ConsistentRead=True, Segment=segment, TotalSegments=1_000_000)
        assert answer["Count"] <= 2
        assert "LastEvaluatedKey" not in answer


def test_many_segments_at_once(fleet, tenant, people):
    def walk(segment):
        own = make_client(fleet, tenant)
        return items(own.scan, TableName=people, ConsistentRead=True, Segment=segment, TotalSegments=8, Limit=9)
    with ThreadPoolExecutor(8) as pool:
        found = [item for part in pool.map(walk, range(8)) for item in part]
    assert names(found) == EVERYBODY


def test_filters_projections_and_counts(client, people):
    values = {":n": {"N": "100"}}
    answer = client.scan(TableName=people, ConsistentRead=True, FilterExpression="n < :n AND begins_with(pk, :p)",
                         ExpressionAttributeValues={**values, ":p": {"S": "person-1"}})
    assert names(answer["Items"]) == sorted(f"person-{i}" for i in range(100) if str(i).startswith("1"))
    assert answer["ScannedCount"] == COUNT
    counted = client.scan(TableName=people, ConsistentRead=True, Select="COUNT", FilterExpression="n < :n",
                          ExpressionAttributeValues=values)
    assert "Items" not in counted
    assert (counted["Count"], counted["ScannedCount"]) == (100, COUNT)
    shown = client.scan(TableName=people, ConsistentRead=True, ProjectionExpression="#n", Limit=5,
                        ExpressionAttributeNames={"#n": "n"})
    assert all(set(item) == {"n"} for item in shown["Items"]) and shown["Count"] == 5


def test_an_eventual_scan_sees_it_all_soon(client, people):
    deadline = time.monotonic() + 10
    while True:
        found = client.scan(TableName=people)["Items"]
        if len(found) == COUNT or time.monotonic() > deadline:
            break
    assert names(found) == EVERYBODY


def test_an_empty_table(client):
    create_table(client, "empty", sort="S")
    for consistent, units in ((True, 1.0), (False, 0.5)):
        answer = client.scan(TableName="empty", ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL")
        assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 0)
        assert "LastEvaluatedKey" not in answer
        assert answer["ConsumedCapacity"] == {"TableName": "empty", "CapacityUnits": units}
    client.delete_table(TableName="empty")


# ---- the megabyte ----

@pytest.fixture(scope="module")
def books(client):
    """40 items of 100,000 bytes each, in all partitions."""
    create_table(client, "books", sort="N")
    fill(client, "books", [{"pk": {"S": f"book-{i:02}"}, "sk": {"N": "1"}, "pad": {"S": "x" * (100_000 - 16)}}
                           for i in range(40)])
    yield "books"
    client.delete_table(TableName="books")


def test_pages_of_a_megabyte(client, books):
    found = pages(client.scan, TableName=books, ConsistentRead=True, ReturnConsumedCapacity="INDEXES")
    assert [page["Count"] for page in found] == [11, 11, 11, 7]
    assert len(names(item for page in found for item in page["Items"])) == 40
    assert len(set(names(item for page in found for item in page["Items"]))) == 40
    for page in found:
        units = math.ceil(page["Count"] * 100_000 / 4096)
        assert page["ConsumedCapacity"] == {"TableName": books, "CapacityUnits": units,
                                            "Table": {"CapacityUnits": units}}


def test_a_page_that_a_filter_leaves_empty_costs_what_it_evaluated(client, books):
    answer = client.scan(TableName=books, ConsistentRead=True, FilterExpression="attribute_exists(nothing)",
                         ReturnConsumedCapacity="TOTAL")
    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 11)
    assert "LastEvaluatedKey" in answer
    assert answer["ConsumedCapacity"]["CapacityUnits"] == math.ceil(11 * 100_000 / 4096)


def test_items_are_whole_while_others_write(fleet, tenant, client, people):
    """A walk beside writes: every item once, each as some write left it."""
    stop = threading.Event()

    def write():
        own = make_client(fleet, tenant)
        turn = 0
        while not stop.is_set():
            own.put_item(TableName=people, Item={"pk": {"S": f"person-{turn % COUNT}"},
                                                 "n": {"N": str(turn % COUNT)}, "turn": {"N": str(turn)}})
            turn += 1
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            found = items(client.scan, TableName=people, ConsistentRead=True, Limit=37)
            assert names(found) == EVERYBODY
            assert all(item["pk"]["S"] == f"person-{item['n']['N']}" for item in found)
    finally:
        stop.set()
        writer.join()


# ---- refusals ----

START = "The provided starting key is invalid: "
ONE = "1 validation error detected: "


@pytest.mark.parametrize("more, message", [
    ({"Segment": 1}, "The TotalSegments parameter is required but was not present in the request when Segment "
     "parameter is present"),
    ({"Segment": 0}, "The TotalSegments parameter is required but was not present in the request when Segment "
     "parameter is present"),
    ({"TotalSegments": 4}, "The Segment parameter is required but was not present in the request when parameter "
     "TotalSegments is present"),
    ({"Segment": 5, "TotalSegments": 5}, "The Segment parameter is zero-based and must be less than parameter "
     "TotalSegments: Segment: 5 is not less than TotalSegments: 5"),
    ({"Segment": 0, "TotalSegments": 0}, ONE + "Value '0' at 'totalSegments' failed to satisfy constraint: Member "
     "must have value greater than or equal to 1"),
    ({"Segment": 0, "TotalSegments": 1_000_001}, ONE + "Value '1000001' at 'totalSegments' failed to satisfy "
     "constraint: Member must have value less than or equal to 1000000"),
    ({"Segment": -1, "TotalSegments": 2}, ONE + "Value '-1' at 'segment' failed to satisfy constraint: Member must "
     "have value greater than or equal to 0"),
    ({"Limit": 0}, ONE + "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or "
     "equal to 1"),
    ({"Limit": 0, "Select": "X"}, "2 validation errors detected: Value 'X' at 'select' failed to satisfy "
     "constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, "
     "ALL_PROJECTED_ATTRIBUTES]; Value '0' at 'limit' failed to satisfy constraint: Member must have value greater "
     "than or equal to 1"),
    ({"IndexName": "none"}, "The table does not have the specified index: none"),
    ({"IndexName": "x"}, ONE + "Value 'x' at 'indexName' failed to satisfy constraint: Member must have length "
     "greater than or equal to 3"),
    ({"ExclusiveStartKey": {"pk": {"S": "p"}}}, START + "The provided key element does not match the schema"),
    ({"ExclusiveStartKey": {"pk": {"S": ""}, "sk": {"N": "1"}}}, START + "One or more parameter values were invalid: "
     "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    ({"FilterExpression": "pk.a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}}, "Key attributes must be "
     "scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"),
    ({"FilterExpression": "a ="}, 'Invalid FilterExpression: Syntax error; token: "<EOF>", near: "a ="'),
    ({"ExpressionAttributeValues": {":v": {"S": "x"}}}, "ExpressionAttributeValues can only be specified when using "
     "expressions: FilterExpression is null"),
    ({"ScanFilter": {}, "FilterExpression": "a = :v"}, "Can not use both expression and non-expression parameters in the "
     "same request: Non-expression parameters: {ScanFilter} Expression parameters: {FilterExpression}"),
])
def test_refused_parameters(raw, raw_table, more, message):
    assert_refused(raw.call("Scan", TableName=raw_table, **more), "ValidationException", message)


def test_a_filter_may_name_keys(raw, raw_table):
    reply = raw.call("Scan", TableName=raw_table, FilterExpression="pk = :v",
                     ExpressionAttributeValues={":v": {"S": "nobody"}})
    assert (reply.status, reply.json["Count"]) == (200, 0)


def test_a_start_key_of_another_segment(client, people, raw):
    key = client.scan(TableName=people, ConsistentRead=True, Segment=1, TotalSegments=2, Limit=1)["LastEvaluatedKey"]
    assert_refused(raw.call("Scan", TableName=people, Segment=0, TotalSegments=2, ExclusiveStartKey=key),
                   "ValidationException", START + "Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
                   "correct Segment. TotalSegments: 2 Segment: 0")


def test_a_table_that_is_not_there(raw):
    assert_refused(raw.call("Scan", TableName="unknown-table"), "ResourceNotFoundException",
                   "Requested resource not found")
