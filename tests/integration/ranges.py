"""What the tests of Query and Scan share: walks over pages, filled tables."""

from decimal import Decimal


def pages(call, **parameters):
    """Every page, in order, following LastEvaluatedKey."""
    found = []
    while True:
        page = call(**parameters)
        found.append(page)
        if "LastEvaluatedKey" not in page:
            return found
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        assert len(found) < 10_000, "a walk without an end"


def items(call, **parameters):
    return [item for page in pages(call, **parameters) for item in page["Items"]]


def fill(client, table, rows):
    for row in rows:
        client.put_item(TableName=table, Item=row)


def order_of(value):
    """What DynamoDB sorts a key by."""
    (kind, body), = value.items()
    if kind == "N":
        return Decimal(body)
    return body.encode() if kind == "S" else bytes(body)
