"""The parameters that are older than expressions: plans get trees of what these can say, and requests the parameters."""
from tests.model import evaluate, values
from tests.model.literals import NAMES
from tests.model.values import INVALID, kind

COMPARISONS = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">", "BETWEEN": "between", "IN": "in",
               "BEGINS_WITH": "begins_with", "CONTAINS": "contains", "NOT_CONTAINS": None, "NOT_NULL": "exists",
               "NULL": "not_exists"}
OPERATORS = {operator: name for name, operator in COMPARISONS.items() if operator}
TEXTS, SCALARS = ("S", "B"), values.ORDERED
MIXED = ("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
         "{%s} Expression parameters: {ConditionExpression}")


def tree_of(comparison, name, given):
    """What a comparison is as a condition. Of an attribute that is not there NE is true, NOT_CONTAINS is not."""
    path, literals = ("path", (name,)), [("value", value) for value in given]
    if comparison in ("NULL", "NOT_NULL"):
        return (COMPARISONS[comparison], (name,))
    if comparison == "NOT_CONTAINS":
        return ("and", ("exists", (name,)), ("not", ("contains", path, literals[0])))
    if comparison == "IN":
        return ("in", path, literals)
    return (COMPARISONS[comparison], path, *literals)


class Legacy:
    def __init__(self, rng, literals):
        self.rng = rng
        self.literals = literals

    # ---- conditions ----

    def fitting(self, name, item, kinds):
        """A value of one of these types, near what is there."""
        value = item.get(name)
        if value is not None and (kinds is None or kind(value) in kinds) and self.rng.random() < 0.8:
            near = self.literals.near(value)
            if kinds is None or kind(near) in kinds:
                return near
        return self.literals.value(None if kinds is None else self.rng.choice(kinds))

    def given(self, comparison, name, item):
        if comparison in ("NULL", "NOT_NULL"):
            return []
        kinds = {"EQ": None, "NE": None, "BEGINS_WITH": TEXTS}.get(comparison, SCALARS)
        first = self.fitting(name, item, kinds)
        if comparison == "BETWEEN":
            pair = [values.read_value(first), values.read_value(self.literals.near(first))]
            return pair if (values.order(*pair) or 0) <= 0 else pair[::-1]
        if comparison == "IN":
            return [first, *(self.literals.value(kind(first)) for _ in range(self.rng.randrange(3)))]
        return [first]

    def condition(self, comparison, given, is_expected):
        """One of the forms in which a request may have it."""
        if is_expected and comparison == "NULL" and self.rng.random() < 0.5:
            return {"Exists": False}
        if is_expected and comparison == "EQ" and self.rng.random() < 0.5:
            return {"Value": given[0], **({"Exists": True} if self.rng.random() < 0.5 else {})}
        if not given and self.rng.random() < 0.5:
            return {"ComparisonOperator": comparison}
        return {"ComparisonOperator": comparison, "AttributeValueList": given}

    def conditions(self, item, more_names, parameter):
        """(tree, parameters)"""
        names = list(dict.fromkeys(self.rng.choices([*NAMES, *item, *more_names], k=self.rng.choice((1, 1, 2, 3)))))
        names = [name for name in names if name in NAMES or name in more_names]
        if not names:
            names = ["a"]
        told, trees = {}, []
        for name in names:
            comparison = self.rng.choice(tuple(COMPARISONS))
            given = self.given(comparison, name, item)
            told[name] = self.condition(comparison, given, parameter == "Expected")
            trees.append(tree_of(comparison, name, given))
        joint = self.rng.choice(("AND", "OR", "OR")) if len(names) > 1 and self.rng.random() < 0.6 else None
        tree = trees[0]
        for other in trees[1:]:
            tree = ("or" if joint == "OR" else "and", tree, other)
        return tree, {parameter: told, **({"ConditionalOperator": joint} if joint else {})}

    # ---- updates ----

    def updates(self, item):
        """(clauses, parameters)"""
        clauses, told = [], {}
        for name in self.rng.sample(NAMES, self.rng.choice((0, 1, 1, 1, 2, 2, 3, 3))):
            action = self.rng.choice(("PUT", "PUT", "ADD", "ADD", "DELETE"))
            value = self.value(action, item.get(name))
            told[name] = {**({} if action == "PUT" and self.rng.random() < 0.5 else {"Action": action}),
                          **({} if value is None else {"Value": value})}
            clauses.append(self.clause(action, name, value))
        return clauses, {"AttributeUpdates": told}

    def value(self, action, old):
        if action == "PUT":
            return self.literals.value()
        allowed = tuple(values.SETS) if action == "DELETE" else ("N", "L", *values.SETS)
        if action == "DELETE" and self.rng.random() < 0.4:
            return None
        fits = old is not None and kind(old) in allowed and self.rng.random() < 0.8
        if fits and kind(old) in values.SETS and self.rng.random() < 0.6:
            members = values.content(old)
            return {kind(old): self.rng.sample(members, self.rng.randrange(1, len(members) + 1))}
        return self.literals.value(kind(old) if fits else self.rng.choice(allowed))

    def clause(self, action, name, value):
        if value is None:
            return ("REMOVE", (name,))
        if action == "PUT":
            return ("SET", (name,), ("value", value))
        if action == "ADD" and kind(value) == "L":
            old = ("if_not_exists", (name,), ("value", {"L": []}))
            return ("SET", (name,), ("list_append", old, ("value", value)))
        return (action, (name,), value)

    # ---- a plan ----

    def convert(self, plan, item):
        """Make the plan one that old parameters can say; keep what they need not."""
        told = {}
        if plan.condition is not None:
            plan.condition, more = self.conditions(item, plan.table.key_names, "Expected")
            told |= more
        if plan.update is not None:
            plan.update, more = self.updates(item)
            told |= more
        if plan.key_conditions is not None:
            told["KeyConditions"] = self.key_conditions(plan)
        if plan.key_conditions is None or self.rng.random() < 0.7:
            told |= self.convert_shown(plan, item)
        plan.legacy = told
        if self.rng.random() < 0.05:
            self.spoil(plan)

    def convert_shown(self, plan, item):
        """Filter and projection; a Query may have KeyConditions and these as expressions."""
        told = {}
        if plan.filter is not None:
            key_names = plan.table.key_names if plan.operation == "Scan" or self.rng.random() < 0.05 else ()
            plan.filter, more = self.conditions(item, key_names, f"{plan.operation}Filter")
            told |= more
        if plan.projection is not None:
            names = self.rng.sample([*NAMES, *sorted(plan.table.key_names)], self.rng.choice((1, 2, 4)))
            plan.projection = [(name,) for name in names]
            told["AttributesToGet"] = names
        return told

    def key_conditions(self, plan):
        told, kept = {}, []
        for operator, name, given in plan.key_conditions:
            if operator == "begins_with" and kind(given[0]) == "N":
                operator = ">="
            if operator == "BETWEEN":
                pair = [values.read_value(value) for value in given]
                given = given if (values.order(*pair) or 0) <= 0 else given[::-1]
            kept.append((operator, name, given))
            told[name] = {"ComparisonOperator": OPERATORS[operator.lower()], "AttributeValueList": given}
        plan.key_conditions = kept
        return told

    # ---- what is wrong ----

    def spoil(self, plan):
        told = plan.legacy
        expected = told.get("Expected")
        if expected is not None:
            self.spoil_expected(plan, expected)
        elif "AttributeUpdates" in told:
            name, (update, words) = self.rng.choice(NAMES), self.rng.choice((
                ({"Action": "ADD", "Value": {"S": "x"}}, "ADD action is not supported for the type S"),
                ({"Action": "DELETE", "Value": {"L": []}}, "DELETE action with value is not supported for the type L"),
                ({"Action": "PUT"}, "Only DELETE action is allowed when no attribute value is specified")))
            told["AttributeUpdates"][name] = update
            plan.faults.add(INVALID + words)
        elif "AttributesToGet" in told:
            told["AttributesToGet"] = told["AttributesToGet"] + told["AttributesToGet"][:1]
            plan.faults.add(f"{INVALID}Duplicate value in attribute name: {told['AttributesToGet'][0]}")

    def spoil_expected(self, plan, expected):
        name = self.rng.choice(list(expected))
        draw = self.rng.randrange(4)
        if draw == 0:
            expected[name] = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}, {"S": "b"}]}
            plan.faults.add(INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator")
        elif draw == 1:
            expected[name] = {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"L": []}]}
            plan.faults.add(INVALID + "ComparisonOperator BEGINS_WITH is not valid for L AttributeValue type")
        elif draw == 2 and len(expected) == 1:
            plan.legacy["ConditionalOperator"] = "OR"
            plan.faults.add("ConditionalOperator can only be used when Filter or Expected has two or more elements")
        elif draw == 3 and set(plan.legacy) == {"Expected"}:
            plan.legacy["ConditionExpression"] = "attribute_exists(a)"
            plan.faults.add(MIXED % "Expected")


# What is said of such an update in other words.
WORDS = {evaluate.WRONG_TYPE: "Type mismatch for attribute to update"}
MEMBERS = {"Expected": "condition", "AttributeUpdates": "update", "KeyConditions": "key_conditions",
           "QueryFilter": "filter", "ScanFilter": "filter", "AttributesToGet": "projection"}


def members_of(plan):
    """Which of a plan's members its old parameters say."""
    return {MEMBERS[parameter] for parameter in plan.legacy or {} if parameter in MEMBERS}
