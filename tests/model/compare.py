"""An answer of the service beside what the model says."""
import json
import zlib

from tests.model.model import Refused
from tests.model.values import sort_answer, sort_answers

ITEMS = ("Item", "Attributes", "LastEvaluatedKey")


def as_text(item):
    return json.dumps(item, sort_keys=True)


def comparable(answer):
    """What has no order is put into one: members of sets, items of a BatchGetItem, the tables of a capacity."""
    seen = dict(answer)
    for name in ITEMS:
        if name in seen:
            seen[name] = sort_answers(seen[name])
    if "Items" in seen:
        seen["Items"] = [sort_answers(item) for item in seen["Items"]]
    if "Responses" in seen:
        seen["Responses"] = {table: sorted((sort_answers(item) for item in items), key=as_text)
                             for table, items in seen["Responses"].items()}
    if isinstance(seen.get("ConsumedCapacity"), list):
        seen["ConsumedCapacity"] = sorted(seen["ConsumedCapacity"], key=lambda told: told["TableName"])
    return seen


def is_one_of(message, messages):
    return messages is None or any(message == known or (known.endswith("*") and message.startswith(known[:-1]))
                                   for known in messages)


def differs(reply, expected):
    """What is wrong with a reply; None when it is as it must be. `expected` is an answer or a Refused."""
    if reply.status == 0:
        return "no answer"
    if int(reply.headers.get("x-amz-crc32", -1)) != zlib.crc32(reply.body):
        return "the checksum is not the body's"
    answer = reply.json
    if not isinstance(expected, Refused):
        if reply.status != 200:
            return "refused"
        return None if comparable(answer) == comparable(expected) else "another answer"
    if reply.status == 200:
        return "not refused"
    if (reply.status, reply.error) != (400, expected.name):
        return "another exception"
    if not is_one_of(reply.message, expected.messages):
        return "another message"
    item = {name: sort_answer(value) for name, value in answer["Item"].items()} if "Item" in answer else None
    return None if item == expected.item else "another item"


def told(expected):
    """The model's answer, for a person."""
    if isinstance(expected, Refused):
        item = "" if expected.item is None else f" with Item {json.dumps(expected.item)}"
        return f"{expected.name}, one of {sorted(expected.messages or ['any message'])}{item}"
    return json.dumps(expected)
