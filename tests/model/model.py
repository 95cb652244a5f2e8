"""A small, obvious DynamoDB: tables are dictionaries of items, an operation is a plan, and the answer is what the service
must say. Shares no code with the product, nor its parsers: a plan has syntax trees (evaluate.py), its request has the text.
"""
from dataclasses import dataclass, field
from decimal import Decimal

from tests.model import checks, evaluate, legacy, values
from tests.model.evaluate import Faults
from tests.model.values import INVALID, Fault, content, kind, octets

PAGE_BYTES_MAX = 1024 * 1024
KEY_BYTES_MAX = (2048, 1024)
TOO_LONG = (INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
NOT_THE_SCHEMA = "The provided key element does not match the schema"
UNKNOWN_TABLE = "no-such-table"
START = "The provided starting key is invalid: "


class Refused(Exception):
    """An exception of DynamoDB's, with the messages of which one is told (None: it is not known which)."""

    def __init__(self, name, messages=None, item=None):
        super().__init__(name, messages)
        self.name, self.messages, self.item = name, messages, item


def refuse(messages):
    if messages:
        raise Refused("ValidationException", set(messages))


@dataclass
class Plan:
    """An operation by its meaning. What a request has not is None."""

    operation: str
    table: object = None  # Table; None: one that does not exist
    by_arn: bool = False  # the request has the table's ARN for its name
    item: dict = None
    key: dict = None
    condition: tuple = None
    update: list = None
    projection: list = None
    filter: tuple = None
    key_conditions: list = None  # (operator, name, values)
    limit: int = None
    segment: int = None
    total: int = None
    start: dict = None
    is_forward: bool = True
    is_consistent: bool = True
    select: str = None
    return_values: str = None
    on_failure: str = None
    capacity: str = None
    parts: list = None  # of a batch: a Plan for each table, with `entries`
    entries: list = None  # keys, or ("put", item) and ("delete", key)
    legacy: dict = None  # the parameters older than expressions that say a part of it
    faults: set = field(default_factory=set)  # messages of what is wrong with the request's text
    replaces: bool = False  # the faults are told before anything else is looked at

    @property
    def table_name(self):
        """The table as the request calls it, and the answer."""
        return UNKNOWN_TABLE if self.table is None else self.table.arn if self.by_arn else self.table.name


class Table:
    """`order` and `segments` are where the service's scans have shown a partition key to be, as DynamoDB leaves it open:
    order[pk] is its place in a scan, segments[total][pk] its segment."""

    def __init__(self, name, partition, sort=None):
        self.name, self.partition, self.sort = name, partition, sort  # (name, type) each
        self.arn = name  # until it is known
        self.keys = [partition] + ([sort] if sort else [])
        self.key_names = {name for name, _ in self.keys}
        self.items = {}
        self.item_bytes = {}  # of each, as scans need it often
        self.order, self.segments = {}, {}

    def key_of(self, item):
        """What its items are found by."""
        return tuple(content(item[name]) for name, _ in self.keys)

    def key_attributes(self, item):
        return {name: item[name] for name, _ in self.keys}

    def place(self, item):
        """Where an item is in a scan, and within its partition key in a query."""
        return (self.order.get(content(item[self.partition[0]]), 0), self.sort_place(item))

    def sort_place(self, item):
        if self.sort is None:
            return 0
        value = item[self.sort[0]]
        return Decimal(content(value)) if kind(value) == "N" else octets(value)


# ---- keys ----

def empty_fault(name, value, is_put):
    words = "are not valid." if is_put else "were invalid:"
    type_name = "binary" if kind(value) == "B" else "string"
    return (f"One or more parameter values {words} The AttributeValue for a key attribute cannot contain an empty "
            f"{type_name} value. Key: {name}")


def key_faults(table, item, is_put):
    if not is_put and set(item) != table.key_names:
        return {NOT_THE_SCHEMA}
    found = set()
    for (name, type_name), bytes_max, too_long in zip(table.keys, KEY_BYTES_MAX, TOO_LONG):
        value = item.get(name)
        if value is None:
            found.add(f"{INVALID}Missing the key {name} in the item")
        elif kind(value) != type_name:
            found.add(f"{INVALID}Type mismatch for key {name} expected: {type_name} actual: {kind(value)}"
                      if is_put else NOT_THE_SCHEMA)
        elif type_name != "N" and not octets(value):
            found.add(empty_fault(name, value, is_put))
        elif type_name != "N" and len(octets(value)) > bytes_max:
            found.add(too_long)
    return found


# ---- capacity ----

def read_units(item_bytes, is_consistent):
    return max(1, -(-item_bytes // 4096)) * (1 if is_consistent else 0.5)


def write_units(before, after):
    size = max(values.item_bytes(item) if item else 0 for item in (before, after))
    return max(1, -(-size // 1024))


def consumed(plan, units):
    if plan.capacity in (None, "NONE"):
        return {}
    told = {"TableName": plan.table_name, "CapacityUnits": units}
    if plan.capacity == "INDEXES":
        told["Table"] = {"CapacityUnits": units}
    return {"ConsumedCapacity": told}


# ---- what is checked before the item is looked at ----

def read_values(tree, faults):
    """The same tree with its values in canonical form."""
    if isinstance(tree, tuple) and tree and tree[0] == "value":
        try:
            return ("value", values.read_top(tree[1]))
        except Fault as fault:
            faults.add(str(fault))
            return ("value", {"S": "?"})
    if isinstance(tree, (tuple, list)):
        return type(tree)(read_values(part, faults) for part in tree)
    return tree


def read_clause(clause, faults):
    if clause[0] in ("ADD", "DELETE"):
        return (*clause[:2], read_values(("value", clause[2]), faults)[1])
    return (*clause[:2], *(read_values(part, faults) for part in clause[2:]))


def read_item(item, faults, prefix=""):
    try:
        return values.read_item(item)
    except Fault as fault:
        faults.add(prefix + str(fault))
        return {}


def read_plan(plan):
    """The plan's items and trees in canonical form; raises what is wrong with the request by itself."""
    if plan.replaces:
        refuse(plan.faults)
    value_faults, faults = set(), set(plan.faults)
    item = read_item(plan.item if plan.key is None else plan.key, value_faults) if plan.item or plan.key else {}
    start = None if plan.start is None else read_item(plan.start, value_faults, START)
    condition, row_filter = read_values(plan.condition, value_faults), read_values(plan.filter, value_faults)
    update = None if plan.update is None else [read_clause(clause, value_faults) for clause in plan.update]
    told_before = legacy.members_of(plan)  # whose faults the generator names
    if not value_faults:
        if condition is not None and "condition" not in told_before:
            faults |= checks.condition_faults("ConditionExpression", condition)
        if row_filter is not None and "filter" not in told_before:
            faults |= checks.condition_faults("FilterExpression", row_filter)
        if update is not None and "update" not in told_before:
            faults |= checks.update_faults(update)
    if plan.projection is not None and "projection" not in told_before:
        faults |= checks.projection_faults(plan.projection)
    if plan.operation == "PutItem" and values.item_bytes(item) > values.ITEM_BYTES_MAX:
        faults.add("Item size has exceeded the maximum allowed size")
    if plan.return_values not in (None, "NONE", "ALL_OLD") and plan.operation != "UpdateItem":
        faults.add("ReturnValues can only be ALL_OLD or NONE")
    if plan.select in ("COUNT", "ALL_ATTRIBUTES") and plan.projection is not None:
        chosen = "only the Count" if plan.select == "COUNT" else plan.select
        parameter = "AttributesToGet" if "projection" in told_before else "ProjectionExpression"
        faults.add(f"Cannot specify the {parameter} when choosing to get {chosen}")
    if plan.select == "SPECIFIC_ATTRIBUTES" and plan.projection is None:
        faults.add("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
    refuse(faults | value_faults)
    if plan.table is None:
        raise Refused("ResourceNotFoundException", {"Requested resource not found"})
    return item, start, condition, row_filter, update


def schema_faults(plan, condition, update):
    """What the table's key forbids in expressions."""
    names = plan.table.key_names
    paths = list(plan.projection or [])
    paths += checks.condition_paths(condition) if condition is not None else []
    found = checks.nested_key_faults(paths, names)
    if update is not None:
        found |= {f"{INVALID}Cannot update attribute {clause[1][0]}. This attribute is part of the key"
                  for clause in update if clause[1][0] in names}
        found |= checks.nested_key_faults(checks.update_paths(update), names)
    return found


# ---- single items ----

def get_item(plan):
    key, _, _, _, _ = read_plan(plan)
    refuse(key_faults(plan.table, key, False))
    refuse(schema_faults(plan, None, None))
    return got(plan, plan.table.items.get(plan.table.key_of(key)))


def got(plan, item):
    if item is None:
        return consumed(plan, read_units(0, plan.is_consistent))
    shown = item if plan.projection is None else evaluate.project(plan.projection, item)
    return {"Item": shown, **consumed(plan, read_units(values.item_bytes(item), plan.is_consistent))}


def attributes(plan, update, old, new):
    """What ReturnValues asks for."""
    wanted = plan.return_values or "NONE"
    item = new if wanted.endswith("_NEW") else old
    if wanted == "NONE" or item is None:
        return {}
    if wanted.startswith("UPDATED"):
        item = evaluate.project([clause[1] for clause in update or []], item)
    return {"Attributes": item} if item else {}


def write_item(plan):
    is_put = plan.operation == "PutItem"
    item, _, condition, _, update = read_plan(plan)
    refuse(key_faults(plan.table, item, is_put))
    refuse(schema_faults(plan, condition, update))
    key = plan.table.key_of(item)
    old = plan.table.items.get(key)
    if condition is not None and not evaluate.is_met(condition, old or {}):
        raise Refused("ConditionalCheckFailedException", {"The conditional request failed"},
                      old if plan.on_failure == "ALL_OLD" else None)
    new = changed(plan, update, item, old)
    store(plan.table, key, new)
    return {**attributes(plan, update, old, new), **consumed(plan, write_units(old, new))}


def changed(plan, update, item, old):
    if plan.operation == "PutItem":
        return item
    if plan.operation == "DeleteItem" or (old is None and not evaluate.creates_item(update)):
        return None
    try:
        return evaluate.update(update, old, item)
    except Faults as faults:
        words = legacy.WORDS if "update" in legacy.members_of(plan) else {}
        refuse({words.get(message, message) for message in faults.messages})


def store(table, key, new):
    if new is None:
        table.items.pop(key, None)
    else:
        table.items[key] = new
        table.item_bytes[key] = values.item_bytes(new)


def keys_of(plan):
    """The table and key attributes of each item that a write is about."""
    if plan.parts is None:
        return [(plan.table, plan.table.key_attributes(values.read_item(plan.item or plan.key)))]
    return [(part.table, part.table.key_attributes(values.read_item(entry[1])))
            for part in plan.parts for entry in part.entries]


# ---- Query and Scan ----

def check_key_conditions(plan, conditions):
    """The value of the partition key; raises what is wrong with the conditions."""
    table, (partition, _) = plan.table, plan.table.partition
    by_name = {name: (operator, given) for operator, name, given in conditions}
    if partition not in by_name:
        refuse({f"Query condition missed key schema element: {partition}"})
    if len(conditions) > 1 and table.sort is None:
        refuse({"Query key condition not supported"})
    if len(conditions) > 1 and table.sort[0] not in by_name:
        refuse({f"Query condition missed key schema element: {table.sort[0]}"})
    if by_name[partition][0] != "=":
        refuse({"Query key condition not supported"})
    faults = set()
    for (name, type_name), bytes_max, too_long in zip(table.keys, KEY_BYTES_MAX, TOO_LONG):
        for value in by_name.get(name, (None, []))[1]:
            if kind(value) != type_name:
                faults.add(INVALID + "Condition parameter type does not match schema type")
            elif type_name != "N" and not octets(value):
                faults.add(empty_fault(name, value, False))
            elif type_name != "N" and len(octets(value)) > bytes_max:
                faults.add(too_long)
    refuse(faults)
    return by_name


def condition_tree(operator, name, given):
    parts = [("path", (name,)), *(("value", value) for value in given)]
    return ({"BETWEEN": "between"}.get(operator, operator), *parts)


def key_condition_faults(conditions):
    found = set()
    for condition in conditions:
        found |= checks.condition_faults("KeyConditionExpression", condition_tree(*condition))
    if len({name for _, name, _ in conditions}) < len(conditions):
        found.add("KeyConditionExpressions must only contain one condition per key")
    return found


def query(plan):
    table, value_faults = plan.table, set()
    read = [(operator, name, [read_values(("value", value), value_faults)[1] for value in given])
            for operator, name, given in plan.key_conditions]
    if not plan.replaces:
        plan.faults |= value_faults or (set() if plan.legacy else key_condition_faults(read))
    _, start, _, row_filter, _ = read_plan(plan)
    by_name = check_key_conditions(plan, read)
    wanted = content(by_name[table.partition[0]][1][0])
    within = [condition_tree(operator, name, given) for operator, name, given in read]
    rows = sorted((item for item in table.items.values() if content(item[table.partition[0]]) == wanted),
                  key=table.place, reverse=not plan.is_forward)
    faults = set()
    if start is not None:
        faults |= start_faults(table, start)
        if not faults and content(start[table.partition[0]]) != wanted:
            faults.add("The provided starting key is outside query boundaries based on provided conditions")
        elif not faults and not all(evaluate.is_met(tree, start) for tree in within):
            faults.add("The provided starting key does not match the range key predicate")
    refuse(faults)
    filtered = {path[0] for path in checks.condition_paths(row_filter)} if row_filter is not None else set()
    words = "QueryFilter" if "filter" in legacy.members_of(plan) else "Filter Expression"
    refuse(schema_faults(plan, row_filter, None)
           | {f"{words} can only contain non-primary key attributes: Primary key attribute: {name}"
              for name in filtered & table.key_names})
    rows = [item for item in rows if all(evaluate.is_met(tree, item) for tree in within)]
    return page(plan, rows, start, row_filter)


def start_faults(table, start):
    return {START + fault for fault in key_faults(table, start, False)}


def scan(plan):
    table = plan.table
    _, start, _, row_filter, _ = read_plan(plan)
    rows = sorted(table.items.values(), key=table.place)
    if plan.total is not None:
        rows = [item for item in rows if segment_of(plan, item) == plan.segment]
    if start is not None:
        refuse(start_faults(table, start))
        if plan.total is not None and segment_of(plan, start) != plan.segment:
            refuse({f"{START}Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                    f"TotalSegments: {plan.total} Segment: {plan.segment}"})
    refuse(schema_faults(plan, row_filter, None))
    return page(plan, rows, start, row_filter)


def segment_of(plan, item):
    return plan.table.segments[plan.total][content(item[plan.table.partition[0]])]


def page(plan, rows, start, row_filter):
    """The rows behind `start`, up to Limit evaluated ones or the one that crosses 1 MB."""
    table = plan.table
    if start is not None:
        at = table.place(start)
        rows = [item for item in rows if (table.place(item) > at if plan.is_forward else table.place(item) < at)]
    evaluated, evaluated_bytes, is_full = [], 0, False
    for item in rows:
        if is_full:
            break
        evaluated.append(item)
        evaluated_bytes += table.item_bytes[table.key_of(item)]
        is_full = len(evaluated) == plan.limit or evaluated_bytes >= PAGE_BYTES_MAX
    matched = [item for item in evaluated if row_filter is None or evaluate.is_met(row_filter, item)]
    answer = {"Count": len(matched), "ScannedCount": len(evaluated)}
    if plan.select != "COUNT":
        answer["Items"] = [item if plan.projection is None else evaluate.project(plan.projection, item)
                           for item in matched]
    if is_full:
        answer["LastEvaluatedKey"] = table.key_attributes(evaluated[-1])
    return {**answer, **consumed(plan, read_units(evaluated_bytes, plan.is_consistent))}


# ---- batches ----

def check_batch(plan):
    """Keys of all parts in canonical form, in the order of the request."""
    faults = set(plan.faults)
    read = [[read_item(entry[1], faults) for entry in part.entries] for part in plan.parts]
    for part, items in zip(plan.parts, read):
        faults |= part.faults | (set() if part.legacy else checks.projection_faults(part.projection or []))
        for entry, item in zip(part.entries, items):
            if entry[0] == "put" and values.item_bytes(item) > values.ITEM_BYTES_MAX:
                faults.add("Item size has exceeded the maximum allowed size")
    refuse(faults)
    if any(part.table is None for part in plan.parts):
        raise Refused("ResourceNotFoundException", {"Requested resource not found"})
    for part, items in zip(plan.parts, read):
        for entry, item in zip(part.entries, items):
            faults |= key_faults(part.table, item, entry[0] == "put")
        faults |= checks.nested_key_faults(part.projection or [], part.table.key_names)
    refuse(faults)
    for part, items in zip(plan.parts, read):
        if len({part.table.key_of(item) for item in items}) < len(items):
            refuse({"Provided list of item keys contains duplicates"})
    return read


def batch_get(plan):
    read = check_batch(plan)
    responses, capacities = {}, []
    for part, keys in zip(plan.parts, read):
        answers = [got(part, part.table.items.get(part.table.key_of(key))) for key in keys]
        responses[part.table_name] = [answer["Item"] for answer in answers if "Item" in answer]
        capacities += summed(part, answers)
    told = {"ConsumedCapacity": capacities} if capacities else {}
    return {"Responses": responses, "UnprocessedKeys": {}, **told}


def batch_write(plan):
    read = check_batch(plan)
    capacities = []
    for part, items in zip(plan.parts, read):
        answers = []
        for entry, item in zip(part.entries, items):
            key = part.table.key_of(item)
            new = item if entry[0] == "put" else None
            answers.append(consumed(part, write_units(part.table.items.get(key), new)))
            store(part.table, key, new)
        capacities += summed(part, answers)
    told = {"ConsumedCapacity": capacities} if capacities else {}
    return {"UnprocessedItems": {}, **told}


def summed(part, answers):
    """One table's capacity in a batch: its items' units, each rounded by itself."""
    units = sum(answer["ConsumedCapacity"]["CapacityUnits"] for answer in answers if "ConsumedCapacity" in answer)
    told = consumed(part, units)
    return [told["ConsumedCapacity"]] if told else []


OPERATIONS = {"PutItem": write_item, "GetItem": get_item, "UpdateItem": write_item, "DeleteItem": write_item,
              "Query": query, "Scan": scan, "BatchGetItem": batch_get, "BatchWriteItem": batch_write}


def answer(plan):
    """What the service answers, with its effect on the tables; raises Refused."""
    return OPERATIONS[plan.operation](plan)
