"""Control and MemDS on a private PostgreSQL, with nodes and routers played by the test."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from deploy.local import postgres
from deploy.local.fleet import Fleet, http
from tests.integration.controlplane.wire import Message, Refused, Wire, encode
from tests.integration.ports import PORT

HEARTBEAT, PUBLISH, LOOKUP, FETCH, CONTROL = 0x0201, 0x0210, 0x0211, 0x0221, 0x0230
TENANT, ACCESS_KEY, TABLE = 0, 1, 2
LEADER, REMOVED = 2, 4
ROOT = Path(__file__).resolve().parents[3]
BOTH_MEMDS = ["memds-1", "memds-2"]


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise TimeoutError("the condition did not come true")


def connect(fleet, process, role):
    return Wire(process.ports["data"], role=role, cluster_id=fleet.layout.cluster_id())


class Node:
    """Carries out goals at once; a replica that should lead says so once control knows of its creation."""

    def __init__(self, fleet, name, zone, port):
        self.fleet = fleet
        self.name, self.zone, self.port = name, zone, port
        self.node_id = self.goals_version = self.goals_received = 0
        self.boot_epoch = int.from_bytes(os.urandom(7), "big") + 1
        self.replicas = {}  # id -> (group, role, schema version)
        self.creations = {}  # id -> creation id
        self.is_full_wanted = True
        self.is_leading = True  # False: none of its replicas says that it leads
        self.is_stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _heartbeat(self):
        reports = [encode(f1=i, f2=group, f3=role if self.is_leading or role == REMOVED else 0, f4=1, f5=1, f7=schema,
                          f10=0 if role == REMOVED else self.creations[i])
                   for i, (group, role, schema) in self.replicas.items()]
        return encode(f1=self.node_id, f2=self.name, f3=self.zone, f4="127.0.0.1", f5=self.port, f6=self.boot_epoch,
                      f7=True, f8=reports, f9=self.goals_version, f11=500)

    def _take(self, goals):
        self.node_id, self.goals_version = goals[1], goals[2]
        for goal in map(Message, goals.all(4)):
            self.goals_received += 1
            if goal[3] == 1:
                self.replicas[goal[1]] = (goal[2], REMOVED, 0)
                continue
            assert len(goal.all(7)) == 3
            creation = self.creations.setdefault(goal[1], int.from_bytes(os.urandom(7), "big") + 1)
            is_leader = goal[11] == goal[1] and goal[13] == creation
            self.replicas[goal[1]] = (goal[2], LEADER if is_leader else 0, goal[10])

    def _run(self):
        wire = None
        while not self.is_stopping:
            try:
                wire = wire or connect(self.fleet, self.fleet.layout.control(), role=2)
                self._take(wire.call(HEARTBEAT, self._heartbeat())[0])
            except Refused:
                time.sleep(0.05)
            except OSError:
                wire = None
                time.sleep(0.05)

    def stop(self):
        self.is_stopping = True
        self.thread.join()


class Router:
    """Calls control for one tenant."""

    def __init__(self, fleet, tenant_id):
        self.fleet, self.tenant_id = fleet, tenant_id
        self.wire = None

    def call(self, operation, body):
        """(status, exception or answer, bundle version)"""
        self.wire = self.wire or connect(self.fleet, self.fleet.layout.control(), role=1)
        header = encode(f1=self.tenant_id, f2=operation, f3="arn:aws:iam::1:user/root", f4="request")
        reply, payload = self.wire.call(CONTROL, header, json.dumps(body).encode())
        if reply[1] != 200:
            return reply[1], reply.text(2).split("#")[1] + ": " + reply.text(3), 0
        return 200, json.loads(payload), reply[4]

    def status(self, name):
        status, answer, _ = self.call("DescribeTable", {"TableName": name})
        return answer["Table"]["TableStatus"] if status == 200 else answer


def table(name, **more):
    return {"TableName": name, "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST", **more}


@pytest.fixture(scope="module")
def fleet():
    home = Path(tempfile.mkdtemp(prefix="sluice-control-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    fleet = Fleet(home, PORT + 500, os.environ.get("SLUICE_TEST_BINARIES", ROOT / "build" / "release"))
    fleet._prepare()
    try:
        fleet.start("postgres")
        fleet.wait_ready("postgres")
        postgres.create_database(fleet.layout)
        for name in BOTH_MEMDS + ["control-1"]:
            fleet.start(name)
        for name in ["control-1"] + BOTH_MEMDS:  # they have nothing to be ready with before control has spoken
            fleet.wait_ready(name)
        yield fleet
    finally:
        fleet.down()
        if os.environ.get("SLUICE_TEST_KEEP"):
            print("kept", home)
        else:
            shutil.rmtree(home)


@pytest.fixture(scope="module")
def nodes(fleet):
    nodes = [Node(fleet, f"node-{zone}", zone, 9000 + i) for i, zone in enumerate("abc")]
    yield nodes
    for node in nodes:
        node.stop()


_tenants = itertools.count(1)


@pytest.fixture
def router(fleet, nodes):
    tenant = http("POST", fleet.operator_url + "/v1/tenants", {"name": f"tenant {next(_tenants)}"}, fleet.token())
    return Router(fleet, tenant["tenant_id"])


def bundle(fleet, number=1):
    """What a router that starts cold gets from this MemDS: {(kind, id): (version, is deleted)}."""
    wire = connect(fleet, fleet.layout.memds(number), role=1)
    update, _ = wire.call(FETCH, encode(f1=0))
    wire.close()
    objects = [Message(o) for o in update.all(3)]
    return update[2], {(o[1], o.text(2)): (o[3], bool(o[4])) for o in objects}


def test_operator_needs_the_token(fleet):
    for token in (None, "wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            http("GET", fleet.operator_url + "/v1/tenants", token=token)
        assert refused.value.code == 401


def test_tenants_and_keys(fleet):
    key = fleet.create_tenant("keys")
    assert len(key["tenant_id"]) == 12 and key["access_key_id"].startswith("AKIA")
    assert len(key["secret_access_key"]) == 40
    with pytest.raises(urllib.error.HTTPError) as exists:
        http("POST", fleet.operator_url + "/v1/tenants", {"name": "keys"}, fleet.token())
    assert exists.value.code == 409
    revoke = f"{fleet.operator_url}/v1/keys/{key['access_key_id']}/revoke"
    revoked = http("POST", revoke, {}, fleet.token())
    version, objects = wait_for(lambda: (b := bundle(fleet))[0] >= revoked["bundle_version"] and b)
    assert objects[ACCESS_KEY, key["access_key_id"]][0] == revoked["bundle_version"] <= version


def test_table_waits_for_three_zones(fleet, request):
    router = Router(fleet, fleet.create_tenant("early")["tenant_id"])
    assert router.call("CreateTable", table("early"))[0] == 200
    assert router.status("early") == "CREATING"
    in_use = router.call("DeleteTable", {"TableName": "early"})[1]
    assert in_use == ("ResourceInUseException: Attempt to change a resource which is still in use: "
                      "Table is being created: early")
    request.getfixturevalue("nodes")
    wait_for(lambda: router.status("early") == "ACTIVE")
    router.call("DeleteTable", {"TableName": "early"})
    wait_for(lambda: "not found" in router.status("early"))


def test_deletion_protection(router):
    router.call("CreateTable", table("safe", DeletionProtectionEnabled=True))
    wait_for(lambda: router.status("safe") == "ACTIVE")
    status, answer, _ = router.call("DeleteTable", {"TableName": "safe"})
    assert status == 400 and answer.startswith("ValidationException: Resource cannot be deleted")
    assert router.status("safe") == "ACTIVE"


def test_a_table_is_updating_until_its_groups_lead(fleet, router, nodes):
    router.call("CreateTable", table("moving"))
    wait_for(lambda: router.status("moving") == "ACTIVE")
    for node in nodes:
        node.is_leading = False
    fleet.kill("control-1")  # what was reported is forgotten
    fleet.start("control-1")
    fleet.wait_ready("control-1")
    router.wire = None
    status, answer, version = router.call("UpdateTable", {"TableName": "moving", "DeletionProtectionEnabled": True})
    assert status == 200 and answer["TableDescription"]["TableStatus"] == "UPDATING"
    wait_for(lambda: bundle(fleet)[0] >= version, 1)
    in_use = ("ResourceInUseException: Attempt to change a resource which is still in use: "
              "Table is being updated: moving")
    for operation, change in (("UpdateTable", {"TableClass": "STANDARD"}), ("DeleteTable", {})):
        assert router.call(operation, {"TableName": "moving", **change})[1] == in_use
    fleet.kill("control-1")  # whoever is control next goes on with it
    fleet.start("control-1")
    fleet.wait_ready("control-1")
    router.wire = None
    assert router.status("moving") == "UPDATING"
    for node in nodes:
        node.is_leading = True
    wait_for(lambda: router.status("moving") == "ACTIVE")
    assert router.call("DescribeTable", {"TableName": "moving"})[1]["Table"]["DeletionProtectionEnabled"] is True


def test_what_is_updated_outlives_control(fleet, router, nodes):
    router.call("CreateTable", table("changed"))
    wait_for(lambda: router.status("changed") == "ACTIVE")
    arn = router.call("DescribeTable", {"TableName": "changed"})[1]["Table"]["TableArn"]
    for change in ({"BillingMode": "PROVISIONED",
                    "ProvisionedThroughput": {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9}},
                   {"ProvisionedThroughput": {"ReadCapacityUnits": 8, "WriteCapacityUnits": 9}},
                   {"TableClass": "STANDARD_INFREQUENT_ACCESS"}):
        assert router.call("UpdateTable", {"TableName": "changed", **change})[0] == 200
        wait_for(lambda: router.status("changed") == "ACTIVE")
    router.call("TagResource", {"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "1"}]})
    before = router.call("DescribeTable", {"TableName": "changed"})[1]["Table"]
    assert before["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    fleet.kill("control-1")
    fleet.start("control-1")
    fleet.wait_ready("control-1")
    router.wire = None
    assert router.call("DescribeTable", {"TableName": "changed"})[1]["Table"] == before
    assert router.call("ListTagsOfResource", {"ResourceArn": arn})[1] == {"Tags": [{"Key": "a", "Value": "1"}]}


def test_metrics_and_health(fleet):
    for process in (fleet.layout.control(), fleet.layout.memds(1)):
        with urllib.request.urlopen(process.admin_url + "/metrics", timeout=5) as reply:
            assert b"sluice_wire_frames_received" in reply.read()


def test_table_lives_and_dies(fleet, router):
    started = time.monotonic()
    status, answer, version = router.call("CreateTable", table("first"))
    assert status == 200 and answer["TableDescription"]["TableStatus"] == "CREATING"
    wait_for(lambda: bundle(fleet)[0] >= version, 1)
    wait_for(lambda: router.status("first") == "ACTIVE")
    print("active after", round(time.monotonic() - started, 3), "s")
    assert time.monotonic() - started < 1
    description = router.call("DescribeTable", {"TableName": "first"})[1]["Table"]
    assert description["WarmThroughput"] == {
        "ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}
    assert router.call("DescribeTable", {"TableName": description["TableArn"]})[0] == 200
    assert "ResourceInUseException: Table already exists: first" in router.call("CreateTable", table("first"))[1]
    assert router.call("ListTables", {})[1] == {"TableNames": ["first"]}
    status, answer, _ = router.call("DeleteTable", {"TableName": "first"})
    assert status == 200 and answer["TableDescription"]["TableStatus"] == "DELETING"
    gone = wait_for(lambda: "not found" in (s := router.status("first")) and s)
    assert gone == "ResourceNotFoundException: Requested resource not found: Table: first not found"
    wait_for(lambda: bundle(fleet)[1][TABLE, f"{router.tenant_id}/first"][1])
    wait_for(lambda: "gone" in (t := http("GET", fleet.operator_url + "/v1/fleet", token=fleet.token())["tables"])
             and t["gone"] == t["deleting"] == 0)
    assert router.call("CreateTable", table("first"))[0] == 200


def test_provisioned_table_has_its_partitions(fleet, router, nodes):
    before = http("GET", fleet.operator_url + "/v1/fleet", token=fleet.token())["partitions"]
    spec = table("big", BillingMode="PROVISIONED",
                 ProvisionedThroughput={"ReadCapacityUnits": 3001, "WriteCapacityUnits": 1000})
    router.call("CreateTable", spec)
    wait_for(lambda: router.status("big") == "ACTIVE")
    after = http("GET", fleet.operator_url + "/v1/fleet", token=fleet.token())
    assert after["partitions"] - before == 3
    counts = [node["wanted_leaders"] for node in after["nodes"]]
    assert max(counts) - min(counts) <= 1


def test_the_first_creation_that_is_reported_counts(fleet, router, nodes):
    router.call("CreateTable", table("once"))
    wait_for(lambda: router.status("once") == "ACTIVE")
    node = nodes[0]
    replica, creation = next((i, c) for i, c in node.creations.items() if node.replicas[i][1] != REMOVED)

    def named(goals):
        return next(goal[13] for goal in map(Message, goals.all(4)) if goal[1] == replica)
    wire = connect(fleet, fleet.layout.control(), role=2)
    for other in (creation + 1, 0):
        report = encode(f1=replica, f2=node.replicas[replica][0], f3=0, f4=1, f5=1, f10=other)
        goals, _ = wire.call(HEARTBEAT, encode(f1=node.node_id, f2=node.name, f3=node.zone, f4="127.0.0.1", f5=node.port,
                                               f6=node.boot_epoch, f8=[report]))
        assert named(goals) == creation
    fleet.kill("control-1")
    fleet.start("control-1")
    fleet.wait_ready("control-1")
    wire = connect(fleet, fleet.layout.control(), role=2)
    goals, _ = wire.call(HEARTBEAT, encode(f1=node.node_id, f2=node.name, f3=node.zone, f4="127.0.0.1", f5=node.port,
                                           f6=node.boot_epoch))
    assert named(goals) == creation


def test_a_heartbeat_that_was_overtaken_says_nothing(fleet, router):
    """One that brings a creation waits for a commit; a newer one may be taken before it."""
    wire = connect(fleet, fleet.layout.control(), role=2)
    boot = int.from_bytes(os.urandom(7), "big") + 1

    def beat(node_id, version, reports=(), goals=0):
        return wire.call(HEARTBEAT, encode(f1=node_id, f2="lone", f3="a", f4="127.0.0.1", f5=9900, f6=boot, f7=version == 1,
                                           f8=list(reports), f9=goals, f10=version))[0]
    node_id = beat(0, 1)[1]
    router.call("CreateTable", table("overtaken"))  # the only node of its zone without replicas
    goal = wait_for(lambda: next(map(Message, beat(node_id, 1).all(4)), None))

    def report(role):
        return encode(f1=goal[1], f2=goal[2], f3=role, f4=1, f5=1, f7=goal[10], f10=77)

    def state():
        answer = http("GET", f"{fleet.operator_url}/v1/fleet/nodes/{node_id}", token=fleet.token())
        return next(r["state"] for r in answer["replica_list"] if r["group_id"] == goal[2])
    beat(node_id, 2, [report(0)])
    beat(node_id, 4, [report(LEADER)])
    assert state() == "leader"
    beat(node_id, 3, [report(0)])
    assert state() == "leader"
    beat(node_id, 5, [report(0)])
    assert state() == "follower"
    wire.close()
    router.call("DeleteTable", {"TableName": "overtaken"})
    wait_for(lambda: http("GET", f"{fleet.operator_url}/v1/fleet/nodes/{node_id}", token=fleet.token())["state"] == "dead")


def test_tenants_do_not_see_each_other(fleet, router):
    router.call("CreateTable", table("mine"))
    other = Router(fleet, fleet.create_tenant("other")["tenant_id"])
    assert "not found" in other.status("mine")
    arn = router.call("DescribeTable", {"TableName": "mine"})[1]["Table"]["TableArn"]
    assert other.status(arn) == "ResourceNotFoundException: Requested resource not found: Table: mine not found"
    assert other.call("ListTables", {})[1] == {"TableNames": []}


def test_pages_of_tables(router):
    for name in ("ccc", "aaa", "bbb"):
        assert router.call("CreateTable", table(name))[0] == 200
    first = router.call("ListTables", {"Limit": 2})[1]
    assert first == {"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}
    assert router.call("ListTables", {"ExclusiveStartTableName": "bbb"})[1] == {"TableNames": ["ccc"]}


def test_control_is_killed_and_goes_on(fleet, router, nodes):
    router.call("CreateTable", table("kept"))
    fleet.kill("control-1")
    fleet.start("control-1")
    fleet.wait_ready("control-1")
    router.wire = None
    wait_for(lambda: router.status("kept") == "ACTIVE")
    assert router.call("CreateTable", table("after"))[0] == 200
    wait_for(lambda: router.status("after") == "ACTIVE")


def test_postgres_dies_and_comes_back(fleet, router):
    assert router.call("CreateTable", table("durable"))[0] == 200
    wait_for(lambda: router.status("durable") == "ACTIVE")
    version = bundle(fleet)[0]
    file = Path(fleet.layout.memds(1).data_dir, "bundle")
    wait_for(lambda: int.from_bytes(file.read_bytes()[16:24], "little") >= version)
    fleet.kill("postgres")

    def is_refused():
        try:
            return router.call("DescribeTable", {"TableName": "durable"})[0] >= 500
        except Refused:
            return True
    wait_for(is_refused)
    fleet.kill("memds-1")
    fleet.start("memds-1")
    fleet.wait_ready("memds-1")
    assert bundle(fleet)[0] >= version  # from its disk: control cannot push now
    fleet.start("postgres")
    fleet.wait_ready("postgres")
    fleet.wait_ready("control-1")
    assert router.status("durable") == "ACTIVE"
    _, _, created = router.call("CreateTable", table("later"))
    wait_for(lambda: bundle(fleet)[0] >= created)


def test_routes(fleet):
    wire = connect(fleet, fleet.layout.memds(1), role=2)
    replica = encode(f1=1, f2=1, f3="a", f4="127.0.0.1", f5=9000)
    start, middle, end = (n.to_bytes(8, "big") * 2 for n in (700, 701, 702))
    route = dict(f1=70001, f2=start, f3=end, f4=1, f5=1, f7=1, f8=[replica])
    reply, _ = wire.call(PUBLISH, encode(f1=[encode(f6=1, **route), encode(f6=1, **route)]))
    assert (reply[1], reply[2]) == (1, 1)
    wire.call(PUBLISH, encode(f1=[encode(f1=70002, f2=middle, f3=end, f4=2, f5=1, f6=1, f7=2, f8=[replica])]))
    reply, _ = wire.call(LOOKUP, encode(f1=[start, middle, end]))
    assert [Message(r)[1] for r in reply.all(1)] == [70001, 70002, 0]
    wire.close()


def test_garbage_hurts_nobody(fleet, router):
    wire = connect(fleet, fleet.layout.control(), role=1)
    for kind in (HEARTBEAT, CONTROL, 0x0299):
        with pytest.raises(Refused):
            wire.call(kind, b"\xff\xff\xff\xff")
    status, answer, _ = router.call("NoSuchOperation", {})
    assert status == 400 and answer.startswith("UnknownOperationException")
    reply, _ = wire.call(CONTROL, encode(f1=router.tenant_id, f2="CreateTable"), b"{nonsense")
    assert reply[1] == 400 and "SerializationException" in reply.text(2)
    wire.close()


def test_standby_takes_over(fleet, router):
    router.call("CreateTable", table("shared"))
    wait_for(lambda: router.status("shared") == "ACTIVE")
    process = fleet.layout.control()
    moved = {str(port): str(port + 50) for port in process.ports.values()}
    log = open(fleet.layout.path("log", "control-2.log"), "wb")
    standby = subprocess.Popen([moved.get(word, word) for word in process.arguments], stdout=log, stderr=log)
    try:
        wait_for(lambda: b"listening" in fleet.layout.path("log", "control-2.log").read_bytes())
        wire = wait_for(lambda: Wire(process.ports["data"] + 50, role=1, cluster_id=fleet.layout.cluster_id()))
        with pytest.raises(Refused):
            wire.call(CONTROL, encode(f1=router.tenant_id, f2="ListTables"), b"{}")
        fleet.kill("control-1")
        router.wire = wire

        def taken_over():
            try:
                return router.call("ListTables", {})[1] == {"TableNames": ["shared"]}
            except Refused:
                return False
        wait_for(taken_over)
    finally:
        standby.terminate()
        assert standby.wait(timeout=10) == 0
        log.close()
        router.wire = None
        fleet.start("control-1")
        fleet.wait_ready("control-1")


def psql(fleet, sql):
    subprocess.run([str(postgres.BINARIES / "psql"), "-h", str(fleet.layout.path("postgres", "socket")), "-p",
                    str(fleet.layout.port + 15), "-U", "sluice", "-d", "sluice", "-qc", sql], check=True)


@pytest.mark.parametrize("harm, repair, word", [
    ("INSERT INTO migrations VALUES (999, 'later', '', 0)", "DELETE FROM migrations WHERE number = 999",
     b"database_is_newer"),
    ("UPDATE migrations SET checksum = 'x' || checksum", "UPDATE migrations SET checksum = substr(checksum, 2)",
     b"migration_differs"),
])
def test_control_refuses_a_database_that_it_does_not_understand(fleet, harm, repair, word):
    log = fleet.layout.path("log", "control-1.log")
    psql(fleet, harm)
    fleet.kill("control-1")
    fleet.start("control-1")
    wait_for(lambda: word in log.read_bytes())
    assert not fleet._is_ready(fleet.layout.control())
    psql(fleet, repair)
    fleet.wait_ready("control-1")


def test_postgres_hangs(fleet, router):
    pid = fleet.row("postgres")["pid"]
    backends = [int(line) for line in subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True).stdout.split()]
    for process in [*backends, pid]:
        os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        status, _, _ = router.call("CreateTable", table("never"))
        assert status == 500 and time.monotonic() - started < 7
    finally:
        for process in [*backends, pid]:
            os.kill(process, signal.SIGCONT)
    fleet.wait_ready("control-1")
    assert router.call("ListTables", {})[0] == 200


def test_many_tables(fleet, router):
    started = time.monotonic()
    for i in range(200):
        assert router.call("CreateTable", table(f"many-{i}"))[0] == 200
    created = time.monotonic() - started
    wait_for(lambda: all(router.status(f"many-{i}") == "ACTIVE" for i in range(200)))
    print(f"200 tables: {created * 5:.2f} ms each, all active after {time.monotonic() - started:.2f} s")


def test_drains_on_sigterm(fleet):
    for name in ["control-1"] + BOTH_MEMDS:
        assert fleet.stop(name)
        fleet.start(name)
        fleet.wait_ready(name)
