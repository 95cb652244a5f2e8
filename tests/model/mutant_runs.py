"""Runs the mutants: one fleet, whose routers or nodes are replaced by each mutant in turn."""
import subprocess
import time

from tests.model import campaign

DIRECTORY = campaign.BINARIES / "tests" / "model" / "mutants"


def link(mutants):
    targets = [f"model-mutant-{name}-{daemon}" for name, mutant in mutants.items() for daemon in mutant[3]]
    subprocess.run(["ninja", "-C", str(campaign.BINARIES), "--quiet", *targets], check=True)


class Swapped:
    """The fleet, and of which mutant its routers and nodes are (None: of none)."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.mutant_of = {"router": None, "node": None}

    def swap(self, name, daemons):
        for role, was in self.mutant_of.items():
            wanted = name if role in daemons else None
            if wanted != was:
                self.restart(role, campaign.BINARIES if wanted is None else DIRECTORY / wanted)
                self.mutant_of[role] = wanted

    def restart(self, role, binaries):
        names = [row["name"] for row in self.fleet.rows() if row["role"] == role]
        for name in names:
            self.fleet.kill(name)
        self.fleet.layout.binaries = binaries
        for name in names:
            self.fleet.start(name)
        self.fleet.layout.binaries = campaign.BINARIES
        for name in names:
            self.fleet.wait_ready(name)


def first_difference(outcomes):
    """The outcome of the stream that found the mutant; an answer that never came proves nothing."""
    found = [outcome for outcome in outcomes if outcome.difference not in (None, "no answer")]
    return min(found, key=lambda outcome: outcome.done, default=None)


def run(mutants, operations, seeds):
    link(mutants)
    caught = 0
    print(f"{'mutant':26} {'after':>6} {'seed':>4}  {'difference':18} what is broken")
    with campaign.running_fleet() as fleet:
        swapped = Swapped(fleet)
        for name, (*_, daemons, about) in mutants.items():
            start = time.monotonic()
            swapped.swap(name, daemons)
            outcomes = campaign.run_streams(fleet, fleet.create_tenant(name), seeds, operations)
            found = first_difference(outcomes)
            caught += found is not None
            after, seed, difference = (found.done, found.seed, found.difference) if found else ("-", "-", "NOT CAUGHT")
            print(f"{name:26} {after:>6} {seed:>4}  {difference:18} {about} ({time.monotonic() - start:.0f} s)", flush=True)
            for outcome in outcomes if found is None else []:
                print(outcome.mismatch or f"  seed {outcome.seed}: {outcome.done} operations")
    print(f"model mutants: {caught} of {len(mutants)} caught within {operations} operations of each of {len(seeds)} seeds")
    return 0 if caught == len(mutants) else 1
