"""Requests made wrong after they were written: what is then said is added to the plan."""
import re

EXPRESSIONS = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression",
               "ProjectionExpression")
CONSTRAINT = "1 validation error detected: Value "
LIMIT = {"Query": "at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
         "Scan": "'0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"}
IS_NULL = {"PutItem": "ConditionExpression is null", "DeleteItem": "ConditionExpression is null",
           "UpdateItem": "UpdateExpression and ConditionExpression are null",
           "GetItem": "ProjectionExpression is null", "Scan": "FilterExpression is null"}


def present(request):
    return [name for name in EXPRESSIONS if name in request]


def uses(request, token):
    return [name for name in present(request) if re.search(re.escape(token) + r"(?!\w)", request[name])]


def undefined(plan, request, rng, parameter, words):
    """A name or value is used that is not given; one other at least is left."""
    given = request.get(parameter, {})
    if len(given) > 1:
        token = rng.choice(sorted(given))
        request[parameter] = {other: value for other, value in given.items() if other != token}
        plan.faults |= {f"Invalid {name}: An expression attribute {words}: {token}" for name in uses(request, token)}


def undefined_value(plan, request, rng):
    undefined(plan, request, rng, "ExpressionAttributeValues",
              "value used in expression is not defined; attribute value")


def undefined_name(plan, request, rng):
    undefined(plan, request, rng, "ExpressionAttributeNames",
              "name used in the document path is not defined; attribute name")


def unused(plan, request, rng):
    """A name or value is given that nothing uses."""
    has_values = plan.operation != "GetItem" and rng.random() < 0.5
    parameter, token, what = (("ExpressionAttributeValues", ":unused", {"N": "1"}) if has_values else
                              ("ExpressionAttributeNames", "#unused", "a"))
    request[parameter] = {**request.get(parameter, {}), token: what}
    if present(request):
        plan.faults.add(f"Value provided in {parameter} unused in expressions: keys: {{{token}}}")
    else:
        plan.faults.add(f"{parameter} can only be specified when using expressions: {IS_NULL[plan.operation]}")


def syntax(plan, request, rng):
    for name in present(request)[:1]:
        sign = rng.choice(")%")
        request[name] += f" {sign}"
        plan.faults.add(f'Invalid {name}: Syntax error; token: "{sign}", near: *')


def empty(plan, request, rng):
    if present(request):
        name = rng.choice(present(request))
        request[name] = ""
        plan.faults.add(f"Invalid {name}: The expression can not be empty;")


def section_twice(plan, request, _):
    if "UpdateExpression" in request and not any(clause[0] == "REMOVE" for clause in plan.update):
        request["UpdateExpression"] += " REMOVE z1 REMOVE z2"
        plan.faults.add('Invalid UpdateExpression: The "REMOVE" section can only be used once in an update expression;')


def parentheses(plan, request, _):
    for name in ("ConditionExpression", "FilterExpression"):
        if name in request:
            request[name] = f"(({request[name]}))"
            plan.faults.add(f"Invalid {name}: The expression has redundant parentheses;")


def no_choice(plan, request, _):
    if plan.operation in ("PutItem", "UpdateItem", "DeleteItem"):
        request["ReturnValues"] = "SOME"
        only(plan, CONSTRAINT + "'SOME' at 'returnValues' failed to satisfy constraint: "
             "Member must satisfy enum value set: [*")


def only(plan, message):
    """Constraints of single members are told before anything else."""
    plan.faults, plan.replaces = {message}, True


def limit(plan, request, _):
    if plan.operation in LIMIT:
        request["Limit"] = 0
        only(plan, CONSTRAINT + LIMIT[plan.operation])


def segments(plan, request, rng):
    if plan.operation != "Scan":
        return
    total = rng.randrange(1, 9)
    draw = rng.randrange(3)
    request.pop("Segment", None)
    request.pop("TotalSegments", None)
    if draw != 0:
        request["Segment"] = total
    if draw != 1:
        request["TotalSegments"] = total
    plan.faults.add((
        "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
        f"Segment: {total} is not less than TotalSegments: {total}")[draw])


def no_table(plan, request, _):
    plan.table = None
    request["TableName"] = plan.table_name


def no_table_name(plan, request, _):
    del request["TableName"]
    only(plan, CONSTRAINT + "null at 'tableName' failed to satisfy constraint: Member must not be null")


def no_key_condition(plan, request, _):
    if plan.operation == "Query" and "FilterExpression" not in request and "ProjectionExpression" not in request:
        for name in ("KeyConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"):
            request.pop(name, None)
        plan.key_conditions = []
        plan.faults.add("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")


FAULTS = (undefined_value, undefined_value, undefined_name, undefined_name, unused, unused, syntax, syntax, empty,
          section_twice, parentheses, no_choice, limit, segments, no_table, no_table_name, no_key_condition)


def spoil(plan, request, rng):
    """Perhaps: most kinds of faults fit some operations only."""
    if plan.parts is None and plan.legacy is None:
        rng.choice(FAULTS)(plan, request, rng)
