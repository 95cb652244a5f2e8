"""Kill -9 under load: nothing acknowledged is lost, nothing refused or unanswered is applied twice.

The campaign itself is tests/faults/kill_run.py; `./dev faults` runs more of it, and holds it to the promised times.
Here, on a machine that may be busy with anything, only what must be true at any speed is asserted: each partition
serves again and each killed process catches up (within the campaign's own waits, a minute).
"""

from tests.faults import kill_run

KILLS = 11  # each process of the fleet once, a leader, the whole fleet
KILLS_LONG = 50


def test_kills_under_load_lose_nothing_and_double_nothing(fleet, is_long):
    key = fleet.create_tenant("kills")
    result = kill_run.run(fleet, key, KILLS_LONG if is_long else KILLS, seed=20, say=print)
    report = result.report
    assert report.lost == []
    assert report.doubled == []
    assert report.unexpected == []
    assert report.acknowledged > 1000 and report.checked > 1000
    assert {kill.victim for kill in result.kills} >= {"postgres", "control-1", "memds-1", "memds-2", kill_run.WHOLE_FLEET}
