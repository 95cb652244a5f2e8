"""Random operations, one after the other, about what the model's tables hold just then. The same seed gives the same ones.
"""
import dataclasses
import random

from tests.model import faults, render, values
from tests.model.legacy import Legacy
from tests.model.literals import NAMES, OCTETS, binary
from tests.model.model import Plan
from tests.model.trees import Trees
from tests.model.values import content

OPERATIONS = {"PutItem": 20, "UpdateItem": 29, "GetItem": 10, "DeleteItem": 7, "Query": 14, "Scan": 8, "BatchGetItem": 6,
              "BatchWriteItem": 6}
PARTITIONS = {"S": ("p", "q", "p\u0000", "\u00e9", "0", "k" * 2048),
              "N": ("0", "1", "-1", "1E-130", "9." + "9" * 37 + "E125", "3.5"),
              "B": tuple(binary(octets) for octets in (b"p", b"\x00", b"\x00\x01", b"\xff\xff", b"q", b"p\x00"))}
SORTS = {"S": ("", "a", "ab", "a\u0000", "b", "\u00e9", "\U0001f600", "\uffff", "z" * 1024, "A"),
         "N": ("0", "1", "2", "-1", "10", "1E-130", "-1E-130", "9E125", "-9E125", "0.5", "1.25"),
         "B": tuple(binary(octets) for octets in (*OCTETS, b"\xff" * 1024))}
TOTALS = (1, 2, 3, 5, 16)  # of segments
RETURNS = ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")
LEGACY = 0.15  # of the requests use parameters older than expressions, where there are such
SPOILED = 0.03  # of the requests, after they were written
FAT = 0.002  # of the operations begin with items of hundreds of KB


def key_pool(table):
    return PARTITIONS[table.partition[1]]


class Generator:
    def __init__(self, seed, tables):
        self.rng = random.Random(seed)
        self.tables = tables
        self.trees = Trees(self.rng)
        self.literals = self.trees.literals
        self.legacy = Legacy(self.rng, self.literals)
        self.fat_table = next(table for table in tables if table.sort)
        self.waiting = []  # plans to come next
        self.open_pages = []  # plans that ended with a LastEvaluatedKey

    # ---- keys and items ----

    def spelled(self, type_name, text):
        """A value of a key; numbers in one of their spellings."""
        if type_name == "N" and "E" not in text and self.rng.random() < 0.15:
            text = self.rng.choice((text + ("0" if "." in text else ".0"), text + "E0", text + "e+00"))
        return {type_name: text}

    def key(self, table):
        pools = (PARTITIONS[table.partition[1]], SORTS[table.sort[1]] if table.sort else ())
        key = {name: self.spelled(type_name, self.rng.choice(pool)) for (name, type_name), pool in zip(table.keys, pools)}
        if table.sort and content(key[table.sort[0]]) == "" and self.rng.random() < 0.98:
            key[table.sort[0]] = self.spelled(table.sort[1], self.rng.choice(pools[1][1:]))
        if table.items and self.rng.random() < 0.4:
            return table.key_attributes(self.rng.choice(list(table.items.values())))
        return self.wrong_key(table, key) if self.rng.random() < 0.01 else key

    def wrong_key(self, table, key):
        name, type_name = self.rng.choice(table.keys)
        draw = self.rng.randrange(5)
        if draw == 0:
            return {other: value for other, value in key.items() if other != name}
        if draw == 1:
            return {**key, name: self.literals.value(self.rng.choice([t for t in values.TYPES if t != type_name]))}
        if draw == 2:
            return {**key, "more": {"S": "x"}}
        if draw == 3:
            # One more than there may be, of either key; the pools have the longest that may be.
            return {**key, name: {"S": "k" * (2049 if name == table.partition[0] else 1025)}}
        return {**key, name: {type_name: ""}}

    def old(self, table, key):
        """The item that is there, as the model has it; {} when there is none or the key is wrong."""
        try:
            return table.items.get(table.key_of(values.read_item(key)), {})
        except (values.Fault, KeyError, TypeError):
            return {}

    def new_item(self, table):
        key = self.key(table)
        draw = self.rng.random()
        count = self.rng.choice((0, 1, 2, 3, 5, 8))
        item = {name: self.literals.typical(name) for name in self.rng.sample(NAMES, count)}
        if draw < 0.01:
            item[self.rng.choice(NAMES)] = self.literals.deep()
        elif draw < 0.04:
            item[self.rng.choice(NAMES)] = self.literals.wrong()
        elif draw < 0.06:
            item["f"] = {"S": "f" * self.rng.choice((900, 1000, 1024, 4000, 5000, 9000))}
        elif draw < 0.065:
            item = self.fat_item(table, item, key)
        return {**item, **key}

    def fat_item(self, table, item, key):
        """Near the largest size of an item."""
        try:
            rest = values.item_bytes(values.read_item({**item, **key})) + len("f")
        except values.Fault:
            return item
        room = values.ITEM_BYTES_MAX - rest
        return {**item, "f": {"S": "f" * self.rng.choice((room, room + 1, room - 1))}}

    def fatten(self):
        """Items so large that pages end at 1 MB; then such pages; then they go again."""
        table = self.fat_table
        partition, type_name = table.partition
        value = {type_name: key_pool(table)[0]}
        sorts = self.rng.sample(SORTS[table.sort[1]][1:], 4)
        keys = [{partition: value, table.sort[0]: {table.sort[1]: text}} for text in sorts]
        puts = [("put", {**key, "f": {"S": "f" * self.rng.randrange(250000, 400000)}}) for key in keys]
        for _ in range(3):
            query, scan = self.Query(table), self.Scan(table)
            query.key_conditions = [("=", partition, [value])]
            for plan in (query, scan):
                plan.limit = plan.start = None
                self.waiting.append(plan)
        self.waiting += [Plan("DeleteItem", table, key=key, return_values="ALL_OLD", capacity="TOTAL") for key in keys]
        return Plan("BatchWriteItem", parts=[Plan("PutItem", table, entries=puts)])

    def fat_or(self, key, table):
        """The key, or seldom one of the largest items', so that they change and go."""
        if self.rng.random() > 0.1:
            return key
        fat = [item for item in table.items.values() if len(item.get("f", {}).get("S", "")) > 50000]
        return table.key_attributes(self.rng.choice(fat)) if fat else key

    # ---- operations ----

    def next(self):
        """The next plan, and its request."""
        if self.waiting:
            plan = self.waiting.pop(0)
        elif self.rng.random() < FAT:
            plan = self.fatten()
        elif self.open_pages and self.rng.random() < 0.3:
            plan = self.open_pages.pop(self.rng.randrange(len(self.open_pages)))
        else:
            name = self.rng.choices(list(OPERATIONS), OPERATIONS.values())[0]
            plan = getattr(self, name)(self.rng.choice(self.tables))
            plan.operation = name
            for part in plan.parts or [plan]:
                part.by_arn = self.rng.random() < 0.05
            if self.rng.random() < LEGACY:
                self.make_legacy(plan)
        request = render.request_of(plan, self.rng)
        if self.rng.random() < SPOILED:
            faults.spoil(plan, request, self.rng)
        return plan, request

    def make_legacy(self, plan):
        for part in plan.parts or [plan]:
            rows = list(part.table.items.values())
            key = part.key or (part.entries[0][1] if part.entries else None)
            about = self.old(part.table, key) if key else self.rng.choice(rows) if rows else {}
            self.legacy.convert(part, about)

    def went_on(self, plan, last_key):
        """A page was not the last: one like it, behind it, may come later."""
        more = dataclasses.replace(plan, start=last_key, faults=set())
        if self.rng.random() < 0.5:
            more.limit = self.limit()
        if len(self.open_pages) > 8:
            self.open_pages.pop(0)
        self.open_pages.append(more)

    def capacity(self):
        return self.rng.choice((None, None, "TOTAL", "TOTAL", "INDEXES", "NONE"))

    def limit(self):
        return self.rng.choice((None, None, 1, 2, 3, 5, 8, 20, 1000))

    def guarded(self, plan, old):
        """A condition, on two of five."""
        if self.rng.random() < 0.4:
            plan.condition = self.trees.condition(old, plan.table.key_names)
            if self.rng.random() < 0.15:
                there = (self.rng.choice(("exists", "not_exists")), (plan.table.partition[0],))
                plan.condition = self.rng.choice((there, ("or", plan.condition, there)))
            if self.rng.random() < 0.5:
                plan.on_failure = self.rng.choice(("ALL_OLD", "ALL_OLD", "NONE"))
        return plan

    def PutItem(self, table):
        item = self.new_item(table)
        returns = self.rng.choice((None, "NONE", "ALL_OLD", "ALL_OLD"))
        if self.rng.random() < 0.005:
            returns = "ALL_NEW"
        plan = Plan("PutItem", table, item=item, return_values=returns, capacity=self.capacity())
        return self.guarded(plan, self.old(table, {name: item[name] for name in table.key_names if name in item}))

    def GetItem(self, table):
        key = self.key(table)
        projection = self.trees.projection(self.old(table, key), table.key_names) if self.rng.random() < 0.5 else None
        return Plan("GetItem", table, key=key, projection=projection, is_consistent=self.rng.random() < 0.8,
                    capacity=self.capacity())

    def UpdateItem(self, table):
        key = self.fat_or(self.key(table), table)
        old = self.old(table, key)
        plan = Plan("UpdateItem", table, key=key, return_values=self.rng.choice((None, *RETURNS)),
                    capacity=self.capacity())
        if self.rng.random() < 0.98:
            plan.update = self.trees.update(old, table.key_names) or None
        return self.guarded(plan, old)

    def DeleteItem(self, table):
        key = self.fat_or(self.key(table), table)
        plan = Plan("DeleteItem", table, key=key, return_values=self.rng.choice((None, "NONE", "ALL_OLD", "ALL_OLD")),
                    capacity=self.capacity())
        return self.guarded(plan, self.old(table, key))

    # ---- Query and Scan ----

    def range_options(self, plan, rows):
        """Filter, projection, Select, Limit, start: the same for both."""
        about = self.rng.choice(rows) if rows else {}
        if self.rng.random() < 0.4:
            plan.filter = self.trees.condition(about, () if plan.operation == "Scan" else plan.table.key_names)
        if self.rng.random() < 0.3:
            plan.projection = self.trees.projection(about, plan.table.key_names)
        if self.rng.random() < 0.25:
            plan.select = self.rng.choice(("COUNT", "COUNT", "ALL_ATTRIBUTES", "SPECIFIC_ATTRIBUTES"))
            if plan.select in ("COUNT", "ALL_ATTRIBUTES") and self.rng.random() < 0.97:
                plan.projection = None
            elif plan.projection is None and self.rng.random() < 0.97:
                plan.select = None
        plan.limit = self.limit()
        plan.capacity = self.capacity()
        plan.is_consistent = self.rng.random() < 0.85
        return plan

    def sort_condition(self, table):
        name, type_name = table.sort
        pool = [text for text in SORTS[type_name] if text or self.rng.random() < 0.02]
        values_of = [self.spelled(type_name, text) for text in self.rng.sample(pool, 2)]
        operator = self.rng.choice(("=", "<", "<=", ">", ">=", "BETWEEN", "BETWEEN", "begins_with"))
        if operator == "begins_with" and type_name == "N" and self.rng.random() < 0.95:
            operator = "BETWEEN"
        if operator == "BETWEEN":
            place = {"N": lambda v: values.Decimal(content(v))}.get(type_name, values.octets)
            return (operator, name, sorted(values_of, key=place) if self.rng.random() < 0.98 else values_of)
        return (operator, name, values_of[:1])

    def Query(self, table):
        partition, type_name = table.partition
        value = self.spelled(type_name, self.rng.choice(key_pool(table)))
        conditions = [("=", partition, [value])]
        if table.sort and self.rng.random() < 0.65:
            conditions.append(self.sort_condition(table))
        if self.rng.random() < 0.02:
            conditions = self.wrong_conditions(table, conditions)
        self.rng.shuffle(conditions)
        rows = [item for item in table.items.values() if self.same(item[partition], value)]
        plan = self.range_options(Plan("Query", table, key_conditions=conditions), rows)
        plan.is_forward = self.rng.random() < 0.6
        if self.rng.random() < 0.06:
            plan.start = self.key(table)
            plan.start[partition] = value if self.rng.random() < 0.9 else plan.start.get(partition, value)
        return plan

    def same(self, a, b):
        try:
            return a == values.read_value(b)
        except values.Fault:
            return False

    def wrong_conditions(self, table, conditions):
        draw = self.rng.randrange(4)
        if draw == 0:
            return [("=", self.rng.choice(("a", "n")), [self.literals.value("N")])]
        if draw == 1:
            return [*conditions[:1], ("=", self.rng.choice(("a", "n")), [self.literals.value("N")])]
        if draw == 2:
            return [(self.rng.choice(("<", ">=")), *conditions[0][1:])]
        return [("=", table.partition[0], [self.literals.value()]), *conditions[1:]]

    def Scan(self, table):
        rows = list(table.items.values())
        plan = self.range_options(Plan("Scan", table), rows)
        if self.rng.random() < 0.45:
            plan.total = self.rng.choice(TOTALS)
            plan.segment = self.rng.randrange(plan.total)
        if self.rng.random() < 0.08:
            plan.start = self.key(table)
        return plan

    # ---- batches ----

    def some_tables(self):
        return self.rng.sample(self.tables, self.rng.choice((1, 1, 2, 3)))

    def some_keys(self, table, count):
        """Different ones, mostly."""
        keys, seen = [], set()
        for _ in range(count):
            key = self.key(table)
            token = str(self.old_token(table, key))
            if token not in seen or self.rng.random() < 0.005:
                keys.append(key)
            seen.add(token)
        return keys

    def old_token(self, table, key):
        try:
            return table.key_of(values.read_item(key))
        except (values.Fault, KeyError, TypeError):
            return key

    def BatchGetItem(self, _):
        capacity, parts = self.capacity(), []
        for table in self.some_tables():
            part = Plan("GetItem", table, capacity=capacity, is_consistent=self.rng.random() < 0.8)
            part.entries = [("key", key) for key in self.some_keys(table, self.rng.choice((1, 2, 4, 9, 30)))]
            if self.rng.random() < 0.4:
                part.projection = self.trees.projection(self.old(table, part.entries[0][1]), table.key_names)
            parts.append(part)
        return Plan("BatchGetItem", parts=parts, capacity=capacity)

    def BatchWriteItem(self, _):
        capacity, parts = self.capacity(), []
        for table in self.some_tables():
            part = Plan("PutItem", table, capacity=capacity)
            part.entries = []
            for key in self.some_keys(table, self.rng.choice((1, 2, 4, 8))):
                if self.rng.random() < 0.35:
                    part.entries.append(("delete", key))
                else:
                    item = self.new_item(table)
                    keys = {name: key[name] for name in key if name in table.key_names}
                    rest = {name: value for name, value in item.items() if name not in table.key_names and name != "f"}
                    part.entries.append(("put", {**rest, **keys}))
            parts.append(part)
        return Plan("BatchWriteItem", parts=parts, capacity=capacity)
