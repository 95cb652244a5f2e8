"""The longest turn of each process's loops while hostile requests come, one kind at a time.

A turn is also long when the machine gives its thread no processor: beside it stands the CPU time that a turn took, which
is ours alone, and that is what must stay within the bound. The metrics are maxima of the last second or two.
"""

import time

from tests.bench import hostile
from tests.bench.load import LoadError
from tests.bench.processes import metrics

SECONDS = 4
SILENCE_SECONDS = 3  # until the kind before is forgotten
BOUND_MS = 10
TURN, CPU = "sluice_loop_turn_recent_max_us", "sluice_loop_turn_cpu_recent_max_us"
WITH_LOOPS = ("router", "node", "memds", "control")


def _look(rows, longest):
    for row in rows:
        values = metrics(row["admin_url"])
        found = longest.setdefault(row["name"], {"turn_ms": 0, "cpu_ms": 0})
        found["turn_ms"] = max(found["turn_ms"], values[TURN] / 1000)
        found["cpu_ms"] = max(found["cpu_ms"], values[CPU] / 1000)


def _run_kind(sluice, kind, rows):
    """Send it again and again. Returns ({process: {turn_ms, cpu_ms}}, how many were sent)."""
    operation, body = kind.make(sluice.table)
    longest, sent = {}, 0
    # Routers share a port: each connection is with one of them, so several take turns.
    clients = [hostile.Client(sluice.port, sluice.identity, sluice.table) for _ in range(4)]
    try:
        until = looked = time.monotonic()
        until += SECONDS
        while time.monotonic() < until:
            end = clients[sent % len(clients)].send(operation, body)
            if end not in kind.ends:
                raise LoadError(f"{kind.name}: {operation} ends with {end or 'success'}")
            sent += 1
            if time.monotonic() - looked > 0.5:
                _look(rows, longest)
                looked = time.monotonic()
        _look(rows, longest)
    finally:
        for client in clients:
            client.close()
    return longest, sent


def _worst_of(longest, rows, roles):
    """The worst of the processes of a role: (turn_ms, cpu_ms)."""
    found = [longest[row["name"]] for row in rows if row["role"] in roles]
    return max(one["turn_ms"] for one in found), max(one["cpu_ms"] for one in found)


def _is_late(longest):
    return max(one["cpu_ms"] for one in longest.values()) > BOUND_MS


def _print_row(name, longest, rows):
    cells = ""
    for roles in (("router",), ("node",), ("memds", "control")):
        turn_ms, cpu_ms = _worst_of(longest, rows, roles)
        cells += f"{turn_ms:>12.1f}{cpu_ms:>8.1f}"
    print(f"  {name:<34}{cells}{'   OVER THE BOUND' if _is_late(longest) else ''}", flush=True)


def chosen(names):
    """The kinds whose names contain one of `names`, texts between commas; all if there are none."""
    parts = [part.strip() for part in (names or "").split(",")]
    found = [kind for kind in hostile.kinds() if any(part in kind.name for part in parts)]
    if not found:
        raise LoadError(f"no kind of request is named like '{names}'")
    return found


def measure_loop_turns(sluice, kinds, say):
    """Returns (results, summary, what is violated)."""
    rows = [row for row in sluice.rows() if row["role"] in WITH_LOOPS]
    results, violated = {}, []
    with sluice.tables():
        client = hostile.Client(sluice.port, sluice.identity, sluice.table)
        try:
            hostile.setup(client)
        finally:
            client.close()
        print(f"\nLongest turn of a loop in ms, and most CPU time of one; bound {BOUND_MS} ms of CPU time")
        print(f"  {'':<34}{'router':>12}{'cpu':>8}{'node':>12}{'cpu':>8}{'others':>12}{'cpu':>8}")
        for kind in kinds:
            time.sleep(SILENCE_SECONDS)
            longest, sent = _run_kind(sluice, kind, rows)
            say(f"{kind.name}: {sent} requests")
            _print_row(kind.name, longest, rows)
            results[kind.name] = {"sent": sent, "longest": longest}
            violated += [f"{kind.name}: a turn of {name} took {one['cpu_ms']:.1f} ms of CPU time, more than {BOUND_MS}"
                         for name, one in longest.items() if one["cpu_ms"] > BOUND_MS]
    everything = [one for result in results.values() for one in result["longest"].values()]
    summary = (f"{len(results)} kinds of hostile requests: longest turn {max(one['turn_ms'] for one in everything):.1f} ms, "
               f"most CPU time {max(one['cpu_ms'] for one in everything):.1f} ms (bound {BOUND_MS})")
    print()
    return {"loop_turns": results}, summary, violated
