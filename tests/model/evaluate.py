"""What expressions mean, on syntax trees: there is no text here and no parser.

    path       a tuple of names and indexes: ("a", 0, "b")
    operand    ("path", path) | ("value", value) | ("size", operand)
               in updates also ("if_not_exists", path, operand) | ("list_append", operand, operand)
    condition  ("=" "<>" "<" "<=" ">" ">=", operand, operand) | ("between", operand, operand, operand)
               | ("in", operand, [operand]) | ("exists" "not_exists", path) | ("type", operand, type)
               | ("begins_with" "contains", operand, operand) | ("and" "or", condition, condition) | ("not", condition)
    update     [("SET", path, operand or ("+" "-", operand, operand)) | ("REMOVE", path) | ("ADD" "DELETE", path, value)]
    projection [path]
"""
from tests.model import values
from tests.model.values import Fault, content, kind

BAD_PATH = "The document path provided in the update expression is invalid for update"
NO_OPERAND = "The provided expression refers to an attribute that does not exist in the item"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
TOO_LARGE = "Item size to update has exceeded the maximum allowed size"
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
REMOVED = object()  # stands where an element was until all are taken out


def step(value, part):
    """What `part` leads to from a value; None when nothing is there."""
    if isinstance(part, str):
        return value["M"].get(part) if kind(value) == "M" else None
    return value["L"][part] if kind(value) == "L" and part < len(value["L"]) else None


def find(item, path):
    value = {"M": item}
    for part in path:
        value = step(value, part)
        if value is None:
            return None
    return value


# ---- conditions ----

def operand(tree, item):
    """The value, None when there is none."""
    if tree[0] == "path":
        return find(item, tree[1])
    if tree[0] == "value":
        return tree[1]
    value = operand(tree[1], item)
    size = None if value is None else values.size_of(value)
    return None if size is None else {"N": str(size)}


def compare(name, a, b):
    if name == "=":
        return a is not None and a == b
    if name == "<>":
        return a is None or a != b
    order = None if a is None or b is None else values.order(a, b)
    if order is None:
        return False
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[name]


def is_met(tree, item):
    name = tree[0]
    if name == "and":
        return is_met(tree[1], item) and is_met(tree[2], item)
    if name == "or":
        return is_met(tree[1], item) or is_met(tree[2], item)
    if name == "not":
        return not is_met(tree[1], item)
    if name == "exists":
        return find(item, tree[1]) is not None
    if name == "not_exists":
        return find(item, tree[1]) is None
    a = operand(tree[1], item)
    if name in COMPARATORS:
        return compare(name, a, operand(tree[2], item))
    if name == "between":
        return compare(">=", a, operand(tree[2], item)) and compare("<=", a, operand(tree[3], item))
    if name == "in":
        return any(compare("=", a, operand(candidate, item)) for candidate in tree[2])
    if name == "type":
        return a is not None and kind(a) == tree[2]
    b = operand(tree[2], item)
    if a is None or b is None:
        return False
    return values.begins_with(a, b) if name == "begins_with" else values.contains(a, b)


# ---- projections ----

def project_value(value, rests):
    """The parts of a value that are asked for; None when none is there. A rest () asks for all of it."""
    if () in rests:
        return value
    if kind(value) == "M":
        names = {rest[0] for rest in rests if isinstance(rest[0], str)}
        found = {name: project_value(value["M"][name], tails(rests, name)) for name in names if name in value["M"]}
        found = {name: part for name, part in found.items() if part is not None}
        return {"M": found} if found else None
    if kind(value) == "L":
        indexes = sorted({rest[0] for rest in rests if isinstance(rest[0], int) and rest[0] < len(value["L"])})
        parts = [project_value(value["L"][index], tails(rests, index)) for index in indexes]
        parts = [part for part in parts if part is not None]
        return {"L": parts} if parts else None
    return None


def tails(rests, head):
    return [rest[1:] for rest in rests if rest[0] == head]


def project(paths, item):
    found = project_value({"M": item}, paths)
    return {} if found is None else found["M"]


# ---- updates ----

def result(tree, item):
    """The value of an update's operand; raises Fault."""
    name = tree[0]
    if name == "value":
        return tree[1]
    if name == "path":
        value = find(item, tree[1])
        if value is None:
            raise Fault(NO_OPERAND)
        return value
    if name == "if_not_exists":
        value = find(item, tree[1])
        return result(tree[2], item) if value is None else value
    a, b = result(tree[1], item), result(tree[2], item)
    if name == "list_append":
        if kind(a) != "L" or kind(b) != "L":
            raise Fault(WRONG_TYPE)
        return {"L": a["L"] + b["L"]}
    if kind(a) != "N" or kind(b) != "N":
        raise Fault(WRONG_TYPE)
    return {"N": values.calculate(name, a, b)}


def added(old, value):
    if old is None:
        return value
    if kind(old) != kind(value):
        raise Fault(WRONG_TYPE)
    name = kind(value)
    if name == "N":
        return {"N": values.calculate("+", old, value)}
    return {name: values.sort_members(name, set(old[name]) | set(value[name]))}


def without(old, value):
    """None when nothing is left: sets are never empty."""
    if old is None:
        return None
    if kind(old) != kind(value):
        raise Fault(WRONG_TYPE)
    name = kind(value)
    left = set(old[name]) - set(value[name])
    return {name: values.sort_members(name, left)} if left else None


def new_value(clause, item):
    """What a clause puts at its path; None: nothing is to be there."""
    action, path = clause[:2]
    if action == "REMOVE":
        return None
    if action == "SET":
        return result(clause[2], item)
    return (added if action == "ADD" else without)(find(item, path), clause[2])


def parent_of(item, path):
    """The map or list that has the last part of the path; raises Fault when there is none of the right kind."""
    parent = {"M": item} if len(path) == 1 else find(item, path[:-1])
    if parent is None or kind(parent) != ("M" if isinstance(path[-1], str) else "L"):
        raise Fault(BAD_PATH)
    return content(parent)


def put(parent, last, value):
    if isinstance(last, str):
        if value is None:
            parent.pop(last, None)
        else:
            parent[last] = value
    elif last < len(parent):
        parent[last] = REMOVED if value is None else value
    elif value is not None:
        parent.append(value)


def copied(value):
    """Containers made anew, each of them: a list appended to itself has its elements twice, and not shared."""
    name, inner = next(iter(value.items()))
    if name == "M":
        return {"M": {key: copied(each) for key, each in inner.items()}}
    return {"L": [copied(each) for each in inner]} if name == "L" else value


def take_out(value):
    name, inner = next(iter(value.items()))
    if name == "M":
        for each in inner.values():
            take_out(each)
    elif name == "L":
        inner[:] = [each for each in inner if each is not REMOVED]
        for each in inner:
            take_out(each)


def creates_item(clauses):
    """REMOVE and DELETE make no item where there is none; an update of nothing does."""
    return not clauses or any(clause[0] in ("SET", "ADD") for clause in clauses)


def update(clauses, old, key):
    """The new item. Raises Faults: one or more of what is wrong with it, of which DynamoDB tells one."""
    item = key if old is None else old
    changes, faults = [], set()
    for clause in clauses or []:
        try:
            changes.append((clause[1], new_value(clause, item)))
        except Fault as fault:
            faults.add(str(fault))
    if old is None:
        changes = [change for change in changes if change[1] is not None]
    new = copied({"M": item})["M"]
    places = []
    for path, value in changes:
        try:
            places.append((parent_of(new, path), path[-1], value and copied(value)))
        except Fault as fault:
            faults.add(str(fault))
    if faults:
        raise Faults(faults)
    # Elements beyond the end of a list are appended in the order of their indexes.
    for parent, last, value in sorted(places, key=lambda place: (isinstance(place[1], str), place[1])):
        put(parent, last, value)
    take_out({"M": new})
    if any(values.levels(value) > values.LEVELS_MAX for value in new.values()):
        raise Faults({values.TOO_DEEP})
    if values.item_bytes(new) > values.ITEM_BYTES_MAX:
        raise Faults({TOO_LARGE})
    return new


class Faults(Exception):
    """Several things are wrong; any of them may be told."""

    def __init__(self, messages):
        super().__init__(messages)
        self.messages = messages
