"""`./dev sim [--seeds N | --seed N] [--mutants]`: the simulator, and the mutants that prove it can fail.

Prints the simulator's figures; with --mutants each seeded bug must be caught within 200 seeds. Exits non-zero when
the clean core violates a rule, when a mutant survives, or when seeds were too tame to count.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
SIM = BUILD / "tests" / "sim" / "sim"

# Seeds beyond the default ones that found something once, run with every campaign.
KEPT = {
    9978: "a snapshot asked for, and refused for ever, as the follower had what was in it",
    4082: "the longest log on a learner whose promotion only another voter knows",
}


def run_mutants():
    """Build one simulator for each seeded bug, and run them."""
    built = subprocess.run(["ninja", "-C", str(BUILD), "--quiet", "sim_mutants"], check=False).returncode
    ran = subprocess.run([sys.executable, str(ROOT / "tests" / "sim" / "mutants.py"), "run", str(SIM.parent)],
                         check=False).returncode
    return built or ran


def run_kept():
    """The seeds that found something once."""
    print(f"{len(KEPT)} seeds that once found something:", flush=True)
    return max(subprocess.run([str(SIM), "--seed", str(seed)], check=False).returncode for seed in KEPT)


def main():
    parser = argparse.ArgumentParser(prog="./dev sim")
    parser.add_argument("--seeds", type=int, help="how many seeds to run (default 500)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="one seed, to reproduce a run")
    parser.add_argument("--verbose", action="store_true", help="with --seed: what happens, event by event")
    parser.add_argument("--mutants", action="store_true", help="run the mutants as well")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        more = ["--verbose"] if arguments.verbose else []
        return subprocess.run([str(SIM), "--seed", str(arguments.seed), *more], check=False).returncode
    code = 0
    if arguments.mutants:
        code = run_mutants()
    seeds = arguments.seeds or 500
    clean = subprocess.run([str(SIM), "--from", str(arguments.first), "--seeds", str(seeds), "--jobs", "2"],
                           check=False)
    return clean.returncode or run_kept() or code


if __name__ == "__main__":
    sys.exit(main())
