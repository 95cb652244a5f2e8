"""Writes the tables of docs/compat.md from states.txt and dynamodb.model.

    compat.py            write them
    compat.py --check    say whether they are as they should be

Both fail for an operation or parameter of the model without a state, for a state of something that the model does not
have, and when states.txt and the router (api/router/operations.c) differ in what is served.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import model_text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/compat.md"
STATES = ("served", "checked", "refused")


@dataclass
class State:
    name: str
    state: str
    note: str
    parameters: dict = field(default_factory=dict)


def read_states(path=HERE / "states.txt"):
    """{operation: State}"""
    operations, operation = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, state, *note = line.split(None, 2)
        entry = State(name, state, note[0] if note else "")
        if line.startswith(" "):
            operation.parameters[name] = entry
        else:
            operations[name] = operation = entry
    return operations


def differences(kind, wanted, found):
    yield from (f"no state for {kind} {name}" for name in wanted if name not in found)
    yield from (f"the model has no {kind} {name}" for name in found if name not in wanted)


def problems(operations, shapes, states):
    yield from differences("operation", operations, states)
    for name, entry in states.items():
        for state in [entry, *entry.parameters.values()]:
            if state.state not in STATES:
                yield f"{name}: {state.name} is {state.state}, not one of {', '.join(STATES)}"
        if entry.state == "served" and name in operations:
            members = [member.name for member in shapes[operations[name]].members]
            yield from (f"{name}: {text}" for text in differences("parameter", members, entry.parameters))
    router = (ROOT / "api/router/operations.c").read_text(encoding="utf-8")
    routed = set(re.findall(r'\{"(\w+)", \w+, ', router))
    served = {name for name, entry in states.items() if entry.state == "served"}
    yield from (f"{name} is served by the router and not here" for name in sorted(routed - served))
    yield from (f"{name} is served here and not by the router" for name in sorted(served - routed))


def operations_table(states):
    served = [name for name, entry in states.items() if entry.state == "served"]
    refused = sorted(name for name, entry in states.items() if entry.state != "served")
    yield from ("| operation | state |", "|---|---|")
    yield f"| {', '.join(served)} | served, see below |"
    yield f"| {', '.join(refused)} | `UnknownOperationException`, status 400 |"


def parameters_tables(states):
    for name, entry in states.items():
        if not entry.parameters:
            continue
        yield from ("", f"### {name}", "", "| parameter | state | |", "|---|---|---|")
        yield from (f"| {state.name} | {state.state} | {state.note} |" for state in entry.parameters.values())


def page_with_tables(states):
    text = PAGE.read_text(encoding="utf-8")
    for mark, lines in (("operations", operations_table(states)), ("parameters", parameters_tables(states))):
        begin, end = f"<!-- {mark}: made by api/model/compat.py from api/model/states.txt -->", f"<!-- end of {mark} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{PAGE}: no place for the table of {mark}")
        text = before + begin + "\n" + "\n".join(lines) + "\n" + end + after
    return text


def main():
    operations, shapes = model_text.read(HERE / "dynamodb.model")
    states = read_states()
    found = list(problems(operations, shapes, states))
    for text in found:
        print(f"states.txt: {text}", file=sys.stderr)
    if found:
        return 1
    text = page_with_tables(states)
    if sys.argv[1:] == ["--check"]:
        is_same = text == PAGE.read_text(encoding="utf-8")
        if not is_same:
            print("docs/compat.md is not what compat.py makes: run it", file=sys.stderr)
        return 0 if is_same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
