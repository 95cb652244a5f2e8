"""What the tours of the everyday API share: tables, and tests/compat/everyday.json, calls with what each client must get."""

import json

from .conftest import ROOT, create_table

ITEMS, SCRATCH, LARGE = "everyday-items", "everyday-scratch", "everyday-large"
COLLECTIONS, ROWS, ROW_BYTES = 4, 15, 300_000  # of LARGE: 18 MB, more than one BatchGetItem gives back
LARGE_KEYS = [{"pk": {"S": f"p{p}"}, "sk": {"S": f"{row:02}"}} for p in range(COLLECTIONS) for row in range(ROWS)]

BOOK = json.loads((ROOT / "tests/compat/everyday.json").read_text(encoding="utf-8"))
CALLS = [*BOOK["calls"], *BOOK["legacy"]]


def operation_of(call):
    """A call is {OPERATION: request, ...}."""
    return next(iter(call))


def name_of(call):
    return f"{operation_of(call)}-{call.get('refused', 'answer')}"


class Everyday:
    """The tables, filled, and the calls with their names filled in."""

    def __init__(self, fleet, client):
        create_table(client, ITEMS, sort="S", Tags=[{"Key": "tour", "Value": "everyday"}])
        create_table(client, SCRATCH)
        create_table(client, LARGE, sort="S")
        for item in BOOK["items"]:
            client.put_item(TableName=ITEMS, Item=item)
        for start in range(0, len(LARGE_KEYS), 20):
            puts = [{"PutRequest": {"Item": {**key, "pad": {"S": "x" * ROW_BYTES}}}} for key in LARGE_KEYS[start:start + 20]]
            assert client.batch_write_item(RequestItems={LARGE: puts})["UnprocessedItems"] == {}
        self.arn = client.describe_table(TableName=ITEMS)["Table"]["TableArn"]
        self.names = {"@ITEMS": ITEMS, "@SCRATCH": SCRATCH, "@ARN": self.arn, "@ADDRESS": fleet.endpoint.partition("//")[2]}

    def filled(self, call):
        text = json.dumps(call)
        for name, value in self.names.items():
            text = text.replace(name, value)
        return json.loads(text)


def check(call, answer):
    """Members of `answer` are as told, null is absent; `order` has the sort keys of the items."""
    for name, value in call.get("answer", {}).items():
        assert answer.get(name) == value, answer
    if "order" in call:
        assert [item["sk"]["S"] for item in answer["Items"]] == call["order"]
