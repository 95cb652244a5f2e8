"""Whether a history of one object could have happened one operation at a time.

After Wing and Gong ("Testing and verifying concurrent objects", 1993), breadth first and with memo: all that may be true so far is a
set of pairs (state, operations under way that have taken effect). When an operation ends, whatever is under way may have taken
effect before it, in any order, but it itself must have, with just that result. When no pair is left, the history is impossible.

An operation whose outcome nobody knows is under way for ever: it may take effect at any later time, once, or never. One that was
certainly not done is left out of the history.
"""

from dataclasses import dataclass

PAIRS_MAX = 200_000


@dataclass
class Operation:
    """One call. `kind` and `argument` are the object's own; `result` is None while `end` is: nobody knows."""

    kind: str
    argument: object
    begin: float
    end: float = None
    result: object = None


class TooHard(Exception):
    """More pairs than PAIRS_MAX: the history has too many unknown outcomes to be judged."""


def register(state, operation):
    """A value that is read, written, and written if it is still `old`: (the new state, the result), or None if that result is not
    what the operation had. Values are compared as they are; None is what was never written."""
    match operation.kind:
        case "read":
            return (state, state)
        case "write":
            return (operation.argument, True)
        case "swap":
            old, new = operation.argument
            return (new, True) if state == old else (state, False)
    raise ValueError(operation.kind)


def sequence(state, operation):
    """A list that is read as a whole and appended to."""
    match operation.kind:
        case "read":
            return (state, state or ())
        case "append":
            return ((*(state or ()), operation.argument), True)
    raise ValueError(operation.kind)


def is_linearizable(history, model, initial=None):
    """history: operations of one object in any order. Raises TooHard."""
    return explain(history, model, initial) is None


def explain(history, model, initial=None):
    """None when it is linearizable; else the operation at whose end nothing was possible any more."""
    operations = [o for o in history if o.end is not None or o.kind != "read"]
    events = sorted([(o.begin, 1, n) for n, o in enumerate(operations)] +
                    [(o.end, 0, n) for n, o in enumerate(operations) if o.end is not None])
    # An end at the very time of another's begin: they overlap, so begins come first.
    events.sort(key=lambda event: (event[0], -event[1]))
    under_way = set()
    pairs = {(initial, frozenset())}
    for _, is_begin, number in events:
        if is_begin:
            under_way.add(number)
            continue
        pairs = after_end(pairs, number, under_way, operations, model)
        under_way.discard(number)
        if not pairs:
            return operations[number]
    return None


def after_end(pairs, number, under_way, operations, model):
    """The pairs in which the operation that ends now has taken effect; it is taken out of them."""
    seen, left, after = set(pairs), list(pairs), set()
    while left:
        state, done = left.pop()
        if number in done:
            after.add((state, done - {number}))
            continue
        for other in under_way - done:
            operation = operations[other]
            new_state, result = model(state, operation)
            if operation.end is not None and result != operation.result:
                continue
            if operation.end is None and new_state == state:
                continue  # nobody can tell
            pair = (new_state, done | {other})
            if pair not in seen:
                seen.add(pair)
                left.append(pair)
        if len(seen) > PAIRS_MAX:
            raise TooHard
    return after
