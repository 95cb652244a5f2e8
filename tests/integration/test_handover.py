"""Leads moved by an operator under load: they go where they are wanted, nobody's request fails, nothing is lost.

How long a partition takes no write meanwhile is measured, and held against its bounds, by `./dev faults --handovers 40`.
"""

import urllib.error

import pytest

from deploy.local.fleet import http
from tests.faults import handovers, kill_probe

HAND_OVERS = 6
HAND_OVERS_LONG = 40


def test_leads_move_under_load_and_no_request_fails(fleet, is_long):
    key = fleet.create_tenant("handovers")
    result = handovers.run(fleet, key, HAND_OVERS_LONG if is_long else HAND_OVERS, seed=5, say=print)
    print(result.summary())
    report = result.report
    assert (report.lost, report.doubled, report.unexpected) == ([], [], [])
    assert result.failed == 0
    assert report.unanswered == 0 and report.unsent == 0
    assert report.acknowledged > 200 and report.checked > 200


def refusal(fleet, group, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        http("POST", f"{fleet.operator_url}/v1/groups/{group}/leader", body, fleet.token())
    return refused.value.code


def test_a_lead_cannot_be_moved_to_where_no_replica_is(fleet):
    group = min(kill_probe.leaders(fleet) or {1: ""})
    assert refusal(fleet, group, {"node": "node-99"}) == 404
    assert refusal(fleet, 10**15, {"node": "node-1"}) == 404
    assert refusal(fleet, "x1", {"node": "node-1"}) == 400
    assert refusal(fleet, group, {"node": 1}) == 400
    assert refusal(fleet, group, {}) == 400
