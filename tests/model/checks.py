"""What DynamoDB refuses about an expression before it looks at any item, or at the table: as the messages of which one is
told. A message that ends in `*` is known up to there only."""
from tests.model import values
from tests.model.evaluate import COMPARATORS
from tests.model.values import kind

LONG_NAMES = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP"}
PATHS = "Two document paths %s with each other; must remove or rewrite one of these paths; path one: %s, path two: %s"


def path_text(path):
    return "[" + ", ".join(part if isinstance(part, str) else f"[{part}]" for part in path) + "]"


def tag(tree):
    """The type of an operand, as far as it shows without an item."""
    if tree[0] == "value":
        return kind(tree[1])
    return {"size": "N", "list_append": "L", "+": "N", "-": "N"}.get(tree[0])


def wrong_type(name, type_name):
    return f"Incorrect operand type for operator or function; operator or function: {name}, operand type: {type_name}"


# ---- conditions ----

def leaves(tree):
    if tree[0] in ("and", "or"):
        return leaves(tree[1]) + leaves(tree[2])
    return leaves(tree[1]) if tree[0] == "not" else [tree]


def operands(leaf):
    if leaf[0] in ("exists", "not_exists"):
        return [("path", leaf[1])]
    if leaf[0] == "in":
        return [leaf[1], *leaf[2]]
    return [part for part in leaf[1:] if isinstance(part, tuple)]


def unordered(name, parts):
    return {wrong_type(name, tag(part)) for part in parts if part[0] == "value" and tag(part) not in values.ORDERED}


def bounds_faults(lower, upper):
    if lower[0] != "value" or upper[0] != "value":
        return set()
    if tag(lower) != tag(upper):
        return {"The BETWEEN operator requires same data type for lower and upper bounds; *"}
    order = values.order(lower[1], upper[1])
    if order is not None and order > 0:
        return {"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; *"}
    return set()


def leaf_faults(leaf):
    name, parts = leaf[0], operands(leaf)
    found = set()
    for part in parts:
        if part[0] == "size" and tag(part[1]) in ("N", "BOOL", "NULL"):
            found.add(wrong_type("size", tag(part[1])))
    if name in COMPARATORS or name in ("begins_with", "contains"):
        if parts[0][0] == "path" and parts[0] == parts[1]:
            found.add("The first operand must be distinct from the remaining operands for this operator or function; "
                      f"operator: {name}, first operand: {path_text(parts[0][1])}")
    if name in ("<", "<=", ">", ">="):
        found |= unordered(name, parts)
    elif name == "between":
        found |= unordered("BETWEEN", parts) | bounds_faults(parts[1], parts[2])
    elif name == "begins_with":
        found |= {wrong_type(name, tag(part)) for part in parts if tag(part) not in (None, "S", "B")}
    elif name == "type" and leaf[2] not in values.TYPES:
        found.add(f"Invalid attribute type name found; type: {leaf[2]}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")
    return found


def condition_faults(name, tree):
    return {f"Invalid {name}: {fault}" for leaf in leaves(tree) for fault in leaf_faults(leaf)}


# ---- updates and projections ----

def paths_faults(paths):
    """Of each two paths none may lead into the other, nor one take for a list what the other takes for a map."""
    for number, second in enumerate(paths):
        for first in paths[:number]:
            for a, b in zip(first, second):
                if isinstance(a, int) != isinstance(b, int):
                    yield PATHS % ("conflict", path_text(first), path_text(second))
                    break
                if a != b:
                    break
            else:
                yield PATHS % ("overlap", path_text(first), path_text(second))


def value_faults(tree):
    if tree[0] in ("+", "-"):
        found = {wrong_type(tree[0], tag(part)) for part in tree[1:] if tag(part) not in (None, "N")}
    elif tree[0] == "list_append":
        found = {wrong_type("list_append", tag(part)) for part in tree[1:] if tag(part) not in (None, "L")}
    else:
        found = set()
    for part in tree[1:]:
        if isinstance(part, tuple) and tree[0] in ("+", "-", "list_append"):
            found |= value_faults(part)
    return found | (value_faults(tree[2]) if tree[0] == "if_not_exists" else set())


def update_faults(clauses):
    found = set(paths_faults([clause[1] for clause in clauses]))
    for clause in clauses:
        if clause[0] == "SET":
            found |= value_faults(clause[2])
        elif clause[0] in ("ADD", "DELETE"):
            name = kind(clause[2])
            if name not in values.SETS and not (clause[0] == "ADD" and name == "N"):
                found.add("Incorrect operand type for operator or function; "
                          f"operator: {clause[0]}, operand type: {LONG_NAMES[name]}")
    return {f"Invalid UpdateExpression: {fault}" for fault in found}


def projection_faults(paths):
    return {f"Invalid ProjectionExpression: {fault}" for fault in paths_faults(paths)}


# ---- against the table's key ----

def condition_paths(tree):
    def of(part):
        if part[0] == "path":
            return [part[1]]
        return of(part[1]) if part[0] == "size" else []
    return [path for leaf in leaves(tree) for part in operands(leaf) for path in of(part)]


def value_paths(tree):
    if tree[0] == "path":
        return [tree[1]]
    if tree[0] == "value":
        return []
    if tree[0] == "if_not_exists":
        return [tree[1], *value_paths(tree[2])]
    return value_paths(tree[1]) + value_paths(tree[2])


def update_paths(clauses):
    read = [path for clause in clauses if clause[0] == "SET" for path in value_paths(clause[2])]
    return [clause[1] for clause in clauses] + read


def nested_key_faults(paths, key_names):
    return {f"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: {path[0]}"
            for path in paths if len(path) > 1 and path[0] in key_names}
