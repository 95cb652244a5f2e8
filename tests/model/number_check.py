#!/usr/bin/python3
"""Numbers against Python's decimal: parsing, printing, order of bytes and keys, size, sum and difference, by themselves
and as updates of an item; and the words of refusals.

usage: number_check.py DRIVER [CASES] [SEED]

Shares no code with the product: what DynamoDB promises is stated here again, on Decimal.
"""
import random
import re
import subprocess
import sys
from decimal import Context, Decimal

EXACT = Context(prec=700, Emin=-999999, Emax=999999)
DIGITS_MAX, EXPONENT_MIN, EXPONENT_MAX = 38, -130, 125
RANGE = "Number %s. Attempting to store a number with magnitude %s than supported range"
WORDS = {
    "NOT_NUMERIC": "The parameter cannot be converted to a numeric value",
    "TOO_PRECISE": "Attempting to store more than 38 significant digits in a Number",
    "OVERFLOW": RANGE % ("overflow", "larger"),
    "UNDERFLOW": RANGE % ("underflow", "smaller"),
}


def status_of(value):
    """What a nonzero exact value is as a DynamoDB number."""
    value = value.normalize(EXACT)
    if value.adjusted() > EXPONENT_MAX:
        return "OVERFLOW"
    if value.adjusted() < EXPONENT_MIN:
        return "UNDERFLOW"
    return "TOO_PRECISE" if len(value.as_tuple().digits) > DIGITS_MAX else "OK"


def plain(value):
    text = format(value.normalize(EXACT), "f")
    return "0" if not value else text


def size_of(value):
    """One byte, plus one per base-100 digit when digits are paired at the decimal point, plus one for minus."""
    if not value:
        return 1
    text = plain(EXACT.abs(value))
    whole, _, fraction = text.partition(".")
    whole = whole.rjust(len(whole) + len(whole) % 2, "0")
    fraction = fraction.ljust(len(fraction) + len(fraction) % 2, "0")
    digits = whole + fraction
    pairs = [digits[i:i + 2] for i in range(0, len(digits), 2)]
    while pairs and pairs[0] == "00":
        pairs.pop(0)
    while pairs and pairs[-1] == "00":
        pairs.pop()
    return 1 + len(pairs) + (value < 0)


def random_text(rng):
    count = rng.choice([1, 1, 2, 3, 5, 8, 17, 37, 38, 38, 39])
    digits = "".join(rng.choice("0123456789" if rng.random() < 0.8 else "09") for _ in range(count))
    if rng.random() < 0.2:
        digits = "0" * rng.randrange(4) + digits + "0" * rng.randrange(45)
    if rng.random() < 0.5:
        at = rng.randrange(len(digits) + 1)
        digits = digits[:at] + "." + digits[at:]
    text = rng.choice(["", "", "-", "+"]) + digits
    shape = rng.random()
    if shape < 0.3:
        text += rng.choice("eE") + str(rng.randrange(-20, 21))
    elif shape < 0.5:
        text += rng.choice("eE") + rng.choice(["", "+"]) + str(rng.randrange(90, 130))
    elif shape < 0.7:
        text += "e" + str(rng.randrange(-135, -90))
    return text


def spell(rng, sign, digits, exponent):
    """One of the legal spellings of sign d.ddd x 10^exponent."""
    zeros = "0" * rng.choice([0, 0, 0, 1, 5, 40])
    e = rng.choice("eE")
    shape = rng.randrange(4)
    if shape == 0:
        return f"{sign}{zeros}{digits}{e}{exponent - len(digits) + 1}"
    if shape == 1:
        return f"{sign}{zeros}{digits[0]}.{digits[1:]}{zeros}{e}{exponent:+d}"
    if shape == 2:
        return f"{sign}.{zeros}{digits}{e}{exponent + 1 + len(zeros)}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}{zeros}"
    whole = digits.ljust(exponent + 1, "0")
    return f"{sign}{zeros}{whole[:exponent + 1]}.{whole[exponent + 1:]}"


def edge(rng):
    """At the limits: 38 digits and 39, nines, powers of ten, both ends of the exponents, zeros of all kinds."""
    if rng.random() < 0.1:
        return rng.choice(["0", "-0", "+0", "0.000", ".0", "0.", "-0e125", "0e126", "0.0e126", "0.00e127", "0e-999",
                           "00.0e127", "0e999999999999999999999"])
    count = rng.choice([1, 2, 37, 38, 38, 38, 39, 40])
    digits = rng.choice(["9" * count, "1" + "0" * (count - 1), "9" * (count - 1) + "8", "5" * count,
                         "1" + "0" * (count - 2) + "1" if count > 1 else "1",
                         str(rng.randrange(10 ** (count - 1), 10 ** count))])
    digits += "0" * rng.choice([0, 0, 1, 30])
    exponent = rng.choice([-132, -131, -130, -129, -94, -93, -92, -39, -38, -1, 0, 1, 36, 37, 38, 88, 89, 123, 124, 125,
                           126, 127])
    return spell(rng, rng.choice(["", "-", "+"]), digits, exponent)


def garbage(rng):
    if rng.random() < 0.5:
        text = edge(rng)
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice("+-.eE x,_") + text[at:]
    return rng.choice(["", "-", "+", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "--1", "0x10", "NaN", "Infinity",
                       "1_000", "1e5.0", "١", "dog", "1,5", "-.", "+.e1", "1e--5"])


def expected_parse(text):
    form = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+))?", text, re.ASCII)
    if form is None:
        return None
    exponent = max(-10000, min(10000, int(form[2] or 0)))  # decimal's own bounds are another matter
    return EXACT.create_decimal(f"{form[1]}e{exponent}")


def check_parse(text, answer):
    value = expected_parse(text)
    status, _, words = answer.partition(" ")
    fields = answer.split(" ")
    if value is None:
        echo = ": " + text if text else ""
        assert (status, words) == ("NOT_NUMERIC", WORDS["NOT_NUMERIC"] + echo), (text, answer)
        return None
    if not value:
        wanted = "OVERFLOW" if value.as_tuple().exponent > EXPONENT_MAX else "OK"
    else:
        wanted = status_of(value)
    assert fields[0] == wanted, (text, answer, wanted)
    if wanted != "OK":
        assert words == WORDS[wanted], (text, answer)
        return None
    assert fields[2] == plain(value), (text, answer, plain(value))
    assert int(fields[3]) == size_of(value), (text, answer, size_of(value))
    assert fields[4] == "1", (text, answer)
    return value, bytes.fromhex(fields[1]), bytes.fromhex(fields[5])


def check_arithmetic(operation, a, b, answer):
    x, y = EXACT.create_decimal(a), EXACT.create_decimal(b)
    value = EXACT.add(x, y) if operation == "A" else EXACT.subtract(x, y)
    wanted = status_of(value) if value else "OK"
    number, *items = answer.split("|")
    assert number == (f"OK {plain(value)}" if wanted == "OK" else wanted), (operation, a, b, answer, wanted)
    # DynamoDB's only words for a result that needs too many digits are those of an overflow.
    item = plain(value) if wanted == "OK" else WORDS["OVERFLOW" if wanted == "TOO_PRECISE" else wanted]
    assert items == [item] * (2 if operation == "A" else 1), (operation, a, b, answer, item)


def near(rng, text):
    """Another number whose digits meet those of `text`: carries and cancellations."""
    value = EXACT.create_decimal(text)
    if rng.random() < 0.4 or not value:
        return edge(rng) if rng.random() < 0.5 else random_text(rng)
    if rng.random() < 0.3:
        # To the next power of ten, or one in the last place beyond it: the longest carries and cancellations.
        place = value.normalize(EXACT).as_tuple().exponent
        other = EXACT.subtract(Decimal((0, (1,), value.adjusted() + 1)), EXACT.abs(value))
        other = EXACT.add(other, Decimal((rng.randrange(2), (rng.randrange(2),), place)))
        return str(EXACT.minus(other) if rng.random() < 0.5 else other)
    if rng.random() < 0.3:
        # A few in the last place more or less: what is left may be too small.
        place = value.normalize(EXACT).as_tuple().exponent
        return str(EXACT.add(value, Decimal((rng.randrange(2), (rng.randrange(10),), place))))
    shift = rng.randrange(-20, 21)
    digits = rng.randrange(1, 10 ** rng.choice([1, 3, 20, 37]))
    other = Decimal((rng.randrange(2), tuple(map(int, str(digits))), value.as_tuple().exponent + shift))
    if rng.random() < 0.2:
        other = EXACT.minus(value) if rng.random() < 0.5 else value
    return str(other)


def make_cases(rng, count):
    good = []
    for _ in range(count):
        if rng.random() < 0.5 or len(good) < 10:
            choice = rng.random()
            text = garbage(rng) if choice < 0.05 else edge(rng) if choice < 0.5 else random_text(rng)
            value = expected_parse(text)
            if value is not None and (status_of(value) == "OK" if value else value.as_tuple().exponent <= EXPONENT_MAX):
                good.append(text)
            yield ("P", text)
        else:
            a = rng.choice(good)
            b = near(rng, a)
            value = expected_parse(b)
            if value and status_of(value) != "OK" or not value:
                b = rng.choice(good)
            yield (rng.choice("AS"), a, b)


def check_order(pairs):
    """Bytes as numbers, also when other bytes follow: then none is the start of another."""
    for (x_bytes, x), (y_bytes, y) in zip(pairs, pairs[1:]):
        assert (x == y) == (x_bytes == y_bytes), (x, y)
        assert x <= y, (x, y)
        assert x_bytes == y_bytes or not y_bytes.startswith(x_bytes), (x, y)


def main():
    driver, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    cases = list(make_cases(random.Random(seed), count))
    lines = "".join(" ".join(case) + "\n" for case in cases)
    answers = subprocess.run([driver], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answers) == len(cases), (len(answers), len(cases))
    numbers, refused = [], 0
    for case, answer in zip(cases, answers):
        if case[0] == "P":
            number = check_parse(case[1], answer)
            if number is not None:
                numbers.append(number)
        else:
            check_arithmetic(*case, answer)
        refused += not answer.startswith("OK")
    for which in (1, 2):
        check_order(sorted((n[which], n[0]) for n in numbers))
    print(f"numbers: {len(cases)} cases, {len(numbers)} in order, {refused} refused as expected, 0 wrong")


if __name__ == "__main__":
    main()
