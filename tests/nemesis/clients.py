"""Clients that write down what they asked and what they were told, and the judgement over it.

Each client is a thread with a connection to one router, for one partition, so that none waits for what concerns others; an operation
goes out once, and is never repeated. Objects are items: registers (read, written, swapped under a condition) and lists (appended
to, read). The clients of a partition use the same two at a time. An object whose history has become hard to judge - many unknown outcomes, or long - is left for
a new one, of the same partition key, so of the same partition.
"""

import bisect
import multiprocessing
import random
import threading
import time
from dataclasses import dataclass, field

from tests.faults.kill_client import ACKNOWLEDGED, REFUSED, UNSENT, Client
from tests.nemesis.linearizable import Operation, TooHard, explain, register, sequence

CLIENTS = 2                # for each router and partition
TIMEOUT_SECONDS = 3        # then a client goes on, and its operation may happen or not
PAUSE_SECONDS_MAX = 0.06
UNKNOWN_MAX = 6            # of one object
OPERATIONS_MAX = 120       # of one object
MODELS = {"register": register, "list": sequence}
VALUES = {  # what an item says; None: there is none
    "register": lambda item: item["v"]["S"] if item else None,
    "list": lambda item: tuple(one["S"] for one in item["l"]["L"]) if item else (),
}


@dataclass
class Shared:
    """An object: one item, and all that was done with it."""

    group: int
    pk: str
    sk: str
    kind: str
    history: list = field(default_factory=list)  # of Entry
    unknown: int = 0
    last: object = None  # as somebody has seen or written it lately; a guess

    @property
    def is_worn(self):
        return self.unknown >= UNKNOWN_MAX or len(self.history) >= OPERATIONS_MAX


@dataclass
class Entry:
    """An operation, and through which router it went."""

    operation: Operation
    router: str
    is_ok: bool  # answered, be it with "condition not met"


@dataclass
class Report:
    """What one run of the clients came to."""

    operations: int = 0
    acknowledged: int = 0
    unknown: int = 0
    unsent: int = 0
    objects: int = 0
    impossible: list = field(default_factory=list)   # sentences
    unjudged: int = 0                                # objects too hard
    unexpected: list = field(default_factory=list)   # refusals that no client has earned
    answered: list = field(default_factory=list)     # (end, begin, group, router, kind), by end

    def gaps(self, since, until, routers=None):
        """{group: the longest time without an answer}, counted within [since, until]; through any of these routers."""
        longest = {}
        for group in {row[2] for row in self.answered}:
            ends = [row[0] for row in self.answered
                    if row[2] == group and since <= row[0] <= until and (routers is None or row[3] in routers)]
            edges = [since, *ends, until]
            longest[group] = max(b - a for a, b in zip(edges, edges[1:]))
        return longest

    def answered_within(self, since, until, router):
        """How many operations began and ended in that time, through that router."""
        at = bisect.bisect_left(self.answered, (since,))
        return sum(1 for end, begin, _, via, _ in self.answered[at:] if end <= until and begin >= since and via == router)

    def write_times(self, since, until, groups):
        return sorted(end - begin for end, begin, group, _, kind in self.answered
                      if kind != "read" and group in groups and since <= begin and end <= until)


class Objects:
    """Hands out the objects in use: one of each kind in each partition at a time."""

    def __init__(self, keys, prefix):
        self.keys, self.prefix = keys, prefix
        self.lock = threading.Lock()
        self.current = {}
        self.all = []

    def take(self, group, kind):
        with self.lock:
            shared = self.current.get((group, kind))
            if shared is None or shared.is_worn:
                shared = Shared(group, self.keys[group], f"{self.prefix}-{kind}-{len(self.all)}", kind)
                self.current[(group, kind)] = shared
                self.all.append(shared)
            return shared


class Worker:
    """One client."""

    def __init__(self, run, number, router, group):
        self.run_of = run
        self.number = number
        self.random = random.Random(f"{run.seed}-{number}")
        self.router, self.group = router, group
        self.client = Client(*run.routers[router], run.key, timeout=TIMEOUT_SECONDS)
        self.sequence = 0
        self.unexpected = []
        self.unsent = 0
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.run_of.stopping.wait(self.run_of.rest_until - time.monotonic()):
            shared = self.run_of.objects.take(self.group, "register" if self.random.random() < 0.7 else "list")
            (self.on_register if shared.kind == "register" else self.on_list)(shared)
            time.sleep(self.random.uniform(0, PAUSE_SECONDS_MAX))
        self.client.close()

    def value(self):
        self.sequence += 1
        return f"{self.number}.{self.sequence}"

    def on_register(self, shared):
        chance, new = self.random.random(), self.value()
        item = {"pk": {"S": shared.pk}, "sk": {"S": shared.sk}, "v": {"S": new}}
        if chance < 0.4:
            self.read(shared)
        elif chance < 0.65:
            self.do(shared, Operation("write", new, 0), "PutItem", Item=item)
        else:
            self.swap(shared, item, new)

    def swap(self, shared, item, new):
        old = shared.last
        if old is None:
            condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        else:
            condition = {"ConditionExpression": "v = :old", "ExpressionAttributeValues": {":old": {"S": old}}}
        self.do(shared, Operation("swap", (old, new), 0), "PutItem", Item=item, **condition)

    def on_list(self, shared):
        if self.random.random() < 0.4:
            self.read(shared)
            return
        new = self.value()
        self.do(shared, Operation("append", new, 0), "UpdateItem", Key={"pk": {"S": shared.pk}, "sk": {"S": shared.sk}},
                UpdateExpression="SET l = list_append(if_not_exists(l, :none), :new)",
                ExpressionAttributeValues={":none": {"L": []}, ":new": {"L": [{"S": new}]}})

    def read(self, shared):
        value_of = VALUES[shared.kind]
        self.do(shared, Operation("read", None, 0), "GetItem", lambda reply: value_of(reply.json.get("Item")),
                Key={"pk": {"S": shared.pk}, "sk": {"S": shared.sk}}, ConsistentRead=True)

    def do(self, shared, operation, name, result_of=lambda reply: True, **request):
        operation.begin = time.monotonic()
        reply = self.client.call(name, TableName=self.run_of.table, **request)
        end = time.monotonic()
        if reply.outcome == UNSENT:
            self.unsent += 1
            return
        if reply.outcome == ACKNOWLEDGED:
            operation.end, operation.result = end, result_of(reply)
        elif reply.error == "ConditionalCheckFailedException":
            operation.end, operation.result = end, False
        elif reply.outcome == REFUSED:
            self.unexpected.append(f"{name}: {reply.status} {reply.body[:200]!r}")
            return
        shared.history.append(Entry(operation, self.router, operation.end is not None))
        self.guess(shared, operation)

    def guess(self, shared, operation):
        """What a swap should look for; wrong at times, as others write meanwhile."""
        if operation.end is None:
            shared.unknown += operation.kind != "read"
        elif operation.kind == "read":
            shared.last = operation.result
        elif operation.result is True:
            shared.last = operation.argument[1] if operation.kind == "swap" else operation.argument


class Run:
    """All clients, for the time of one schedule."""

    def __init__(self, routers, key, table, keys, seed, prefix):
        self.routers, self.key, self.table, self.seed = routers, key, table, seed
        self.objects = Objects(keys, f"{prefix}-{seed}")
        self.stopping = threading.Event()
        self.rest_until = 0
        places = [(router, group) for router in sorted(routers) for group in sorted(keys) for _ in range(CLIENTS)]
        self.workers = [Worker(self, number, *place) for number, place in enumerate(places)]

    def start(self):
        for worker in self.workers:
            worker.thread.start()

    def stop(self):
        self.stopping.set()
        for worker in self.workers:
            worker.thread.join()
        self.look_once_more()

    def look_once_more(self):
        """What was acknowledged must be there in the end: a read of each object, for which the fleet must serve."""
        router, (host, port) = sorted(self.routers.items())[0]
        client = Client(host, port, self.key, timeout=TIMEOUT_SECONDS)
        for shared in self.objects.all:
            begin = time.monotonic()
            found = client.settled("GetItem", TableName=self.table, ConsistentRead=True,
                                   Key={"pk": {"S": shared.pk}, "sk": {"S": shared.sk}}).get("Item")
            operation = Operation("read", None, begin, time.monotonic(), VALUES[shared.kind](found))
            shared.history.append(Entry(operation, router, True))
        client.close()

    def judge(self):
        report = Report(objects=len(self.objects.all))
        for worker in self.workers:
            report.unexpected += worker.unexpected
            report.unsent += worker.unsent
        for shared in self.objects.all:
            self.judge_object(shared, report)
        report.answered.sort()
        return report

    def judge_object(self, shared, report):
        for entry in shared.history:
            report.operations += 1
            report.acknowledged += entry.is_ok
            report.unknown += not entry.is_ok
            if entry.is_ok:
                report.answered.append((entry.operation.end, entry.operation.begin, shared.group, entry.router,
                                        entry.operation.kind))
        try:
            wrong = explain([entry.operation for entry in shared.history], MODELS[shared.kind])
        except TooHard:
            report.unjudged += 1
            return
        if wrong is not None:
            report.impossible.append(f"{shared.pk} {shared.sk}: {wrong} cannot be, after "
                                     f"{[e.operation for e in shared.history if e.operation.begin <= wrong.end][-12:]}")


def serve(pipe, arguments):
    """The clients' process: they work until told "stop", but for rests of so many seconds; then comes the report."""
    try:
        run = Run(*arguments)
        run.start()
        pipe.send("started")
        while (word := pipe.recv()) != "stop":
            run.rest_until = time.monotonic() + word
        run.stop()
        pipe.send(run.judge())
    except EOFError:
        pass


class Clients:
    """The clients, in a process of their own, so that whoever cuts links is not in their way.

        with Clients(routers, key, table, keys, seed, prefix) as clients:
            ...
            report = clients.finish()
    routers: {name: (host, port)}; keys: {group: a partition key in it}
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
        self.process.join(2 * TIMEOUT_SECONDS)
        self.process.terminate()
        self.process.join()

    def rest(self, seconds):
        """None of them begins anything for so long."""
        self.pipe.send(seconds)

    def finish(self):
        self.pipe.send("stop")
        return self.pipe.recv()
