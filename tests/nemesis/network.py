"""A network of the test's own: one namespace for each process, joined by a bridge in one more, and rules of what gets through.

    test --+
    node-1 +-- bridge (namespace "hub") --+-- router-1
    node-2 +                              +-- proxy ...

Names begin with the run's port, addresses exist only inside, and nothing outside is touched: several runs stand side by side. What
an earlier run of the same port has left behind, processes too, is removed first.

A cut is a rule in the receiver's namespace: what is sent is lost on arrival, as on a bad link, and the sender is not told.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.layout import Place

NAMESPACES = Path("/run/netns")
SUBNET = "10.77.0"
TEST = "test"   # where the campaign and its clients are
PROXY = "proxy"
HUB = "hub"

# What a cut takes away. Acknowledgements of TCP are short; a frame that says something is not.
ALL, WORDS, BEATS = "all", "words", "beats"
WORDS_BYTES_MIN = 90
BEAT_TYPE = 0x1001  # DATAPLANE_FRAME_HEARTBEAT, as its bytes stand at offset 8 of a frame
RULES = {
    ALL: "ip saddr {source} drop",
    WORDS: f"ip saddr {{source}} ip length > {WORDS_BYTES_MIN} drop",
    BEATS: f"ip saddr {{source}} meta l4proto tcp @ih,64,16 {BEAT_TYPE} drop",
}


@dataclass(frozen=True)
class Cut:
    """What `source` sends does not reach `target`."""

    source: str
    target: str
    what: str = ALL


def between(some, others, what=ALL):
    """Cuts in both directions."""
    return [cut for a in some for b in others for cut in (Cut(a, b, what), Cut(b, a, what))]


def run(*words, stdin=None):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """Namespaces for these names, and the caller's own move into "test".

        with Network(46000, ["node-1", ...]) as network:
            network.apply([Cut("node-1", "node-2")]); ... network.heal()
    """

    def __init__(self, port, names):
        self.prefix = f"sluice-{port}-"
        self.names = [TEST, PROXY, *names]
        self.addresses = {name: f"{SUBNET}.{number}" for number, name in enumerate(self.names, 1)}
        self.cuts = set()
        self.redirects = {}  # as redirect() takes them
        self.lock = open(f"/run/{self.prefix}network.lock", "w", encoding="ascii")

    # ---- life ----

    def __enter__(self):
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._clear()
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        move_into(self.home)
        os.close(self.home)
        self._clear()
        self.lock.close()

    def _build(self):
        run("ip", "netns", "add", self.prefix + HUB)
        hub = ["link add br0 type bridge", "link set br0 up", "link set lo up"]
        for number, name in enumerate(self.names, 1):
            run("ip", "netns", "add", self.prefix + name)
            hub += [f"link add port{number} type veth peer name eth0 netns {self.prefix + name}",
                    f"link set port{number} master br0", f"link set port{number} up"]
        self._batch(HUB, hub)
        for name, address in self.addresses.items():
            self._batch(name, ["link set lo up", f"address add {address}/24 dev eth0", "link set eth0 up"])
        with open(NAMESPACES / (self.prefix + TEST), "rb") as here:
            move_into(here.fileno())

    def _batch(self, name, lines):
        run("ip", "-n", self.prefix + name, "-batch", "-", stdin="\n".join(lines))

    def _clear(self):
        """Processes of an earlier run live in its namespaces and nowhere else, so they are known."""
        for path in sorted(NAMESPACES.glob(f"{self.prefix}*")):
            for pid in run("ip", "netns", "pids", path.name).split():
                if int(pid) != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "delete", path.name)

    def enter(self, name):
        """The words before a command that is to run in this namespace."""
        return ["nsenter", f"--net={NAMESPACES / (self.prefix + name)}", "--"]

    def place(self, name, **environment):
        return Place(self.addresses[name], self.enter(name), environment)

    # ---- what gets through ----

    def apply(self, cuts):
        """These cuts and no others."""
        before, self.cuts = self.cuts, set(cuts)
        for name in sorted({cut.target for cut in before ^ self.cuts}):
            self._install(name)

    def heal(self):
        self.apply([])

    def redirect(self, routes):
        """{(source, target, port): the proxy's port}: such connections go through the proxy from now on, and those that are there
        break. {}: all go straight again."""
        before, self.redirects = self.redirects, dict(routes)
        for name in sorted({source for source, _, _ in [*before, *self.redirects]}):
            self._install(name)

    def _install(self, name):
        """All rules of one namespace, in one transaction."""
        cuts = [RULES[cut.what].format(source=self.addresses[cut.source])
                for cut in sorted(self.cuts, key=str) if cut.target == name]
        straight = [(f"ip daddr {self.addresses[target]} tcp dport {port}", at)
                    for (source, target, port), at in self.redirects.items() if source == name]
        text = "table inet nemesis\ndelete table inet nemesis\n"
        if cuts or straight:
            text += f"""table inet nemesis {{
                chain arriving {{ type filter hook input priority 0; {'; '.join(cuts)}; }}
                chain leaving {{ type filter hook output priority 0;
                    {'; '.join(f'{which} reject with tcp reset' for which, _ in straight)}; }}
                chain turning {{ type nat hook output priority -100;
                    {'; '.join(f'{which} dnat ip to {self.addresses[PROXY]}:{at}' for which, at in straight)}; }}
            }}"""
        run(*self.enter(name), "nft", "-f", "-", stdin=text.replace("; ;", ";"))


def move_into(descriptor):
    """This thread, and what it starts from now on, is in that network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")
