"""`./dev faults`: a fleet of its own under load, and what becomes of it; what was lost, how long it took.

    --kills N          kill -9 of one process after the other
    --handovers N      leads moved on purpose                       (handovers.py)
    --restart          every process starts again, one by one       (rolling_restart.py)
    --cold-start       all routers and MemDS die at full load       (cold_start.py)
    --metadata-spike   ten times the usual look-ups                 (metadata_spike.py)

Exits non-zero when an acknowledged write is lost, a write is applied twice, something unexpected is answered, or
a partition is out of service for longer than promised.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.fleet import Fleet, FleetError
from deploy.local.layout import NO_CAPS
from tests.faults import cold_start, handovers, kill_run, metadata_spike, rolling_restart
from tests.faults.kill_probe import percentile

PORT = 23000
OUTAGE_MEDIAN_SECONDS_MAX = 1.6
OUTAGE_SECONDS_MAX = 2.5
SENTENCES_SHOWN_MAX = 20
SPLIT_SIZE = "24KiB"  # so small that the load's table splits all the time


def say(text):
    print(text, flush=True)


def judge_outages(result):
    """Prints the outages; whether they are within the bounds."""
    led = [gap for kill in result.kills for gap in kill.led]
    others = [gap for kill in result.kills for gap in kill.others]
    is_good = True
    if led:
        median, worst = statistics.median(led), max(led)
        is_good = median <= OUTAGE_MEDIAN_SECONDS_MAX and worst <= OUTAGE_SECONDS_MAX
        say(f"outage of {len(led)} partitions whose leader died: median {median:.2f} s (bound "
            f"{OUTAGE_MEDIAN_SECONDS_MAX} s), p95 {percentile(led, 0.95):.2f} s, max {worst:.2f} s (bound "
            f"{OUTAGE_SECONDS_MAX} s)")
    if others:
        is_good = is_good and max(others) <= OUTAGE_SECONDS_MAX
        say(f"longest gap of {len(others)} other partitions: median {statistics.median(others):.2f} s, max "
            f"{max(others):.2f} s (bound {OUTAGE_SECONDS_MAX} s)")
    say(f"killed processes had caught up after: median "
        f"{statistics.median(kill.caught_up_seconds for kill in result.kills):.1f} s, max "
        f"{max(kill.caught_up_seconds for kill in result.kills):.1f} s")
    return is_good


def judge_items(report):
    """Prints what was found wrong; whether nothing was."""
    for name in ("lost", "doubled", "unexpected"):
        for sentence in getattr(report, name)[:SENTENCES_SHOWN_MAX]:
            say(f"{name.upper()}: {sentence}")
    say(f"acknowledged {report.acknowledged}, refused {report.refused}, unanswered {report.unanswered}, "
        f"no connection {report.unsent}")
    return report.is_clean


def run_kills(fleet, kills, seed):
    begin = time.monotonic()
    result = kill_run.run(fleet, fleet.create_tenant("faults"), kills, seed, say=say)
    seconds = time.monotonic() - begin
    say(f"partitions split meanwhile: {result.splits}")
    are_outages_good = judge_outages(result)
    is_good = judge_items(result.report) and are_outages_good
    report = result.report
    say(f"{kills} kills in {seconds:.0f} s (seed {seed}): acknowledged {report.acknowledged}, checked "
        f"{report.checked}, lost {len(report.lost)}, doubled {len(report.doubled)}, unexpected "
        f"{len(report.unexpected)}: {'passed' if is_good else 'FAILED'}")
    return is_good


def run_handovers(fleet, count, seed):
    result = handovers.run(fleet, fleet.create_tenant("faults"), count, seed, say=say)
    say(handovers.describe_noise(result))
    is_good = judge_items(result.report) and result.is_within_bounds and result.failed == 0
    say(f"{result.summary()}: {'passed' if is_good else 'FAILED'}")
    return is_good


def run_restart(fleet, seed):
    result = rolling_restart.run(fleet, fleet.create_tenant("faults"), seed, say=say)
    for sentence in result.boto_failures[:SENTENCES_SHOWN_MAX]:
        say(f"FAILED: {sentence}")
    is_good = judge_items(result.report) and result.is_good
    say(f"{result.summary()}: {'passed' if is_good else 'FAILED'}")
    return is_good


def run_cold_start(fleet, binaries):
    result = cold_start.run(fleet, Path(binaries) / "sluice-load", fleet.create_tenant("faults"), say=say)
    say(f"{result.summary()}: {'passed' if result.is_within_bounds else 'FAILED'}")
    return result.is_within_bounds


def run_spike(fleet, seed):
    result = metadata_spike.run(fleet, fleet.create_tenant("faults"), seed, say=say)
    for sentence in result.failed[:SENTENCES_SHOWN_MAX]:
        say(f"FAILED: {sentence}")
    is_good = judge_items(result.report) and result.is_good
    say(f"{result.summary()}: {'passed' if is_good else 'FAILED'}")
    return is_good


def campaign(run, port, binaries, loops, split_size):
    """Runs run(fleet), which prints its figures and says whether they are good, on a fleet of its own."""
    home = Path(tempfile.mkdtemp(prefix="sluice-faults-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    fleet = Fleet(home, port, binaries, loops, node_settings=[*NO_CAPS, "--split-size", split_size])
    is_good = False
    try:
        fleet.up(say=lambda text: say(f"    {text}"))
        is_good = run(fleet)
    finally:
        fleet.down()
        if is_good:
            shutil.rmtree(home)
        else:
            say(f"logs and data are kept in {home}")
    return 0 if is_good else 1


def main():
    parser = argparse.ArgumentParser(prog="./dev faults")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--handovers", type=int, default=None, help="move so many leads instead")
    parser.add_argument("--restart", action="store_true", help="start every process again, one by one, instead")
    parser.add_argument("--cold-start", action="store_true", help="all routers and MemDS at once, at full load, instead")
    parser.add_argument("--metadata-spike", action="store_true", help="ten times the usual look-ups instead")
    parser.add_argument("--seed", type=int, default=None, help="order of the victims; default: by the clock")
    parser.add_argument("--port", type=int, default=PORT, help="base of the fleet's ports")
    parser.add_argument("--loops", type=int, default=None, help="of each node; default: as ./dev up")
    parser.add_argument("--split-size", default=SPLIT_SIZE, help="of a partition's items, from which on it is split")
    parser.add_argument("--binaries", default=str(Path(__file__).resolve().parents[2] / "build" / "release"))
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills must be at least 1")
    seed = int(time.time()) if options.seed is None else options.seed
    def run(fleet):
        if options.handovers is not None:
            return run_handovers(fleet, options.handovers, seed)
        if options.cold_start:
            return run_cold_start(fleet, options.binaries)
        if options.metadata_spike:
            return run_spike(fleet, seed)
        if options.restart:
            return run_restart(fleet, seed)
        return run_kills(fleet, options.kills, seed)

    return campaign(run, options.port, options.binaries, options.loops, options.split_size)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FleetError, TimeoutError) as error:
        print(f"./dev faults: {error}", file=sys.stderr)
        sys.exit(1)
