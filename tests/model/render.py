"""From plans to requests: syntax trees become the text of expressions, with names and values replaced at random."""
import re

from tests.model import legacy

RESERVED = {"status"}  # of the names that tests use
WORD = re.compile("[A-Za-z][A-Za-z0-9_]*")
LEAF, NOT, AND, OR = 4, 3, 2, 1


class Text:
    """The texts of one request's expressions, and the substitutions that they share."""

    def __init__(self, rng):
        self.rng = rng
        self.names, self.values = {}, {}
        self.reserved = set()  # those that were written as they are

    def name(self, name):
        if WORD.fullmatch(name) and name not in RESERVED and self.rng.random() < 0.6:
            return name
        if name in RESERVED and self.rng.random() < 0.01:
            self.reserved.add(name)
            return name
        token = next((token for token, known in self.names.items() if known == name), None)
        if token is None or self.rng.random() < 0.2:
            token = f"#n{len(self.names)}"
            self.names[token] = name
        return token

    def path(self, path):
        text = self.name(path[0])
        for part in path[1:]:
            text += f"[{part}]" if isinstance(part, int) else f".{self.name(part)}"
        return text

    def value(self, value):
        if self.rng.random() < 0.2:
            for token, known in self.values.items():
                if known == value:
                    return token
        token = f":v{len(self.values)}"
        self.values[token] = value
        return token

    def word(self, word):
        return word if self.rng.random() < 0.8 else self.rng.choice((word.lower(), word.capitalize()))

    def space(self):
        return self.rng.choice((" ", " ", "", "  "))

    # ---- conditions ----

    def operand(self, tree):
        if tree[0] == "path":
            return self.path(tree[1])
        return self.value(tree[1]) if tree[0] == "value" else f"size({self.operand(tree[1])})"

    def leaf(self, tree):
        name = tree[0]
        if name in ("exists", "not_exists"):
            return f"attribute_{name}({self.path(tree[1])})"
        first = self.operand(tree[1])
        if name == "type":
            return f"attribute_type({first}, {self.value({'S': tree[2]})})"
        if name == "in":
            return f"{first} {self.word('IN')} ({', '.join(self.operand(candidate) for candidate in tree[2])})"
        second = self.operand(tree[2])
        if name == "between":
            return f"{first} {self.word('BETWEEN')} {second} {self.word('AND')} {self.operand(tree[3])}"
        if name in ("begins_with", "contains"):
            return f"{name}({first},{self.space()}{second})"
        return f"{first}{self.space()}{name}{self.space()}{second}"

    def condition(self, tree, binding=OR):
        if tree[0] == "not":
            mine, text = NOT, f"{self.word('NOT')} {self.condition(tree[1], NOT)}"
        elif tree[0] in ("and", "or"):
            mine = AND if tree[0] == "and" else OR
            # Both operators are associative: only the weaker one within the stronger needs parentheses.
            text = (f"{self.condition(tree[1], mine)} {self.word(tree[0].upper())} "
                    f"{self.condition(tree[2], mine)}")
        else:
            mine, text = LEAF, self.leaf(tree)
        return f"({text})" if mine < binding or self.rng.random() < 0.15 else text

    # ---- updates, projections ----

    def set_operand(self, tree):
        if tree[0] == "if_not_exists":
            return f"if_not_exists({self.path(tree[1])}, {self.set_operand(tree[2])})"
        if tree[0] == "list_append":
            return f"list_append({self.set_operand(tree[1])}, {self.set_operand(tree[2])})"
        return self.operand(tree)

    def clause(self, clause):
        action, path = clause[:2]
        if action == "REMOVE":
            return self.path(path)
        if action in ("ADD", "DELETE"):
            return f"{self.path(path)} {self.value(clause[2])}"
        tree = clause[2]
        if tree[0] in ("+", "-"):
            text = f"{self.set_operand(tree[1])} {tree[0]} {self.set_operand(tree[2])}"
        else:
            text = self.set_operand(tree)
        return f"{self.path(path)}{self.space()}={self.space()}{text}"

    def update(self, clauses):
        """Clauses of one action are one section; the order of clauses means nothing but in messages."""
        actions = list(dict.fromkeys(clause[0] for clause in clauses))
        return " ".join(f"{self.word(action)} " + ", ".join(self.clause(c) for c in clauses if c[0] == action)
                        for action in actions)

    def projection(self, paths):
        return f",{self.space()}".join(self.path(path) for path in paths)

    def key_conditions(self, conditions):
        def text(operator, name, given):
            left, right = self.path((name,)), [self.value(value) for value in given]
            if operator == "BETWEEN":
                return f"{left} BETWEEN {right[0]} AND {right[1]}"
            if operator == "begins_with":
                return f"begins_with({left}, {right[0]})"
            if self.rng.random() < 0.1:
                turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
                return f"{right[0]} {turned} {left}"
            return f"{left} {operator} {right[0]}"
        texts = [text(*condition) for condition in conditions]
        texts = [f"({each})" if self.rng.random() < 0.1 else each for each in texts]
        return f" {self.word('AND')} ".join(texts)


EXPRESSIONS = (("update", "UpdateExpression", Text.update), ("condition", "ConditionExpression", Text.condition),
               ("key_conditions", "KeyConditionExpression", Text.key_conditions),
               ("filter", "FilterExpression", Text.condition),
               ("projection", "ProjectionExpression", Text.projection))
PLAIN = (("limit", "Limit"), ("segment", "Segment"), ("total", "TotalSegments"), ("start", "ExclusiveStartKey"),
         ("select", "Select"), ("return_values", "ReturnValues"), ("key", "Key"), ("item", "Item"),
         ("on_failure", "ReturnValuesOnConditionCheckFailure"), ("capacity", "ReturnConsumedCapacity"))


def write_expressions(plan, rng, request):
    text = Text(rng)
    told = legacy.members_of(plan)
    request.update(plan.legacy or {})
    for member, parameter, write in EXPRESSIONS:
        tree = getattr(plan, member)
        if tree is not None and member not in told:
            before = set(text.reserved)
            request[parameter] = write(text, tree)
            plan.faults |= {f"Invalid {parameter}: Attribute name is a reserved keyword; reserved keyword: {name}"
                            for name in text.reserved - before}
    if text.names:
        request["ExpressionAttributeNames"] = text.names
    if text.values:
        request["ExpressionAttributeValues"] = text.values


def request_of(plan, rng):
    """The request of a plan; what its text makes wrong is noted in the plan."""
    if plan.parts is not None:
        return batch_of(plan, rng)
    request = {"TableName": plan.table_name}
    for member, parameter in PLAIN:
        if getattr(plan, member) is not None:
            request[parameter] = getattr(plan, member)
    write_expressions(plan, rng, request)
    if plan.operation in ("GetItem", "Query", "Scan") and (plan.is_consistent or rng.random() < 0.3):
        request["ConsistentRead"] = plan.is_consistent
    if plan.operation == "Query" and (not plan.is_forward or rng.random() < 0.1):
        request["ScanIndexForward"] = plan.is_forward
    return request


def write_entry(entry):
    return {"PutRequest": {"Item": entry[1]}} if entry[0] == "put" else {"DeleteRequest": {"Key": entry[1]}}


def batch_of(plan, rng):
    items = {}
    for part in plan.parts:
        if plan.operation == "BatchWriteItem":
            items[part.table_name] = [write_entry(entry) for entry in part.entries]
            continue
        asked = {"Keys": [entry[1] for entry in part.entries]}
        write_expressions(part, rng, asked)
        if part.is_consistent:
            asked["ConsistentRead"] = True
        items[part.table_name] = asked
    request = {"RequestItems": items}
    if plan.capacity is not None:
        request["ReturnConsumedCapacity"] = plan.capacity
    return request
