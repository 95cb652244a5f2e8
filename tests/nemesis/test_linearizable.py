"""The checker finds what is impossible and takes what is not: known histories, and random ones against trying every order."""

import itertools
import random

import pytest

from tests.nemesis import linearizable
from tests.nemesis.linearizable import Operation, TooHard, explain, is_linearizable, register, sequence


def read(begin, end, value):
    return Operation("read", None, begin, end, value)


def write(begin, end, value):
    return Operation("write", value, begin, end, None if end is None else True)


def swap(begin, end, old, new, result=True):
    return Operation("swap", (old, new), begin, end, None if end is None else result)


def append(begin, end, value):
    return Operation("append", value, begin, end, None if end is None else True)


GOOD = {
    "one after the other": [write(0, 1, "a"), read(2, 3, "a")],
    "a read sees a write under way": [write(0, 9, "a"), read(1, 2, "a"), read(3, 4, "a")],
    "or does not": [write(0, 9, "a"), read(1, 2, None)],
    "an unknown write that is seen late": [write(0, None, "a"), write(1, 2, "b"), read(3, 4, "b"), read(5, 6, "a")],
    "an unknown write that never was": [write(0, None, "a"), read(1, 2, None), read(3, 4, None)],
    "swaps in a row": [write(0, 1, "a"), swap(2, 3, "a", "b"), swap(2, 5, "b", "c"), read(6, 7, "c")],
    "a swap refused": [write(0, 1, "a"), swap(2, 3, "x", "b", False), read(4, 5, "a")],
    "a swap refused because of an unknown write": [write(0, 1, "a"), write(1, None, "b"), swap(2, 3, "a", "c", False)],
    "touching ends overlap": [write(0, 1, "a"), read(1, 2, None)],
}
BAD = {
    "a stale read": [write(0, 1, "a"), write(2, 3, "b"), read(4, 5, "a")],
    "a lost write": [write(0, 1, "a"), read(2, 3, None)],
    "new, then old": [write(0, 9, "a"), read(1, 2, "a"), read(3, 4, None)],
    "an unknown write seen, gone, and seen again": [write(0, None, "a"), read(1, 2, "a"), write(3, 4, "b"), read(5, 6, "b"),
                                                   read(7, 8, "a")],
    "two winners of a swap": [write(0, 1, "a"), swap(2, 9, "a", "b"), swap(2, 9, "a", "c")],
    "a refused swap that was done": [write(0, 1, "a"), swap(2, 3, "x", "b", False), read(4, 5, "b")],
    "a value out of nowhere": [write(0, 1, "a"), read(2, 3, "z")],
    "a swap refused without a reason": [write(0, 1, "a"), swap(2, 3, "a", "b", False)],
}
GOOD_LISTS = {
    "appends in either order": [append(0, 9, 1), append(0, 9, 2), read(10, 11, (2, 1))],
    "an unknown append": [append(0, None, 1), append(2, 3, 2), read(4, 5, (2,)), read(6, 7, (2, 1))],
}
BAD_LISTS = {
    "an append that is missing": [append(0, 1, 1), append(2, 3, 2), read(4, 5, (2,))],
    "an append applied twice": [append(0, 1, 1), read(2, 3, (1, 1))],
    "an unknown append applied twice": [append(0, None, 1), read(2, 3, (1,)), read(4, 5, (1, 1))],
    "a changed order": [append(0, 9, 1), append(0, 9, 2), read(10, 11, (1, 2)), read(12, 13, (2, 1))],
}


@pytest.mark.parametrize("name", GOOD)
def test_possible_histories_pass(name):
    assert is_linearizable(GOOD[name], register)


@pytest.mark.parametrize("name", BAD)
def test_impossible_histories_are_found(name):
    assert not is_linearizable(BAD[name], register)


@pytest.mark.parametrize("name", GOOD_LISTS)
def test_possible_lists_pass(name):
    assert is_linearizable(GOOD_LISTS[name], sequence)


@pytest.mark.parametrize("name", BAD_LISTS)
def test_impossible_lists_are_found(name):
    assert not is_linearizable(BAD_LISTS[name], sequence)


def test_the_operation_that_cannot_be_is_named():
    history = BAD["a stale read"]
    assert explain(history, register) is history[2]


def by_trying_all(history, model):
    """Every order of every choice of unknown operations."""
    known = [o for o in history if o.end is not None]
    unknown = [o for o in history if o.end is None]
    for count in range(len(unknown) + 1):
        for some in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *some]):
                if is_in_time(order) and is_as_told(order, model):
                    return True
    return False


def is_in_time(order):
    return not any(later.end is not None and later.end < earlier.begin
                   for earlier, later in itertools.combinations(order, 2))


def is_as_told(order, model):
    state = None
    for operation in order:
        state, result = model(state, operation)
        if operation.end is not None and result != operation.result:
            return False
    return True


def random_history(chance):
    history = []
    for number in range(chance.randint(2, 6)):
        begin = chance.randint(0, 8)
        end = None if chance.random() < 0.2 else begin + chance.randint(1, 5)
        kind = chance.choice(["read", "write", "swap"])
        values = [None, "a", "b"]
        if kind == "read":
            history.append(read(begin, end, chance.choice(values)))
        elif kind == "write":
            history.append(write(begin, end, chance.choice(values[1:])))
        else:
            history.append(swap(begin, end, chance.choice(values), chance.choice(values[1:]), chance.random() < 0.5))
    return history


def test_random_histories_are_judged_as_by_trying_all_orders():
    chance = random.Random(1)
    verdicts = {True: 0, False: 0}
    for _ in range(1500):
        history = random_history(chance)
        verdict = is_linearizable(history, register)
        assert verdict == by_trying_all(history, register), history
        verdicts[verdict] += 1
    assert min(verdicts.values()) > 100


def test_what_is_too_hard_says_so(monkeypatch):
    monkeypatch.setattr(linearizable, "PAIRS_MAX", 50)
    with pytest.raises(TooHard):
        is_linearizable([*(append(0, None, n) for n in range(8)), append(1, 2, 99)], sequence)
