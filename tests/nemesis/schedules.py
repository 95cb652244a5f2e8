"""Twelve ways in which a network or a disk is bad, while clients work.

A schedule gets the scene and a random number generator of its own, does its harm, and returns when it is over (`Harm`); the
campaign heals the scene, waits until it has settled, and judges.
"""

import time
from dataclasses import dataclass, field

from tests.nemesis.network import ALL, BEATS, WORDS, Cut, between
from tests.nemesis.scene import CONTROL, NODES, ROUTERS

HARM_SECONDS = 8
LEASE_SECONDS = 2       # twice a lease: from then on a minority says nothing
WELL_SECONDS = 4        # before, to compare with
STEP_DOWN_SECONDS = 10  # until the leads have left a slow disk
SILENCE_SECONDS = 0.5   # until what was begun has ended
TERMS_MAX = 2           # of a group that was left once: one, and one more if the first try fails
REST_SECONDS = 6        # more than a hand-over to where control wants a leader takes


@dataclass
class Harm:
    """What was done, and what must be true of it."""

    since: float  # on the monotonic clock
    until: float
    routers: tuple = ROUTERS            # through which operations must have gone on
    silent: dict = field(default_factory=dict)  # router: from when on it must not have acknowledged anything
    wrong: list = field(default_factory=list)   # sentences, of what the schedule itself saw
    remarks: list = field(default_factory=list)
    compare: tuple = ()                 # (name, since, until, groups): times of writes to print side by side
    ends_in_rest: bool = False          # no client worked after `until`, for a while


def hold(seconds=HARM_SECONDS):
    """The time itself is the harm."""
    begin = time.monotonic()
    time.sleep(seconds)
    return begin, time.monotonic()


def cut_for(scene, cuts, seconds=HARM_SECONDS, **more):
    scene.network.apply(cuts)
    begin, end = hold(seconds)
    scene.network.heal()
    return Harm(begin, end, **more)


# ---- no leader is lost ----

def deaf_follower(scene, chance):
    """A follower hears nothing that its leader says; everybody else does. At first nobody writes: while its log is as long as the
    others', only their hearing the leader keeps it from being elected."""
    _, leader, follower, _ = scene.a_leader(chance)
    scene.clients.rest(HARM_SECONDS)
    time.sleep(SILENCE_SECONDS)
    scene.network.apply([Cut(leader, follower, WORDS)])
    hold(HARM_SECONDS - SILENCE_SECONDS)
    return Harm(*hold())


def mute_follower(scene, chance):
    """A leader hears nothing of one follower: first its words are lost, then all its packets."""
    _, leader, follower, _ = scene.a_leader(chance)
    scene.network.apply([Cut(follower, leader, WORDS)])
    begin, _ = hold()
    scene.network.apply([Cut(follower, leader, ALL)])
    _, end = hold()
    return Harm(begin, end)


def bridge(scene, chance):
    """A - B - C: two nodes hear the third and not each other."""
    nodes = chance.sample(NODES, len(NODES))
    return cut_for(scene, between(nodes[:1], nodes[2:]), 2 * HARM_SECONDS)


def router_cut(scene, chance):
    """A router does not reach a leader that its followers hear."""
    _, leader, _, _ = scene.a_leader(chance)
    router, other = chance.sample(ROUTERS, len(ROUTERS))
    return cut_for(scene, between([router], [leader]), routers=(other,))


# ---- leaders must change, at most ----

def isolated_leader(scene, chance):
    """A leader's node is alone, but for one router: that side, the minority, acknowledges nothing after a lease."""
    _, leader, _, _ = scene.a_leader(chance)
    router, other = chance.sample(ROUTERS, len(ROUTERS))
    rest = [name for name in (*NODES, *CONTROL, other) if name != leader]
    harm = cut_for(scene, between([leader, router], rest), HARM_SECONDS + LEASE_SECONDS, routers=(other,))
    harm.silent[router] = harm.since + LEASE_SECONDS
    return harm


def minority_with_control(scene, chance):
    """Control and all MemDS are with the smaller part: the larger one serves without them."""
    _, leader, _, _ = scene.a_leader(chance)
    router, other = chance.sample(ROUTERS, len(ROUTERS))
    rest = [node for node in NODES if node != leader]
    harm = cut_for(scene, between([leader, router, *CONTROL], [*rest, other]), HARM_SECONDS + LEASE_SECONDS, routers=(other,))
    harm.silent[router] = harm.since + LEASE_SECONDS
    return harm


def flapping(scene, chance):
    """The link between two nodes comes and goes."""
    _, leader, follower, _ = scene.a_leader(chance)
    begin = time.monotonic()
    while time.monotonic() < begin + 2 * HARM_SECONDS:
        scene.network.apply(between([leader], [follower], chance.choice((ALL, WORDS))))
        hold(chance.uniform(0.3, 1.5))
        scene.network.heal()
        hold(chance.uniform(0.1, 0.8))
    return Harm(begin, time.monotonic())


def lost_beats(scene, chance):
    """Heartbeats alone are lost, the log goes through: first one follower's, which must not matter, then all of a leader's."""
    _, leader, follower, other = scene.a_leader(chance)
    before = scene.elections()
    scene.network.apply([Cut(leader, follower, BEATS)])
    begin, _ = hold()
    elected = scene.elections() - before
    scene.network.apply(between([leader], [follower, other], BEATS))
    _, end = hold()
    wrong = [f"{elected} elections while one follower missed heartbeats"] if elected else []
    return Harm(begin, end, wrong=wrong)


def slow_links(scene, chance):
    """Through the proxy: delay with jitter, then little throughput, then stalls, between two nodes."""
    _, leader, follower, _ = scene.a_leader(chance)
    scene.bad_link(leader, follower, {"delay_ms": 40, "jitter_ms": 60}, {"delay_ms": 10, "jitter_ms": 20})
    begin, _ = hold()
    scene.bad_link(leader, follower, {"bytes_per_s": 32 * 1024}, {"bytes_per_s": 32 * 1024})
    hold(HARM_SECONDS / 2)
    for _ in range(3):
        scene.bad_link(leader, follower, {"is_stalled": True})
        hold(chance.uniform(0.5, 2.5))
        scene.bad_link(leader, follower)
        hold(chance.uniform(0.5, 1))
    end = time.monotonic()
    scene.proxy.clear()
    return Harm(begin, end)


# ---- disks ----

def leads_of(scene, node):
    return [group for group, leader in scene.leaders().items() if leader == node]


def await_step_down(scene, node, since):
    """The time until the node led nothing; None: it still does."""
    while time.monotonic() < since + STEP_DOWN_SECONDS:
        if not leads_of(scene, node):
            return time.monotonic() - since
        time.sleep(0.1)
    return None


def slow_leader(scene, chance):
    """Syncs of a leader's node take 250 ms: it hands its leads over, and they stay away while it is slow, also when nobody writes."""
    well, _ = hold(WELL_SECONDS)
    _, leader, _, _ = scene.a_leader(chance)
    led = leads_of(scene, leader)
    elections, before = scene.elections(), scene.terms(led)
    scene.slow_disk(leader, 250)
    since = time.monotonic()
    gone = await_step_down(scene, leader, since)
    _, end = hold()
    scene.clients.rest(REST_SECONDS)
    wrong = [] if gone is not None else [f"{leader} led on for {STEP_DOWN_SECONDS} s"]
    hold(REST_SECONDS)
    elected = scene.elections() - elections
    terms = [after - before[group] for group, after in scene.terms(led).items()]
    # A contested election takes several terms, and a busy machine brings elections elsewhere: it is both that tells.
    if leads_of(scene, leader) or (elected > len(led) and max(terms) > TERMS_MAX):
        wrong.append(f"{leader} leads {leads_of(scene, leader)} again, or was meant to: {elected} elections, terms went on by {terms}; "
                     "they do not stay away")
    after = since + (gone or STEP_DOWN_SECONDS)
    compare = (("before", well, since, led), ("while it led", since, after, led), ("handed over", after, end, led))
    return Harm(since, end, wrong=wrong, compare=compare, ends_in_rest=True,
                remarks=[f"leads left after {gone:.1f} s" if gone is not None else "leads stayed"])


def stuck_disk(scene, chance):
    """Syncs of a leader's node take 5 s: no heartbeat leaves meanwhile, and the others elect."""
    _, leader, _, _ = scene.a_leader(chance)
    scene.slow_disk(leader, 5000)
    since = time.monotonic()
    gone = await_step_down(scene, leader, since)
    _, end = hold(2 * HARM_SECONDS)
    wrong = [] if gone is not None else [f"{leader} led on for {STEP_DOWN_SECONDS} s"]
    return Harm(since, end, wrong=wrong, remarks=[f"leads left after {gone:.1f} s" if gone is not None else "leads stayed"])


def slow_follower(scene, chance):
    """Syncs of one node take 100 ms: what the others lead is written as fast as before."""
    _, _, slow, _ = scene.a_leader(chance)
    groups = [group for group in scene.keys if group not in leads_of(scene, slow)]
    well, _ = hold(WELL_SECONDS)
    scene.slow_disk(slow, 100)
    since, end = hold(2 * HARM_SECONDS)
    return Harm(since, end, compare=(("before", well, since, groups), ("one follower slow", since, end, groups)))


@dataclass(frozen=True)
class Schedule:
    """elections_max: more than these are false ones; None: leaders have to change."""

    do: object
    elections_max: int = None
    is_sample: bool = False  # in ./dev test

    @property
    def name(self):
        return self.do.__name__.replace("_", "-")


SCHEDULES = (
    Schedule(deaf_follower, 0),
    Schedule(mute_follower, 0),
    Schedule(bridge, 0, is_sample=True),
    Schedule(router_cut, 0, is_sample=True),
    Schedule(isolated_leader, is_sample=True),
    Schedule(minority_with_control),
    Schedule(flapping, 0),
    Schedule(lost_beats),
    Schedule(slow_links),
    Schedule(slow_leader, is_sample=True),
    Schedule(stuck_disk),
    Schedule(slow_follower),
)
