"""`./dev test [--long] [SUITE...]`: run the suites one after the other, each with a limit; print their minutes.

A suite is a command. What it prints is shown as it comes, with its runner's own closing line; the exit code says
whether it passed. All suites run, also after one failed.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

STOP_SECONDS = 60
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
CTEST = ["ctest", "--output-on-failure", "--no-tests=error"]


@dataclass
class Suite:
    name: str
    about: str
    command: list
    minutes_max: float
    is_long_only: bool = False


def ninja(preset):
    configure = f"test -f build/{preset}/build.ninja || cmake --preset {preset} >/dev/null"
    return ["sh", "-c", f"({configure}) && exec ninja -C build/{preset} --quiet"]


def suites(is_long):
    long_flag = ["--long"] if is_long else []
    # Some seeds are too tame to count: so many give 500 (20,000) that do.
    seeds = "24000" if is_long else "600"
    return [
        Suite("build", "release build, gcc", ninja("release"), 10),
        Suite("build-clang", "the same sources without a warning from clang", ninja("clang"), 10),
        Suite("build-asan", "with AddressSanitizer and UndefinedBehaviorSanitizer", ninja("asan"), 10),
        Suite("tidy", "arrows, banned names, headers that stand alone",
              ["/usr/bin/python3", "-m", "tests.tidy"], 5),
        Suite("unit", "unit tests, models, fault loops",
              [*CTEST, "--test-dir", "build/release", "-j2"], 10),
        Suite("unit-asan", "unit tests under the sanitizers",
              [*CTEST, "--test-dir", "build/asan", "-j2", "-R", "^unit/"], 10),
        Suite("simulator", "seeds of the replicated core, and its mutants",
              ["/usr/bin/python3", "-m", "tests.sim.campaign", "--seeds", seeds, "--mutants"],
              600 if is_long else 8),
        Suite("power-cut", "a power cut at each system call of a long trace (2,000 of them are in `unit`)",
              ["build/release/tests/faults/powercut", "--cuts", "10000"], 30, is_long_only=True),
        Suite("simulator-asan", "seeds under the sanitizers",
              ["build/asan/tests/sim/sim", "--seeds", "20", "--jobs", "2"], 5),
        Suite("model", "random operations over HTTP against a small DynamoDB",
              ["/usr/bin/python3", "-m", "tests.model.campaign", "--operations", "1000000" if is_long else "50000"],
              120 if is_long else 10),
        Suite("model-mutants", "routers and nodes with one thing wrong each, found by the suite before",
              ["/usr/bin/python3", "-m", "tests.model.mutants", *([] if is_long else ["--sample"])],
              60 if is_long else 5),
        Suite("network-judge", "the judge of histories: known good ones, bad ones, and every order of random ones",
              [*PYTEST, "tests/nemesis"], 2),
        Suite("network", "links cut in network namespaces, a slow disk; histories are judged, a minority says nothing",
              ["/usr/bin/python3", "-m", "tests.nemesis.campaign", *([] if is_long else ["--sample"])],
              15 if is_long else 4),
        Suite("integration-asan", "boto3's tours and the walk through the model, of a fleet under the sanitizers",
              ["env", "SLUICE_TEST_BINARIES=build/asan", *PYTEST,
               *(f"tests/integration/test_{name}.py" for name in ("tour_boto3", "tour_api_boto3", "model", "model_effects"))],
              5),
        Suite("integration", "stock clients, kills, static stability, bad input on a fleet",
              [*PYTEST, "-n", "2", "--dist", "loadfile", "tests/integration", *long_flag], 120 if is_long else 16),
    ]


def stop(child):
    """It may take down what it has started; then it is killed."""
    os.killpg(child.pid, signal.SIGINT)
    try:
        child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def run(suite):
    """The suite's exit code, and the seconds it took."""
    print(f"\n== {suite.name}: {suite.about}", flush=True)
    start = time.monotonic()
    child = subprocess.Popen(suite.command, start_new_session=True)
    try:
        code = child.wait(timeout=suite.minutes_max * 60)
    except subprocess.TimeoutExpired:
        print(f"== {suite.name}: over its limit of {suite.minutes_max} minutes", flush=True)
        stop(child)
        code = 1
    except KeyboardInterrupt:
        stop(child)
        raise
    return code, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(prog="./dev test")
    parser.add_argument("--long", action="store_true", help="the full campaigns")
    parser.add_argument("suite", nargs="*", help="only these")
    arguments = parser.parse_args()
    table = suites(arguments.long)
    names = [suite.name for suite in table]
    for name in arguments.suite:
        if name not in names:
            parser.error(f"no suite '{name}'; there are: {', '.join(names)}")
    chosen = [s for s in table
              if (s.name in arguments.suite if arguments.suite else arguments.long or not s.is_long_only)]

    results = [(suite, *run(suite)) for suite in chosen]

    print("\n== minutes")
    for suite, code, seconds in results:
        print(f"  {seconds / 60:6.2f}  {'passed' if code == 0 else 'FAILED'}  {suite.name}")
    failed = sum(code != 0 for _, code, _ in results)
    print(f"  {sum(seconds for _, _, seconds in results) / 60:6.2f}  in all\n")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
