"""What processes cost: CPU time, memory and metrics, read from /proc and from admin ports."""

import os
import re
import time
import urllib.request
from pathlib import Path

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _stat(pid):
    """The fields of /proc/PID/stat behind the name: state is 0, parent 1, utime 11 ... cstime 14."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rsplit(")", 1)[1].split()


def _descendants(pid):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(name)):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = []
    unseen = [pid]
    while unseen:
        unseen.extend(more := children.get(unseen.pop(), []))
        found.extend(more)
    return found


def _own_us(pid):
    fields = _stat(pid)
    return 0 if fields is None else sum(int(field) for field in fields[11:13]) * TICK_US


def _tree_us(pid):
    """CPU time of a process and all its descendants, those that ended included (PostgreSQL's backends)."""
    while True:
        before = _stat(pid)
        if before is None:
            return 0
        living = [fields for child in _descendants(pid) if (fields := _stat(child))]
        after = _stat(pid)
        # A child that ends meanwhile moves its time to its parent: it would count twice or not at all.
        if after is not None and before[13:15] == after[13:15]:
            break
    return sum(int(field) for fields in [after, *living] for field in fields[11:15]) * TICK_US


def cpu_us(pid, with_children=False):
    """CPU time of a process, 0 when it is gone."""
    return _tree_us(pid) if with_children else _own_us(pid)


def rss_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def _machine_us():
    """CPU time that everything on the machine used: user, nice, system, interrupts."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    return sum(int(fields[i]) for i in (1, 2, 3, 6, 7)) * TICK_US


class CpuMeter:
    """CPU time that named processes spend between two looks."""

    def __init__(self, processes):
        """processes: {name: (pid, with_children)}"""
        self.processes = processes
        self.before = self._look()
        self.machine_us = _machine_us()
        self.started = time.monotonic()

    def _look(self):
        return {name: cpu_us(*process) for name, process in self.processes.items()}

    def spent(self):
        """{name: microseconds} since the meter was made."""
        return {name: now - self.before[name] for name, now in self._look().items()}

    def others_share(self, known_us):
        """How much of the machine, 0 to 1, went to whom we do not know, when we know of known_us."""
        capacity_us = (time.monotonic() - self.started) * 1e6 * os.cpu_count()
        return max(0, _machine_us() - self.machine_us - known_us) / capacity_us


def settle(processes, seconds_max=15):
    """Wait until the processes rest (compaction, checkpoints): no system pays for another's aftermath."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        meter = CpuMeter(processes)
        time.sleep(0.5)
        if sum(meter.spent().values()) < 0.1 * 500_000:
            return True
    return False


_SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def metrics(admin_url):
    """{name: value} of a process's /metrics, over labels the sum or, of a maximum, the highest."""
    with urllib.request.urlopen(f"{admin_url}/metrics", timeout=5) as reply:
        text = reply.read().decode()
    values = {}
    for name, value in _SAMPLE.findall(text):
        before, value = values.get(name, 0), float(value)
        values[name] = max(before, value) if "_max_" in name else before + value
    return values
