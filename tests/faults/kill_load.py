"""The load of a kill campaign, and the judgement over what is left of it.

Sixteen connections, each one request at a time, never retried. Three kinds of work, chosen so that both kinds of
failure can be seen in the items afterwards:

- puts     one writer per key, each value unique. The item must be the last acknowledged value, or an
           unanswered one that was not seen before.
- creates  several writers per key with attribute_not_exists: one winner, who stays.
- counters several writers per item: n = n + 1 and the operation's own id appended to a list, in one update.
           The list shows an update that is missing, one that was applied twice, and one that was refused and
           applied all the same.

The load runs in a process of its own (`LoadProcess`), so that whoever kills and measures is not in its way.
"""

import multiprocessing
import random
import threading
import time
from dataclasses import dataclass, field

from tests.faults.kill_client import ACKNOWLEDGED, REFUSED, UNANSWERED, UNSENT, Client

CONNECTIONS = 16
THINK_SECONDS_MAX = 0.02  # leaves the fleet, on the same two cores, some of them
PUT_KEYS = 40             # per connection
OPERATIONS_PER_CREATE = 3
OPERATIONS_PER_COUNTER = 150
COUNTERS = 4              # in use at one time
FILLER = "x" * 300
COUNT = ("SET n = if_not_exists(n, :zero) + :one, ops = list_append(if_not_exists(ops, :none), :op) "
         "ADD tally :one")


@dataclass
class Report:
    """What a load saw and what the check of its items found. The lists hold sentences."""

    acknowledged: int = 0
    refused: int = 0
    unsent: int = 0
    unanswered: int = 0
    checked: int = 0
    lost: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)
    reads: int = 0  # strong, during the load, answered
    unanswered_at: list = field(default_factory=list)  # (begin, end) on the monotonic clock; reads too

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def is_clean(self):
        return not (self.lost or self.doubled or self.unexpected)


class PutKey:
    """What may be under a key that one connection writes to."""

    def __init__(self, name):
        self.name = name
        self.value = None   # certainly applied, and the newest such
        self.maybe = set()  # unanswered, never seen: may still be applied, once

    def put(self, value, outcome):
        if outcome == ACKNOWLEDGED:
            self.value = value
        elif outcome == UNANSWERED:
            self.maybe.add(value)

    def seen(self, value, report):
        """A strong read, with no write of ours under way."""
        report.checked += 1
        if value == self.value:
            return
        if value in self.maybe:
            self.maybe.remove(value)
            self.value = value
        elif number_of(value) < number_of(self.value):
            report.lost.append(f"{self.name}: is {value}, {self.value} was acknowledged or seen before")
        else:
            report.doubled.append(f"{self.name}: is {value}, which was refused or had its turn; "
                                  f"{self.value} was acknowledged or seen before")


class Contest:
    """An item that several connections write to, and what each was told: {operation id: outcome}."""

    def __init__(self, name):
        self.name = name
        self.outcomes = {}

    def having(self, outcome):
        return {op for op, told in self.outcomes.items() if told == outcome}


class Contests:
    """Hands out items of one kind to connections; each item takes so many operations, then comes the next."""

    def __init__(self, prefix, operations, width):
        self.prefix, self.operations, self.width = prefix, operations, width
        self.lock = threading.Lock()
        self.all = []
        self.taken = 0

    def take(self):
        with self.lock:
            round_, slot = divmod(self.taken, self.operations * self.width)
            self.taken += 1
            index = round_ * self.width + slot % self.width
            if index == len(self.all):
                self.all.append(Contest(f"{self.prefix}-{index}"))
            return self.all[index]


class Load:
    """All writers of one load, as threads of this process."""

    def __init__(self, host, port, key, table, seed):
        self.options = (host, port, key)
        self.table = table
        self.creates = Contests(f"create-{seed}", OPERATIONS_PER_CREATE, 1)
        self.counters = Contests(f"counter-{seed}", OPERATIONS_PER_COUNTER, COUNTERS)
        self.stopping = threading.Event()
        self.writers = [Writer(self, number, seed) for number in range(CONNECTIONS)]

    def start(self):
        for writer in self.writers:
            writer.thread.start()

    def stop(self):
        self.stopping.set()
        for writer in self.writers:
            writer.thread.join()

    def check(self):
        """Strong reads of all that was written, over the same number of connections."""
        work = [*((check_put, key) for writer in self.writers for key in writer.keys),
                *((check_create, contest) for contest in self.creates.all),
                *((check_counter, contest) for contest in self.counters.all)]
        reports = [Report() for _ in range(CONNECTIONS)]
        failures = []

        def run(part, report):
            client = Client(*self.options)
            try:
                for judge, what in part:
                    answer = client.settled("GetItem", TableName=self.table, ConsistentRead=True,
                                            Key={"pk": {"S": what.name}})
                    judge(what, answer.get("Item"), report)
            except Exception as error:  # to be raised where the report is asked for
                failures.append(error)

        threads = [threading.Thread(target=run, args=(work[i::CONNECTIONS], report))
                   for i, report in enumerate(reports)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        total = Report()
        for report in [*reports, *(writer.report for writer in self.writers)]:
            total.add(report)
        return total


class Writer:
    """One connection."""

    def __init__(self, load, number, seed):
        self.load = load
        self.number = number
        self.random = random.Random(f"{seed}-{number}")
        self.client = Client(*load.options)
        self.keys = [PutKey(f"put-{seed}-{number}-{i}") for i in range(PUT_KEYS)]
        self.sequence = 0
        self.report = Report()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.load.stopping.is_set():
            kind = self.random.random()
            (self.put if kind < 0.5 else self.create if kind < 0.7 else self.count)()
            time.sleep(self.random.uniform(0, THINK_SECONDS_MAX))
        self.client.close()

    def write(self, operation, **request):
        """One write; its outcome."""
        begin = time.monotonic()
        reply = self.client.call(operation, TableName=self.load.table, **request)
        outcome = reply.outcome
        if outcome == UNANSWERED:
            self.report.unanswered_at.append((begin, time.monotonic()))
        elif outcome == REFUSED and reply.error != "ConditionalCheckFailedException":
            self.report.unexpected.append(f"{operation}: {reply.status} {reply.body[:200]!r}")
        setattr(self.report, outcome, getattr(self.report, outcome) + 1)
        if outcome == UNSENT:
            self.load.stopping.wait(0.05)
        return outcome

    def next_id(self):
        self.sequence += 1
        return f"{self.sequence}:{self.number}"

    def put(self):
        key = self.random.choice(self.keys)
        if key.maybe or self.random.random() < 0.4:
            self.look(key)
        value = self.next_id()
        key.put(value, self.write("PutItem", Item={"pk": {"S": key.name}, "v": {"S": value},
                                                   "filler": {"S": FILLER}}))

    def look(self, key):
        """Reads at once what became of an unanswered write: it must not be there a second time later."""
        begin = time.monotonic()
        reply = self.client.call("GetItem", TableName=self.load.table, ConsistentRead=True,
                                 Key={"pk": {"S": key.name}})
        if reply.status == 200:
            self.report.reads += 1
            key.seen(value_of(reply.json.get("Item")), self.report)
        elif reply.outcome == REFUSED:
            self.report.unexpected.append(f"GetItem: {reply.status} {reply.body[:200]!r}")
        else:
            self.report.unanswered_at.append((begin, time.monotonic()))

    def create(self):
        contest, op = self.load.creates.take(), self.next_id()
        contest.outcomes[op] = self.write("PutItem", ConditionExpression="attribute_not_exists(pk)",
                                          Item={"pk": {"S": contest.name}, "v": {"S": op}})

    def count(self):
        contest, op = self.load.counters.take(), self.next_id()
        contest.outcomes[op] = self.write(
            "UpdateItem", Key={"pk": {"S": contest.name}}, UpdateExpression=COUNT,
            ExpressionAttributeValues={":zero": {"N": "0"}, ":one": {"N": "1"}, ":none": {"L": []},
                                       ":op": {"L": [{"S": op}]}})


def value_of(item):
    return None if item is None else item["v"]["S"]


def number_of(value):
    return -1 if value is None else int(value.partition(":")[0])


def check_put(key, item, report):
    key.seen(value_of(item), report)


def check_create(contest, item, report):
    report.checked += 1
    owner = value_of(item)
    winners = contest.having(ACKNOWLEDGED)
    if len(winners) > 1:
        report.doubled.append(f"{contest.name}: created by {sorted(winners)}, each acknowledged")
    if winners and owner not in winners:
        report.lost.append(f"{contest.name}: is of {owner}, {sorted(winners)} was acknowledged")
    if owner in contest.having(REFUSED) | contest.having(UNSENT):
        report.doubled.append(f"{contest.name}: is of {owner}, which was refused or never sent")
    if owner is None and contest.having(REFUSED):
        report.lost.append(f"{contest.name}: is absent, but {sorted(contest.having(REFUSED))} found it there")


def check_counter(contest, item, report):
    report.checked += 1
    applied = [] if item is None else [op["S"] for op in item["ops"]["L"]]
    once = set(applied)
    missing = contest.having(ACKNOWLEDGED) - once
    if missing:
        report.lost.append(f"{contest.name}: {sorted(missing)} were acknowledged and are not there")
    if len(applied) != len(once):
        report.doubled.append(f"{contest.name}: {sorted(op for op in once if applied.count(op) > 1)} twice")
    without_effect = contest.having(REFUSED) | contest.having(UNSENT)
    if once & without_effect:
        report.doubled.append(f"{contest.name}: {sorted(once & without_effect)} were refused or never sent")
    for name in ("n", "tally"):
        if item is not None and int(item[name]["N"]) != len(once):
            report.doubled.append(f"{contest.name}: {name} is {item[name]['N']} after {len(once)} operations")


def serve(pipe, arguments):
    """The load's process: runs until told "stop", then checks when told "check"."""
    load = Load(*arguments)
    load.start()
    pipe.send("started")
    try:
        pipe.recv()
        load.stop()
        pipe.send("stopped")
        pipe.recv()
        pipe.send(load.check())
    except EOFError:
        load.stop()
    except Exception as error:  # for the other side to raise
        pipe.send(error)


class LoadProcess:
    """A load in a process of its own.

        with LoadProcess(host, port, key, table, seed) as load: ...
            load.stop(); report = load.check()
    """

    def __init__(self, *arguments):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, arguments), daemon=True)
        self.process.start()
        other.close()
        self.pipe.recv()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.close()
        self.process.terminate()
        self.process.join()

    def _ask(self, what):
        self.pipe.send(what)
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self):
        """Returns when no request is under way."""
        self._ask("stop")

    def check(self):
        """Reads everything back; needs a serving fleet. Returns a Report."""
        return self._ask("check")
