"""One stream of operations: its tables, its seed, and a client that compares each answer with the model's."""
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.kill_client import Client
from tests.model import compare, generate, model
from tests.model.values import content, read_value, sort_answers

COMBINATIONS = [(partition, sort) for partition in "SNB" for sort in (None, "S", "N", "B")]
TABLES = 4
BEHIND_SECONDS = 2  # an eventual read that still differs after that is wrong
TRIES = 5
READS = ("GetItem", "Query", "Scan", "BatchGetItem")
REQUEST_BYTES_SHOWN = 6000


class LearningError(Exception):
    """A scan, or the segments of one, are not what they must be."""


@dataclass
class Outcome:
    seed: int
    done: int = 0
    counts: Counter = field(default_factory=Counter)  # of operations
    refusals: Counter = field(default_factory=Counter)  # by exception
    repeated: int = 0  # eventual reads that were behind
    retried: int = 0  # requests of which the service said that it did not do them, or not all
    unknown: int = 0  # writes of which it did not know: what they wrote was read back
    seconds_max: float = 0  # of a request
    slow: list = field(default_factory=list)  # what is known of those that were too slow
    difference: str = None  # of the first answer that was not the model's
    mismatch: str = None  # the same for a person, or why the stream ended


def tables_of(seed):
    """Tables of different keys; every other one has several partitions."""
    chosen = [COMBINATIONS[(seed * TABLES + i) * 5 % len(COMBINATIONS)] for i in range(TABLES)]
    return [model.Table(f"model-{seed}-{i}", ("pk", partition), ("sk", sort) if sort else None)
            for i, (partition, sort) in enumerate(chosen)]


def create(client, table, has_many_partitions):
    rates = ({"BillingMode": "PAY_PER_REQUEST"} if has_many_partitions else
             {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}})
    kinds = ("HASH", "RANGE")
    reply = client.call("CreateTable", TableName=table.name, **rates,
                        KeySchema=[{"AttributeName": name, "KeyType": kinds[i]}
                                   for i, (name, _) in enumerate(table.keys)],
                        AttributeDefinitions=[{"AttributeName": name, "AttributeType": type_name}
                                              for name, type_name in table.keys])
    if reply.status != 200:
        raise RuntimeError(f"{table.name} was not created: {reply.status} {reply.body[:300]!r}")


def wait_active(client, table):
    deadline = time.monotonic() + 60
    while (found := client.settled("DescribeTable", TableName=table.name)["Table"])["TableStatus"] != "ACTIVE":
        if time.monotonic() > deadline:
            raise TimeoutError(f"{table.name} is not ACTIVE")
        time.sleep(0.05)
    table.arn = found["TableArn"]


def scanned(client, table, **segment):
    """Partition keys, in the order of a scan."""
    answer = client.settled("Scan", TableName=table.name, ConsistentRead=True, **segment)
    return [content(item[table.partition[0]]) for item in answer["Items"]]


def learn(client, table):
    """Where a scan finds each partition key, and which segment has it, is the service's choice: ask it once. From here
    on each page can be foretold."""
    name, type_name = table.partition
    sort = {table.sort[0]: {table.sort[1]: generate.SORTS[table.sort[1]][1]}} if table.sort else {}
    keys = [{name: {type_name: text}, **sort} for text in generate.PARTITIONS[type_name]]
    for key in keys:
        client.settled("PutItem", TableName=table.name, Item=key)
    found = scanned(client, table)
    if set(found) != {content(read_value(key[name])) for key in keys}:
        raise LearningError(f"a scan of {table.name} has not the keys that were put: {found}")
    table.order = {key: place for place, key in enumerate(found)}
    for total in generate.TOTALS:
        parts = [scanned(client, table, TotalSegments=total, Segment=segment) for segment in range(total)]
        table.segments[total] = {key: segment for segment, part in enumerate(parts) for key in part}
        if sorted(sum(parts, [])) != sorted(found) or len(found) != len(keys):
            raise LearningError(f"{total} segments of {table.name} are not its items, each once: {parts}")
        if any([key for key in found if key in part] != part for part in parts):
            raise LearningError(f"a segment of {table.name} has another order than the scan")
    for key in keys:
        client.settled("DeleteItem", TableName=table.name, Key=key)


class Stream:
    def __init__(self, address, key, seed):
        self.client = Client(*address, key, timeout=30)
        self.tables = tables_of(seed)
        self.outcome = Outcome(seed)
        self.generator = generate.Generator(seed, self.tables)

    def prepare(self):
        self.client.settled("ListTables")  # a new key is known within a moment
        for number, table in enumerate(self.tables):
            create(self.client, table, number % 2 == 0)
        for table in self.tables:
            wait_active(self.client, table)
            learn(self.client, table)

    def run(self, operations, is_stopped):
        """Until a mismatch, or so many."""
        while self.outcome.done < operations and self.outcome.mismatch is None and not is_stopped():
            self.step()
        self.client.close()
        return self.outcome

    def step(self):
        plan, request = self.generator.next()
        outcome = self.outcome
        outcome.done += 1
        outcome.counts[plan.operation] += 1
        try:
            expected = model.answer(plan)
        except model.Refused as refused:
            expected = refused
            outcome.refusals[refused.name] += 1
        reply, difference = self.ask(plan, request, expected)
        if difference is not None:
            outcome.difference = difference
            outcome.mismatch = self.report(plan, request, expected, reply, difference)
        elif not isinstance(expected, model.Refused) and "LastEvaluatedKey" in expected:
            self.generator.went_on(plan, expected["LastEvaluatedKey"])

    def ask(self, plan, request, expected):
        deadline = time.monotonic() + BEHIND_SECONDS
        while True:
            reply = self.call(plan, request, expected)
            if self.is_unknown(plan, reply, expected):
                self.read_back(plan)
                return reply, None
            difference = compare.differs(reply, expected)
            if difference != "another answer" or not may_be_behind(plan) or time.monotonic() > deadline:
                return reply, difference
            self.outcome.repeated += 1
            time.sleep(0.005)

    def call(self, plan, request, expected):
        """Asked again only when that can do no harm; otherwise each request is sent once."""
        is_harmless = plan.operation in READS or isinstance(expected, model.Refused)
        for _ in range(TRIES):
            start = time.monotonic()
            reply = self.client.call(plan.operation, **request)
            self.note_time(plan, reply, time.monotonic() - start)
            if not (reply.status == 503 or is_throttled(reply) or (is_harmless and is_undone(reply))):
                break
            self.outcome.retried += 1
        return reply

    def note_time(self, plan, reply, seconds):
        outcome = self.outcome
        outcome.seconds_max = max(outcome.seconds_max, seconds)
        if reply.status >= 500 or is_undone(reply):
            at = time.strftime("%H:%M:%S", time.gmtime(time.time() - seconds))
            outcome.slow.append(f"  seed {outcome.seed}, operation {outcome.done}: {plan.operation} sent at {at} UTC: "
                                f"{reply.status} after {seconds:.1f} s")

    def is_unknown(self, plan, reply, expected):
        """A write that may have been done, or done in part: a machine was too slow."""
        return plan.operation not in READS and not isinstance(expected, model.Refused) and is_undone(reply)

    def read_back(self, plan):
        self.outcome.unknown += 1
        for table, key in model.keys_of(plan):
            found = self.client.settled("GetItem", TableName=table.name, Key=key, ConsistentRead=True)
            model.store(table, table.key_of(key), sort_answers(found["Item"]) if "Item" in found else None)

    def report(self, plan, request, expected, reply, difference):
        shown = json.dumps(request)
        seed, done = self.outcome.seed, self.outcome.done
        return "\n".join([
            f"seed {seed}, operation {done}: {difference}",
            f"  {plan.operation} {shown[:REQUEST_BYTES_SHOWN]}{'...' if len(shown) > REQUEST_BYTES_SHOWN else ''}",
            f"  service: {reply.status} {reply.body[:REQUEST_BYTES_SHOWN].decode(errors='replace')}",
            f"  model:   {compare.told(expected)[:REQUEST_BYTES_SHOWN]}",
            f"  again:   ./dev model --seed {seed} --operations {done}"])


def may_be_behind(plan):
    return any(not part.is_consistent for part in plan.parts or [plan])


def is_undone(reply):
    """The service was too slow for the request, or for a part of it."""
    if reply.status != 200:
        return reply.status == 500
    if b'"Unprocessed' not in reply.body:
        return False
    return any(reply.json.get(name) for name in ("UnprocessedItems", "UnprocessedKeys"))


def is_throttled(reply):
    return reply.status == 400 and reply.error in ("ThrottlingException", "ProvisionedThroughputExceededException",
                                                   "RequestLimitExceeded")
