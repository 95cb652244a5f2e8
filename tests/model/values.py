"""AttributeValues as they are on the wire: their canonical form, equality, order, size. On Decimal; shares no code with
the product.

A value in canonical form is a dictionary of one member: numbers in plain decimal, sets sorted. Two canonical values are
equal when they are `==`.
"""
import base64
import functools
import re
from decimal import Context, Decimal

EXACT = Context(prec=700, Emin=-999999, Emax=999999)
DIGITS_MAX, EXPONENT_MIN, EXPONENT_MAX = 38, -130, 125
LEVELS_MAX = 32
ITEM_BYTES_MAX = 400 * 1024
TYPES = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL")
SETS = {"SS": "S", "NS": "N", "BS": "B"}
ORDERED = ("S", "N", "B")

INVALID = "One or more parameter values were invalid: "
NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
TOO_PRECISE = "Attempting to store more than 38 significant digits in a Number"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
EMPTY_VALUE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
TWO_TYPES = ("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
             "datatypes")
TOO_DEEP = ("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported "
            "limit")
EMPTY_SET = {"SS": INVALID + "An string set  may not be empty", "NS": INVALID + "An number set  may not be empty",
             "BS": INVALID + "Binary sets should not be empty"}

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Fault(Exception):
    """What DynamoDB says of a value that it does not take."""


def kind(value):
    return next(iter(value))


def content(value):
    return next(iter(value.values()))


def octets(value):
    """What a string or binary is compared by."""
    text = content(value)
    return text.encode() if kind(value) == "S" else base64.b64decode(text)


# ---- numbers ----

def plain(number):
    return format(number.normalize(EXACT), "f") if number else "0"


def storable(number):
    """The number as text, or the Fault that it is."""
    number = number.normalize(EXACT)
    if number:
        if number.adjusted() > EXPONENT_MAX:
            raise Fault(OVERFLOW)
        if number.adjusted() < EXPONENT_MIN:
            raise Fault(UNDERFLOW)
        if len(number.as_tuple().digits) > DIGITS_MAX:
            raise Fault(TOO_PRECISE)
    return plain(number)


@functools.lru_cache(10000)
def read_number(text):
    if NUMBER.fullmatch(text) is None:
        raise Fault(f"{NOT_NUMERIC}: {text}" if text else NOT_NUMERIC)
    return storable(EXACT.create_decimal(text))


def calculate(sign, a, b):
    """The sum or difference of two canonical numbers, as text."""
    x, y = Decimal(content(a)), Decimal(content(b))
    try:
        return storable(EXACT.add(x, y) if sign == "+" else EXACT.subtract(x, y))
    except Fault as fault:
        # There are no other words for a result that needs too many digits.
        raise Fault(OVERFLOW if str(fault) == TOO_PRECISE else str(fault)) from None


@functools.lru_cache(10000)
def number_bytes(text):
    number = Decimal(text)
    if not number:
        return 1
    number = number.normalize(EXACT)
    digits, exponent = len(number.as_tuple().digits), number.adjusted()
    return 1 + (digits + 1) // 2 + (0 if digits % 2 or exponent % 2 else 1) + (number < 0)


# ---- canonical form ----

def sort_members(name, members):
    keys = {"SS": lambda m: m.encode(), "NS": Decimal, "BS": base64.b64decode}
    return sorted(members, key=keys[name])


def read_set(name, members):
    if not members:
        raise Fault(EMPTY_SET[name])
    read = [read_number(m) for m in members] if name == "NS" else members
    if len(set(read)) != len(read):
        if name == "NS":
            raise Fault("Input collection contains duplicates")
        of_type = "of type BS" if name == "BS" else ""
        raise Fault(f"{INVALID}Input collection [{', '.join(members)}]{of_type} contains duplicates.")
    return sort_members(name, read)


def read_value(value):
    """The canonical form of what a client sends."""
    if len(value) != 1:
        raise Fault(TWO_TYPES if value else EMPTY_VALUE)
    name, inner = next(iter(value.items()))
    if name == "N":
        return {"N": read_number(inner)}
    if name in SETS:
        return {name: read_set(name, inner)}
    if name == "M":
        return {"M": {k: read_value(v) for k, v in inner.items()}}
    if name == "L":
        return {"L": [read_value(v) for v in inner]}
    if name == "NULL" and inner is not True:
        raise Fault(INVALID + "Null attribute value types must have the value of true")
    return value


def read_top(value):
    """Of an attribute of an item, or of an expression: those have a limit of levels."""
    read = read_value(value)
    if levels(read) > LEVELS_MAX:
        raise Fault(TOO_DEEP)
    return read


def read_item(item):
    read = {}
    for name, value in item.items():
        if not name:
            raise Fault(INVALID + "Attribute names must not be empty")
        read[name] = read_top(value)
    return read


def sort_answer(value):
    """An answered value with its sets sorted, as they come in no order; numbers are as they came."""
    name, inner = next(iter(value.items()))
    if name in SETS:
        return {name: sort_members(name, inner)}
    if name == "M":
        return {"M": sort_answers(inner)}
    if name == "L":
        return {"L": [sort_answer(v) for v in inner]}
    return value


def sort_answers(item):
    return {name: sort_answer(value) for name, value in item.items()}


# ---- sizes ----

def levels(value):
    name, inner = next(iter(value.items()))
    if name == "M":
        return 1 + max((levels(v) for v in inner.values()), default=0)
    if name == "L":
        return 1 + max((levels(v) for v in inner), default=0)
    return 1


def value_bytes(value):
    name, inner = next(iter(value.items()))
    if name == "S":
        return len(inner.encode())
    if name == "N":
        return number_bytes(inner)
    if name == "B":
        return len(base64.b64decode(inner))
    if name in SETS:
        return sum(value_bytes({SETS[name]: member}) for member in inner)
    if name == "M":
        return 3 + len(inner) + item_bytes(inner)
    if name == "L":
        return 3 + sum(1 + value_bytes(v) for v in inner)
    return 1


def item_bytes(item):
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


# ---- comparisons ----

def order(a, b):
    """Negative, 0, positive; None when the two have no order."""
    name = kind(a)
    if name != kind(b) or name not in ORDERED:
        return None
    x, y = (Decimal(content(a)), Decimal(content(b))) if name == "N" else (octets(a), octets(b))
    return (x > y) - (x < y)


def size_of(value):
    """What size() says; None for what has no size."""
    name, inner = next(iter(value.items()))
    if name == "S":
        return len(inner.encode("utf-16-le")) // 2
    if name == "B":
        return len(base64.b64decode(inner))
    return len(inner) if name in SETS or name in ("M", "L") else None


def begins_with(whole, prefix):
    return kind(whole) == kind(prefix) and kind(whole) in ("S", "B") and octets(whole).startswith(octets(prefix))


def contains(whole, part):
    """A part of a string or binary, a member of a set, an element of a list."""
    name = kind(whole)
    if name == "L":
        return part in whole["L"]
    if name in SETS:
        return SETS[name] == kind(part) and content(part) in whole[name]
    return name in ("S", "B") and name == kind(part) and octets(part) in octets(whole)
