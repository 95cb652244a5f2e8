"""`./dev faults --network [--seed N] [--schedule NAME]...`: a fleet in network namespaces, its links cut and its disks slowed,
while clients write down what they are told.

A line for each schedule: operations, those whose outcome nobody knows, elections, the longest time that a partition was without an
answer, and the verdict. Exits non-zero when a history is not linearizable, a minority acknowledged, a leader was elected that
nobody needed, or a partition was out of service for longer than OUTAGE_SECONDS_MAX on the side that has the majority.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.fleet import FleetError
from tests.faults.kill_probe import wait_for
from tests.nemesis.clients import Clients
from tests.nemesis.scene import SETTLED_SECONDS_MAX, TABLE, Scene
from tests.nemesis.schedules import SCHEDULES

PORT = 24000
WARM_SECONDS = 1.5
AFTER_SECONDS = 1.5
# The promise of a failover is 2.5 s; on a machine that may be busy with anything more is allowed.
OUTAGE_SECONDS_MAX = 10
SENTENCES_SHOWN_MAX = 10


def say(text):
    print(text, flush=True)


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def judge(schedule, harm, report, elections):
    """What was wrong, in sentences."""
    wrong = list(harm.wrong)
    wrong += [f"not linearizable: {sentence}" for sentence in report.impossible]
    wrong += [f"unexpected: {sentence}" for sentence in report.unexpected]
    if report.unjudged:
        wrong.append(f"{report.unjudged} objects have too many unknown outcomes to be judged")
    for router, since in harm.silent.items():
        said = report.answered_within(since, harm.until, router)
        if said:
            wrong.append(f"the minority acknowledged {said} operations through {router}")
    if schedule.elections_max is not None and elections > schedule.elections_max:
        wrong.append(f"{elections} elections that nobody needed")
    if longest_outage(harm, report) > OUTAGE_SECONDS_MAX:
        wrong.append(f"a partition was without service for more than {OUTAGE_SECONDS_MAX} s")
    return wrong


def longest_outage(harm, report):
    gaps = report.gaps(harm.since, harm.until + (0 if harm.ends_in_rest else AFTER_SECONDS), harm.routers)
    return max(gaps.values(), default=float("inf"))


def describe(harm, report):
    """Times of writes side by side, and what the schedule remarked."""
    words = list(harm.remarks)
    for name, since, until, groups in harm.compare:
        times = report.write_times(since, until, groups)
        words.append(f"writes {name}: {len(times)}, p50 {1000 * percentile(times, 0.5):.1f} ms, "
                     f"p99 {1000 * percentile(times, 0.99):.1f} ms")
    return words


def run_one(scene, schedule, seed):
    """Whether the schedule passed."""
    chance = random.Random(f"{seed}-{schedule.name}")
    scene.wait_settled()
    with Clients(scene.routers, scene.key, TABLE, scene.keys, seed, schedule.name) as clients:
        time.sleep(WARM_SECONDS)
        before = scene.elections()
        try:
            scene.clients = clients
            harm = schedule.do(scene, chance)
        finally:
            scene.heal()
        wait_for(scene.is_whole, SETTLED_SECONDS_MAX, "the replicas to have what their leaders have")
        time.sleep(AFTER_SECONDS)
        elections = scene.elections() - before  # those that the end of the harm brings count, too
        report = clients.finish()
    wrong = judge(schedule, harm, report, elections)
    say(f"{schedule.name:<22} {report.operations:6} operations, {report.unknown:4} unknown, {elections:3} elections, "
        f"longest outage {longest_outage(harm, report):5.2f} s: {'FAILED' if wrong else 'linearizable'}")
    for sentence in [*describe(harm, report), *wrong[:SENTENCES_SHOWN_MAX]]:
        say(f"    {sentence}")
    return not wrong


def campaign(schedules, seed, port, binaries, loops):
    home = Path(tempfile.mkdtemp(prefix="sluice-nemesis-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    begin = time.monotonic()
    failed = []
    is_over = False
    try:
        with Scene(home, port, binaries, loops) as scene:
            for schedule in schedules:
                if not run_one(scene, schedule, seed):
                    failed.append(schedule.name)
        is_over = True
    finally:
        if is_over and not failed:
            shutil.rmtree(home)
        else:
            say(f"logs and data are kept in {home}")
    say(f"network: {len(schedules)} schedules in {time.monotonic() - begin:.0f} s (seed {seed}), "
        f"{len(failed)} failed{': ' if failed else ''}{', '.join(failed)}: {'FAILED' if failed else 'passed'}")
    return 1 if failed else 0


def main():
    names = [schedule.name for schedule in SCHEDULES]
    parser = argparse.ArgumentParser(prog="./dev faults --network", description=f"Schedules: {', '.join(names)}")
    parser.add_argument("--seed", type=int, default=None, help="who is cut from whom, and when; default: by the clock")
    parser.add_argument("--schedule", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--sample", action="store_true", help="the four of ./dev test")
    parser.add_argument("--port", type=int, default=PORT, help="names the namespaces; base of the fleet's ports")
    parser.add_argument("--loops", type=int, default=None, help="of each node; default: as ./dev up")
    parser.add_argument("--binaries", default=str(Path(__file__).resolve().parents[2] / "build" / "release"))
    options = parser.parse_args()
    chosen = [schedule for schedule in SCHEDULES
              if (schedule.name in options.schedule if options.schedule else schedule.is_sample or not options.sample)]
    seed = int(time.time()) if options.seed is None else options.seed
    return campaign(chosen, seed, options.port, options.binaries, options.loops)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (FleetError, TimeoutError, OSError) as error:
        print(f"./dev faults --network: {error}", file=sys.stderr)
        sys.exit(1)
