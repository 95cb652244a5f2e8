"""Random syntax trees about a given item: paths that are mostly there, values that are mostly near."""
from tests.model import checks, evaluate, values
from tests.model.literals import NAMES, Literals
from tests.model.values import kind


def paths_in(item, limit=24):
    """Some of the paths that lead to something."""
    found, waiting = [], [((name,), value) for name, value in item.items()]
    while waiting and len(found) < limit:
        path, value = waiting.pop(0)
        found.append(path)
        if kind(value) == "M":
            waiting += [((*path, name), inner) for name, inner in value["M"].items() if name]
        elif kind(value) == "L":
            waiting += [((*path, index), inner) for index, inner in enumerate(value["L"])]
    return found


class Trees:
    def __init__(self, rng):
        self.rng = rng
        self.literals = Literals(rng)

    def path(self, item, keys):
        """A path to something, or beside it; seldom into a key. Keys are named by nobody else."""
        draw = self.rng.random()
        known = [path for path in paths_in(item) if path[0] not in keys]
        if draw < 0.01 and keys:
            return (self.rng.choice(sorted(keys)), *self.rng.choice(((), (0,), ("a",))))
        if known and draw < 0.75:
            path = self.rng.choice(known)
            if draw < 0.65:
                return path
            return (*path, self.rng.choice((0, 1, 9, "a", "n")))
        path = (self.rng.choice(NAMES),)
        while self.rng.random() < 0.25:
            path += (self.rng.choice((0, 1, 2, 7, *NAMES[:6])),)
        return path

    # ---- conditions ----

    def operand(self, item, keys):
        path = self.path(item, keys)
        return ("size", ("path", path)) if self.rng.random() < 0.1 else ("path", path)

    def beside(self, tree, item):
        """A literal that may well be what the operand is."""
        value, draw = evaluate.operand(tree, item), self.rng.random()
        if draw < 0.003:
            return ("value", self.literals.wrong())
        if value is None or draw < 0.15:
            return ("value", self.literals.value())
        return ("value", self.literals.near(value))

    def compared(self, item, keys):
        left = self.operand(item, keys)
        draw = self.rng.random()
        if draw < 0.05:
            return left, left if draw < 0.005 else self.operand(item, keys)
        pair = (left, self.beside(left, item))
        return pair if self.rng.random() < 0.9 else pair[::-1]

    def bounds(self, left, item):
        lower, upper = self.beside(left, item), self.beside(left, item)
        order = values.order(read(lower[1]), read(upper[1]))
        if order is not None and order > 0 and self.rng.random() < 0.97:
            lower, upper = upper, lower
        if self.rng.random() < 0.1:
            return lower, left
        return lower, upper

    def leaf(self, item, keys):
        draw = self.rng.random()
        if draw < 0.42:
            left, right = self.compared(item, keys)
            operator = self.rng.choice(evaluate.COMPARATORS)
            if not has_order(left, right) and self.rng.random() < 0.95:
                operator = self.rng.choice(("=", "<>"))
            return (operator, left, right)
        if draw < 0.52:
            left = self.operand(item, keys)
            lower, upper = self.bounds(left, item)
            is_fine = has_order(lower, upper) and checks.tag(lower) in (checks.tag(upper), None)
            if is_fine or self.rng.random() < 0.05:
                return ("between", left, lower, upper)
        if draw < 0.60:
            left = self.operand(item, keys)
            return ("in", left, [self.beside(left, item) for _ in range(self.rng.randrange(1, 5))])
        if draw < 0.76:
            return (self.rng.choice(("exists", "not_exists")), self.path(item, keys))
        if draw < 0.84:
            left = ("path", self.path(item, keys))
            value = evaluate.operand(left, item)
            known = values.TYPES if value is None or self.rng.random() < 0.4 else (kind(value),)
            return ("type", left, "STRING" if self.rng.random() < 0.01 else self.rng.choice(known))
        return self.part_of(item, keys)

    def part_of(self, item, keys):
        """begins_with, contains"""
        left = ("path", self.path(item, keys))
        value = evaluate.operand(left, item)
        if self.rng.random() < 0.5:
            name = "B" if value is not None and kind(value) == "B" else "S"
            part = self.literals.near(value) if value is not None and kind(value) == name else self.literals.value(name)
            return ("begins_with", left, ("value", part if self.rng.random() < 0.98 else self.literals.value()))
        if value is not None and kind(value) == "L" and value["L"] and self.rng.random() < 0.7:
            part = self.literals.near(self.rng.choice(value["L"]))
        elif value is not None and kind(value) in values.SETS and self.rng.random() < 0.8:
            part = self.literals.near({values.SETS[kind(value)]: self.rng.choice(values.content(value))})
        elif value is not None and kind(value) in ("S", "B"):
            part = self.literals.value(kind(value))
        else:
            part = self.literals.value()
        return ("contains", left, ("value", part))

    def condition(self, item, keys, depth=0):
        draw = self.rng.random()
        if depth < 3 and draw < 0.22:
            return (self.rng.choice(("and", "or")), self.condition(item, keys, depth + 1),
                    self.condition(item, keys, depth + 1))
        if depth < 3 and draw < 0.30:
            return ("not", self.condition(item, keys, depth + 1))
        return self.leaf(item, keys)

    # ---- projections ----

    def projection(self, item, keys):
        count = self.rng.choice((1, 1, 2, 2, 3, 5))
        paths = [self.path(item, ()) for _ in range(count)]
        if self.rng.random() < 0.9:
            paths = apart(paths)
        if keys and self.rng.random() < 0.3:
            paths.append((self.rng.choice(sorted(keys)),))
        return apart(paths) if self.rng.random() < 0.95 else paths

    # ---- updates ----

    def number_operand(self, item, keys):
        """Most likely a number, also where there is nothing yet."""
        draw = self.rng.random()
        numbers = [path for path in paths_in(item) if kind(evaluate.find(item, path)) == "N" and path[0] not in keys]
        path = self.rng.choice(numbers) if numbers and draw < 0.8 else self.path(item, keys)
        if draw < 0.45:
            return ("path", path)
        if draw < 0.7:
            return ("if_not_exists", path, ("value", self.literals.value("N")))
        return ("value", self.literals.value("N" if draw < 0.99 else None))

    def list_operand(self, item, keys):
        draw = self.rng.random()
        lists = [path for path in paths_in(item) if kind(evaluate.find(item, path)) == "L"]
        path = self.rng.choice(lists) if lists and draw < 0.9 else self.path(item, keys)
        if draw < 0.35:
            return ("path", path)
        if draw < 0.6:
            return ("if_not_exists", path, ("value", self.literals.value("L")))
        return ("value", self.literals.value("L" if draw < 0.99 else None))

    def set_value(self, path, item, keys):
        draw = self.rng.random()
        if draw < 0.4:
            return ("value", self.literals.deep() if draw < 0.006 else self.literals.wrong() if draw < 0.012 else
                    self.literals.typical(path[-1]))
        if draw < 0.47:
            return ("path", self.path(item, keys))
        if draw < 0.55:
            return ("if_not_exists", path if self.rng.random() < 0.5 else self.path(item, keys),
                    ("value", self.literals.typical(path[-1])))
        if draw < 0.82:
            return (self.rng.choice("+-"), self.number_operand(item, keys), self.number_operand(item, keys))
        return ("list_append", self.list_operand(item, keys), self.list_operand(item, keys))

    def target(self, action, item, keys):
        """A path that the action mostly fits."""
        wanted = {"ADD": ("N", *values.SETS), "DELETE": tuple(values.SETS)}.get(action)
        fitting = [path for path in paths_in(item) if path[0] not in keys
                   and (wanted is None or kind(evaluate.find(item, path)) in wanted)]
        if fitting and self.rng.random() < 0.7:
            return self.rng.choice(fitting)
        if self.rng.random() < 0.5:
            return (self.rng.choice(NAMES),)
        return self.path(item, keys)

    def member_value(self, action, old):
        """What ADD and DELETE take; mostly of the type that is there."""
        draw = self.rng.random()
        if old is not None and kind(old) in values.SETS and draw < 0.9:
            members = self.rng.sample(values.content(old), self.rng.randrange(1, len(values.content(old)) + 1))
            fresh = values.content(self.literals.set(kind(old)))
            some = members if draw < 0.3 else fresh if draw < 0.5 else list(dict.fromkeys(members + fresh))
            return without_doubles(kind(old), some)
        if draw > 0.99:
            return self.literals.value()
        if action == "ADD" and (old is None or kind(old) == "N" or draw < 0.3) and draw < 0.9:
            return self.literals.value("N")
        return self.literals.set(self.rng.choice(tuple(values.SETS)))

    def clause(self, action, item, keys):
        path = self.target(action, item, keys)
        if action == "REMOVE":
            return (action, path)
        if action == "SET":
            return (action, path, self.set_value(path, item, keys))
        return (action, path, self.member_value(action, evaluate.find(item, path)))

    def update(self, item, keys):
        actions = ("SET", "REMOVE", "ADD", "DELETE")
        drawn = self.rng.choices(actions, (56, 20, 14, 10), k=self.rng.choice((1, 1, 1, 2, 2, 3, 4)))
        if self.rng.random() < 0.08:
            drawn.append(drawn[0])
        clauses = [self.clause(action, item, keys) for action in sorted(drawn)]
        if self.rng.random() < 0.97:
            clauses = apart(clauses, lambda clause: clause[1])
        return clauses


def has_order(*operands):
    """No literal among them is of a type that no `<` takes."""
    if any(operand[0] == "value" and len(operand[1]) != 1 for operand in operands):
        return False  # wrong for itself
    return all(checks.tag(operand) in (None, *values.ORDERED) for operand in operands)


def apart(things, path_of=lambda path: path):
    """Those of the things whose paths neither lead into an earlier one's nor conflict with it."""
    kept = []
    for thing in things:
        if not any(checks.paths_faults([path_of(thing), *map(path_of, kept)])):
            kept.append(thing)
    return kept


def read(value):
    """Canonical, as near as a literal that may be wrong comes to it."""
    try:
        return values.read_value(value)
    except values.Fault:
        return {"NULL": True}


def without_doubles(name, members):
    if name != "NS":
        return {name: list(dict.fromkeys(members))}
    return {name: list({values.read_number(member): member for member in members}.values())}
