"""A rolling restart under load: stock clients see nothing of it, and it survives the control that carries it out.

`./dev faults --restart` prints the figures.
"""

import subprocess
import urllib.error

from deploy.local.fleet import http
from tests.faults import kill_run, rolling_restart
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for
from tests.integration.conftest import binary

WAIT_SECONDS = 120


def pids(fleet):
    return {row["name"]: row["pid"] for row in fleet.rows()}


def test_every_process_starts_again_and_no_request_of_boto3_fails(fleet):
    before = pids(fleet)
    result = rolling_restart.run(fleet, fleet.create_tenant("restart"), seed=9, say=print)
    print(result.summary())
    assert result.boto_failures == []
    report = result.report
    assert (report.lost, report.doubled, report.unexpected) == ([], [], [])
    assert result.boto_requests > 50 and report.acknowledged > 200
    assert pids(fleet) == before  # each is the process that it was, in another life
    assert {role for role, _ in result.steps} == {"node", "router", "memds", "control"}
    assert {name for _, name in result.steps} == set(before) - {"postgres", "control-1"} | {"control"}


def order(fleet, method):
    """What control answers: (status, words)."""
    try:
        return 200, http(method, f"{fleet.operator_url}/v1/fleet/restart", {} if method == "POST" else None, fleet.token())
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def is_refused_as_not_whole(fleet):
    """Control may not have missed the node yet; then it is taken back."""
    status, words = order(fleet, "POST")
    if status == 200:
        assert order(fleet, "DELETE")[0] == 200
    return status == 503 and ("silent" in words or "replicas" in words)


def test_it_goes_on_under_another_control_and_there_is_one_at_a_time(fleet):
    started = rolling_restart.begin(fleet)
    assert order(fleet, "POST")[0] == 409
    first = started["steps"][0]["name"]
    wait_for(lambda: (rolling_restart.status(fleet) or started)["steps"][0]["state"] != "waiting", WAIT_SECONDS,
             f"{first} to be told")
    kill_run.kill_processes(fleet, ["control-1"])
    kill_run.start_again(fleet, ["control-1"])
    steps = rolling_restart.follow(fleet, print)
    assert [name for _, name in steps] == [step["name"] for step in started["steps"]]
    assert order(fleet, "DELETE")[0] == 404  # it is over


def test_it_is_refused_while_a_replica_is_missing_and_can_be_stopped(fleet):
    client = Client("127.0.0.1", fleet.layout.port, fleet.create_tenant("whole"))
    create_table(client, "whole")
    kill_run.kill_processes(fleet, ["node-3"])
    wait_for(lambda: is_refused_as_not_whole(fleet), WAIT_SECONDS, "the missing node to be noticed")
    kill_run.start_again(fleet, ["node-3"])
    rolling_restart.begin(fleet)
    status, stopped = order(fleet, "DELETE")
    assert status == 200 and not stopped["is_running"]
    kill_run.wait_caught_up(fleet, ["node-1", "node-2", "node-3"])


def sluice(fleet, *words):
    return subprocess.run([binary("sluice"), "--url", fleet.operator_url, "--token-file",
                           str(fleet.layout.operator_token), *words], capture_output=True, text=True, timeout=300,
                          check=False)


def test_the_command_line_follows_it_line_by_line(fleet):
    wait_for(lambda: (rolling_restart.status(fleet) or {}).get("is_running") is False, WAIT_SECONDS, "no restart")
    done = None

    def run():
        nonlocal done
        done = sluice(fleet, "fleet", "restart")
        return done.returncode == 0 or "ServiceUnavailable" not in done.stderr  # until the fleet is whole

    wait_for(run, WAIT_SECONDS, "the restart to begin")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("node-2 ") and line.endswith("is back")]
    assert lines[-1].startswith("all ")
    shown = sluice(fleet, "fleet", "restart", "--status")
    assert shown.returncode == 0 and "done" in shown.stdout
