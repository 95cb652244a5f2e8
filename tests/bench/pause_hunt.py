"""A long run at half load, and what else happened in its slow seconds.

A watcher reads every process's counters once a second, the machine's stolen time and pressure, and how late
its own short sleeps end: when those are late too, the machine stood still and not one of our processes.
"""

import threading
import time
from pathlib import Path

from tests.bench import report
from tests.bench.processes import metrics, settle

CALIBRATION_SECONDS = 10
SLEEP_SECONDS = 0.005
UNUSUAL = 8  # times the median of a counter's growth per second
NAMES_MAX = 12
EPISODES_MAX = 12


def _machine():
    """Counters of the machine: stolen time in ticks, pressure in us."""
    cpu = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    values = {"steal_ticks": float(cpu.split()[8])}
    for kind in ("io", "memory"):
        try:
            line = Path(f"/proc/pressure/{kind}").read_text(encoding="ascii").split("\n", 1)[0]
            values[f"{kind}_pressure_us"] = float(line.rpartition("total=")[2])
        except OSError:
            pass  # a kernel without pressure accounting
    return values


class Watcher(threading.Thread):
    """Samples {wall second: {process: {counter: growth}}} and the watcher's own lateness until stopped."""

    def __init__(self, rows):
        super().__init__(daemon=True)
        self.rows = [row for row in rows if row["admin_url"]]
        self.samples = {}
        self.late_ms = {}
        self.stopping = threading.Event()
        self.sleeper = threading.Thread(target=self._sleep, daemon=True)

    def run(self):
        self.sleeper.start()
        before = self._look()
        while not self.stopping.wait(1 - time.time() % 1):
            second = int(time.time()) - 1  # the one that has just ended
            now = self._look()
            self.samples[second] = {
                process: {name: value - before[process].get(name, 0) for name, value in counters.items()}
                for process, counters in now.items() if process in before}
            before = now

    def stop(self):
        self.stopping.set()
        self.join()
        self.sleeper.join()

    def _look(self):
        found = {"machine": _machine()}
        for row in self.rows:
            try:
                counters = metrics(row["admin_url"])
            except OSError:
                continue
            found[row["name"]] = {name: value for name, value in counters.items() if name.endswith("_total")}
        return found

    def _sleep(self):
        while not self.stopping.is_set():
            started = time.monotonic()
            time.sleep(SLEEP_SECONDS)
            late_ms = (time.monotonic() - started - SLEEP_SECONDS) * 1000
            second = int(time.time())
            self.late_ms[second] = max(late_ms, self.late_ms.get(second, 0))


def _medians(samples):
    """The median growth per second of every counter: {(process, name): growth}."""
    growth = {}
    for processes in samples.values():
        for process, counters in processes.items():
            for name, value in counters.items():
                growth.setdefault((process, name), []).append(value)
    return {key: sorted(values)[len(values) // 2] for key, values in growth.items()}


def _unusual(samples, medians):
    """What grew in these seconds far more than usual, the most telling first."""
    totals = {}
    for sample in samples:
        for process, counters in sample.items():
            for name, value in counters.items():
                totals[process, name] = totals.get((process, name), 0) + value
    found = []
    for key, total in totals.items():
        usual = medians.get(key, 0) * len(samples)
        if total > UNUSUAL * usual and total > 0:
            text = f"{key[0]} {key[1]} +{total:g} (usually {usual:g})"
            found.append((usual == 0, total / max(1, usual), text))
    return [text for _, _, text in sorted(found, reverse=True)[:NAMES_MAX]]


def _episodes(slow_seconds):
    """Slow seconds that follow on each other, as one."""
    episodes = []
    for slow in slow_seconds:
        if episodes and slow["at"] - episodes[-1]["until"] <= 2:
            last = episodes[-1]
            last["until"] = slow["at"]
            last["count"] += slow["count"]
            last["latency_us_max"] = max(last["latency_us_max"], slow["latency_us_max"])
        else:
            episodes.append({"until": slow["at"], **slow})
    return episodes


def explain(slow_seconds, watcher):
    """Episodes of slow seconds, with what else was unusual in them or the second before."""
    medians = _medians(watcher.samples)
    episodes = _episodes(slow_seconds)
    for episode in episodes:
        seconds = range(episode["at"] - 1, episode["until"] + 1)
        episode["unusual"] = _unusual([watcher.samples.get(second, {}) for second in seconds], medians)
        episode["machine_late_ms"] = max(watcher.late_ms.get(second, 0) for second in seconds)
    return episodes


def hunt(sluice, seconds, say):
    """YCSB A at half of what a closed loop reaches. Returns (results, summary, what is violated)."""
    say(f"loading {sluice.keys:,} items")
    sluice.load()
    settle(sluice.processes())
    rate = int(sluice.measure("a", CALIBRATION_SECONDS)["ops_per_s"] / 2)
    settle(sluice.processes())
    say(f"{rate:,} operations per s for {seconds / 60:g} minutes")
    watcher = Watcher(sluice.rows())
    watcher.start()
    try:
        run = sluice.measure("a", int(seconds), rate=rate)
    finally:
        watcher.stop()
    run["episodes"] = explain(run["slow_seconds"], watcher)
    report.print_latencies(f"YCSB A at {rate:,} per s", [("reads and writes", run)])
    report.print_cpu("CPU us per request", [("half load", run)])
    report.print_others([run])
    _print_episodes(run["episodes"])
    latency = run["latency_us"]
    ms = {name: us / 1000 for name, us in latency.items()}
    summary = (f"{seconds / 60:g} minutes at {rate:,} per s: "
               f"longest pause {run['pause_us_max'] / 1000:.1f} ms, "
               f"p50 {ms['p50']:.2f} p99 {ms['p99']:.2f} p99.9 {ms['p999']:.2f} max {ms['max']:.1f} ms, "
               f"{len(run['slow_seconds'])} seconds with operations over 50 ms")
    violated = [f"errors: {run['errors']}"] if run["error_count"] else []
    violated += [f"{run['missing']} reads found nothing"] if run["missing"] else []
    return {"half_load": run, "rate": rate}, summary, violated


def _print_episodes(episodes):
    worst = sorted(episodes, key=lambda episode: -episode["latency_us_max"])[:EPISODES_MAX]
    print(f"\n{len(episodes)} episodes of slow seconds" + (f"; the worst {len(worst)}:" if episodes else ""))
    for episode in sorted(worst, key=lambda one: one["at"]):
        at = time.strftime("%H:%M:%S", time.gmtime(episode["at"]))
        length = episode["until"] - episode["at"] + 1
        print(f"\n{at} UTC, {length} s: {episode['count']} operations over 50 ms, "
              f"up to {episode['latency_us_max'] / 1000:.1f} ms; "
              f"a 5 ms sleep ended {episode['machine_late_ms']:.1f} ms late")
        for text in episode["unusual"]:
            print(f"    {text}")
    print()
