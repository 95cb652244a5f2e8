"""Mutants: nodes with one thing wrong each, to prove that a schedule would notice.

    mutants.py list                            names, files and daemons, for CMake
    mutants.py make NAME SOURCE OUT            write the broken copy; fails when its pattern no longer matches
    python3 -m tests.nemesis.mutants [NAME...] link them, run the schedule that should notice, print the table

A build step copies one source file, replaces one piece of text and links the result in place of the original (tests/sim/mutants.py).
A mutant is caught when its schedule fails with the sentence that is expected.
"""

import argparse
import contextlib
import io
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.sim.mutants import replace  # noqa: E402

R = "dataplane/replication/"
N = "dataplane/node/"
SEEDS = (1, 2)

# name: (file, text, replacement, daemons, schedule, sentence, what is broken)
MUTANTS = {
    "leader-not-asked-for": (
        R + "group_election.c", "reply->is_granted = !is_hearing && m->term > g->term && is_log_long_enough(g, m) &&\n"
        "                        group_may_vote_for(g, m->from_replica, m->relinquished_term);",
        "reply->is_granted = m->term > g->term && is_log_long_enough(g, m);\n    reply->hears_leader = false;",
        ("node",), "deaf-follower", "elections that nobody needed",
        "whoever is asked for a pre-vote does not say that it hears the leader"),
    "lease-not-needed": (
        R + "group_lease.c", "    uint32_t supporters = 0;\n", "    if (g->role == GROUP_LEADER)\n        return true;\n"
        "    uint32_t supporters = 0;\n", ("node",), "isolated-leader", "the minority acknowledged",
        "a leader without a lease serves, and steps down at no time"),
    "slow-disk-unseen": (
        N + "log_pace.c", "p->is_slow = true;", "p->is_slow = false;", ("node",), "slow-leader", "led on for",
        "no disk counts as slow"),
    "slow-disk-forgotten": (
        N + "node_pace.c", "return log_pace_is_much_slower(pace_of(n, node_id, clock_boot_us()), node_pace_us(n));",
        "return false;", ("node",), "slow-leader", "they do not stay away",
        "leads go back to a slow disk because control prefers it"),
}


def make(name, source, out):
    file, old, new, *_ = MUTANTS[name]
    pathlib.Path(out).write_text(replace(pathlib.Path(source).read_text(), old, new, name))


def run_mutant(name, binaries, port):
    """The seed with which it was caught; None: with none."""
    from tests.nemesis import campaign
    from tests.nemesis.schedules import SCHEDULES
    schedule, sentence = MUTANTS[name][4:6]
    with tempfile.TemporaryDirectory(prefix="sluice-mutant-") as directory:
        for path in binaries.iterdir():
            pathlib.Path(directory, path.name).symlink_to(path)
        for broken in (binaries / "tests" / "nemesis" / "mutants" / name).glob("sluice-*"):
            pathlib.Path(directory, broken.name).unlink()
            pathlib.Path(directory, broken.name).symlink_to(broken)
        for seed in SEEDS:
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                campaign.campaign([s for s in SCHEDULES if s.name == schedule], seed, port, directory, None)
            kept = said.getvalue().partition("kept in ")[2].split()
            if kept:
                shutil.rmtree(kept[0])
            if sentence in said.getvalue():
                return seed
            print(said.getvalue(), file=sys.stderr)
    return None


def main():
    match sys.argv[1:]:
        case ["list"]:
            print("\n".join(f"{name} {mutant[0]} {','.join(mutant[3])}" for name, mutant in MUTANTS.items()))
            return 0
        case ["make", *arguments]:
            make(*arguments)
            return 0
    from tests.nemesis.campaign import PORT
    parser = argparse.ArgumentParser(prog="python3 -m tests.nemesis.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all of them without")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    names = options.names or list(MUTANTS)
    binaries = ROOT / "build" / "release"
    targets = [f"nemesis-mutant-{name}-{daemon}" for name in names for daemon in MUTANTS[name][3]]
    subprocess.run(["ninja", "-C", str(binaries), "--quiet", "-j2", *targets], check=True)
    caught = 0
    for name in names:
        seed = run_mutant(name, binaries, options.port)
        caught += seed is not None
        print(f"{name:22} {MUTANTS[name][4]:18} {'seed ' + str(seed) if seed else 'NOT CAUGHT':12} {MUTANTS[name][-1]}", flush=True)
    print(f"network mutants: {caught} of {len(names)} caught")
    return 0 if caught == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
