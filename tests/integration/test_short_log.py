"""Restarts after the log has been shortened, many times: older segments are gone, and what is needed of them was
repeated in later ones."""

from pathlib import Path

from deploy.local.layout import HOST
from tests.faults import kill_probe, kill_run
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for

from .conftest import own_fleet

# So small that what a round writes, 40 MB, goes through several segments.
SETTINGS = ["--log-segment", "16MiB", "--log-retention", "1MiB", "--flush-interval", "200ms"]
ITEMS = 200
ROUNDS = 2


def oldest_segments(fleet):
    """{node: its oldest log file's generation}"""
    return {row["name"]: min(path.name for path in Path(row["data_dir"], "log").glob("*.segment"))
            for row in fleet.rows() if row["role"] == "node"}


def fill(client, round_):
    for number in range(ITEMS):
        client.settled("PutItem", TableName="short", Item={"pk": {"S": f"{number}"}, "round": {"N": f"{round_}"},
                                                           "v": {"S": "x" * 200_000}})


def check(client, round_):
    for number in range(ITEMS):
        item = client.settled("GetItem", TableName="short", Key={"pk": {"S": f"{number}"}}, ConsistentRead=True)
        assert item["Item"]["round"] == {"N": f"{round_}"}


def test_replicas_come_back_when_older_segments_of_their_log_are_gone():
    with own_fleet(SETTINGS) as fleet:
        client = Client(HOST, fleet.layout.port, fleet.create_tenant("short"))
        create_table(client, "short")
        nodes = [row["name"] for row in fleet.rows() if row["role"] == "node"]
        for round_ in range(ROUNDS):
            before = oldest_segments(fleet)
            fill(client, round_)
            wait_for(lambda: all(oldest_segments(fleet)[n] > before[n] for n in nodes), 20, "logs to be shortened")
            kill_run.kill_processes(fleet, nodes)
            kill_run.start_again(fleet, nodes)
            kill_run.wait_caught_up(fleet, nodes)
            assert {replica.state for replica in kill_probe.replicas(fleet)} == {"active"}
            check(client, round_)
