"""`./dev faults [--kills N] [--seed N]`: kill -9 under load on a fleet of its own; what was lost, how long it took.

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
from tests.faults import kill_run

PORT = 23000
OUTAGE_MEDIAN_SECONDS_MAX = 1.6
OUTAGE_SECONDS_MAX = 2.5
SENTENCES_SHOWN_MAX = 20
SPLIT_SIZE = "24KiB"  # so small that the load's table splits all the time


def say(text):
    print(text, flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


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


def campaign(kills, seed, port, binaries, loops, split_size):
    home = Path(tempfile.mkdtemp(prefix="sluice-faults-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    fleet = Fleet(home, port, binaries, loops, node_settings=[*NO_CAPS, "--split-size", split_size])
    is_good = False
    try:
        fleet.up(say=lambda text: say(f"    {text}"))
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
    parser.add_argument("--seed", type=int, default=None, help="order of the victims; default: by the clock")
    parser.add_argument("--port", type=int, default=PORT, help="base of the fleet's ports")
    parser.add_argument("--loops", type=int, default=None, help="of each node; default: as ./dev up")
    parser.add_argument("--split-size", default=SPLIT_SIZE, help="of a partition's items, from which on it is split")
    parser.add_argument("--binaries", default=str(Path(__file__).resolve().parents[2] / "build" / "release"))
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills must be at least 1")
    seed = int(time.time()) if options.seed is None else options.seed
    return campaign(options.kills, seed, options.port, options.binaries, options.loops, options.split_size)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FleetError, TimeoutError) as error:
        print(f"./dev faults: {error}", file=sys.stderr)
        sys.exit(1)
