"""`./dev model [--operations N] [--streams N] [--from SEED] | --seed N | --mutants`: random operations over HTTP against
the model, in streams side by side, each with a seed and tables of its own.

With --seed one stream: what a mismatch names, to see it again. Exits non-zero when an answer was not the model's.
"""
import argparse
import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from deploy.local.fleet import Fleet
from deploy.local.layout import HOST, NO_CAPS
from tests.integration.ports import PORT
from tests.model.stream import LearningError, Stream

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / os.environ.get("SLUICE_TEST_BINARIES", "build/release")
SLOW_SHOWN = 20
COMPLAINTS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "assertion failed:", "crash name=")


@contextlib.contextmanager
def running_fleet():
    """A fleet in a directory of its own, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="sluice-model-"))
    home.chmod(0o711)  # PostgreSQL's account must be able to reach its directory below
    fleet = Fleet(home, PORT, BINARIES, node_settings=NO_CAPS)
    try:
        fleet.up()
        yield fleet
    finally:
        fleet.down()
        if os.environ.get("SLUICE_TEST_KEEP"):
            print("kept", home)
        else:
            shutil.rmtree(home)


def complaints_of(fleet):
    """What a process said before it died of itself, or what a sanitizer said."""
    return [f"{log.name}: {line}" for log in sorted(fleet.layout.home.glob("log/*.log"))
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(word in line for word in COMPLAINTS)]


def run_stream(address, key, seed, operations, stop, results):
    stream = Stream(address, key, seed)
    try:
        stream.prepare()
        stream.run(operations, stop.is_set)
    except LearningError as error:
        stream.outcome.difference = "first scan"
        stream.outcome.mismatch = f"seed {seed}, before its first operation: {error}"
    except Exception as error:  # whatever it is belongs into the report
        stream.outcome.mismatch = f"seed {seed}, operation {stream.outcome.done}: {type(error).__name__}: {error}"
    if stream.outcome.mismatch is not None:
        stop.set()
    results.put(stream.outcome)


def run_streams(fleet, key, seeds, operations):
    """The outcomes of streams of so many operations each; one that fails stops the others."""
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    address = (HOST, fleet.layout.port)
    workers = [multiprocessing.Process(target=run_stream, args=(address, key, seed, operations, stop, results),
                                       daemon=True)
               for seed in seeds]
    for worker in workers:
        worker.start()
    outcomes = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return outcomes


def summary(outcomes, seconds):
    counts = sum((outcome.counts for outcome in outcomes), Counter())
    refusals = sum((outcome.refusals for outcome in outcomes), Counter())
    print("operations: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    print("refused as the model says: " + ", ".join(f"{name} {count}" for name, count in refusals.most_common()))
    repeated, retried, unknown = (sum(getattr(outcome, name) for outcome in outcomes)
                                  for name in ("repeated", "retried", "unknown"))
    print(f"eventual reads asked again as a replica was behind: {repeated}; too slow for the service, and asked again: "
          f"{retried}, read back: {unknown}; slowest {max(outcome.seconds_max for outcome in outcomes):.1f} s")
    for line in sum((outcome.slow for outcome in outcomes), [])[:SLOW_SHOWN]:
        print(line)
    mismatches = [outcome.mismatch for outcome in outcomes if outcome.mismatch is not None]
    for mismatch in mismatches:
        print(mismatch)
    verdict = "passed" if not mismatches else "FAILED"
    print(f"model: {counts.total()} operations in {len(outcomes)} streams in {seconds:.0f} s, "
          f"{refusals.total()} refused, {len(mismatches)} mismatches: {verdict}")
    return not mismatches


def main():
    parser = argparse.ArgumentParser(prog="./dev model")
    parser.add_argument("--operations", type=int, default=50000, help="of all streams together (default 50000)")
    parser.add_argument("--streams", type=int, default=4, help="how many side by side (default 4)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first stream's seed")
    parser.add_argument("--seed", type=int, help="one stream, to see a mismatch again")
    parser.add_argument("--mutants", action="store_true", help="only the mutants: each must be caught")
    options = parser.parse_args()
    if options.mutants:
        return subprocess.run([sys.executable, "-m", "tests.model.mutants"], cwd=ROOT, check=False).returncode
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.streams)
    with running_fleet() as fleet:
        start = time.monotonic()
        outcomes = run_streams(fleet, fleet.create_tenant("model"), seeds, -(-options.operations // len(seeds)))
        is_good = summary(outcomes, time.monotonic() - start)
        complaints = complaints_of(fleet)
    if complaints:
        print("\n".join(complaints))
    return 0 if is_good and not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
