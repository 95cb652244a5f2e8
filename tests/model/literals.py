"""Random attribute values: most of them small, so that they meet; many at a limit; some that no service takes."""
import base64

from tests.model import values

NAMES = ("a", "b", "c", "n", "s", "l", "m", "t", "u", "status", "with space", "dot.ted", "\u00e9", "x-1")
WORDS = ("", "a", "ab", "abc", "b", "aa", "\u00e9", "\u00e9t\u00e9", "\U0001f600", "a\u0000b", "\u0000", "zz", "N", "S")
OCTETS = (b"", b"a", b"ab", b"\x00", b"\x00\xff", b"\xff", b"\xff\xff", b"a\x00", b"\x80")
SMALL = ("0", "1", "2", "3", "-1", "-2", "10", "7", "0.5", "1.5", "-0.1", "100", "42")
LIMITS = ("9" * 38, "-" + "9" * 38, "9." + "9" * 37 + "E125", "-9." + "9" * 37 + "E+125", "1E-130", "-1E-130", "1e125",
          "1." + "0" * 36 + "1", "12345678901234567890123456789012345678", "1E-92", "9E-93", "99E123", "0.1E-129",
          "1.5E-130", "1.4E-130", "1E88", "1E87", "-1E38", "5E37")
SPELLED = ("-0", "00042", "1.50", "5e1", "+7", ".5", "2.", "0.000", "1e-1", "100E-2", "0000000000000000000001")
WRONG_NUMBERS = ("1" * 39, "1E126", "-1E126", "1E-131", "9." + "9" * 38, "abc", "", "1e", "--1", "1 ", "NaN", "0x1",
                 "1.2.3")
TYPICAL = {"n": "N", "s": "S", "l": "L", "m": "M", "t": "SS", "u": "NS"}


def binary(octets):
    return base64.b64encode(octets).decode()


class Literals:
    def __init__(self, rng):
        self.rng = rng

    def number(self):
        draw = self.rng.random()
        if draw < 0.62:
            return self.rng.choice(SMALL)
        if draw < 0.82:
            return self.rng.choice(LIMITS)
        if draw < 0.92:
            return self.rng.choice(SPELLED)
        digits = str(self.rng.randrange(10 ** self.rng.choice((2, 9, 20, 38))))
        return f"{self.rng.choice(('', '-'))}{digits}E{self.rng.randrange(-90, 80)}"

    def scalar(self, name):
        if name == "N":
            return {"N": self.number()}
        if name == "S":
            return {"S": self.rng.choice(WORDS)}
        if name == "B":
            return {"B": binary(self.rng.choice(OCTETS))}
        return {"BOOL": self.rng.random() < 0.5} if name == "BOOL" else {"NULL": True}

    def set(self, name):
        count = self.rng.randrange(1, 5)
        if name == "NS":
            return {"NS": self.rng.sample(SMALL + LIMITS[:4], count)}
        pool = [binary(octets) for octets in OCTETS] if name == "BS" else WORDS
        return {name: self.rng.sample(pool, count)}

    def value(self, name=None, depth=0):
        """A value of a type, or of any."""
        name = name or self.rng.choice(("S", "N", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "L", "M", "M"))
        if name in values.SETS:
            return self.set(name)
        if name not in ("L", "M"):
            return self.scalar(name)
        count = 0 if depth > 2 else self.rng.choice((0, 1, 2, 3, 4))
        if name == "L":
            return {"L": [self.value(depth=depth + 1) for _ in range(count)]}
        return {"M": {key: self.typical(key, depth + 1) for key in self.rng.sample(NAMES, count)}}

    def typical(self, name, depth=0):
        """What an attribute of this name mostly is, so that expressions often fit."""
        if name in TYPICAL and self.rng.random() < 0.85:
            return self.value(TYPICAL[name], depth)
        return self.value(depth=depth)

    def deep(self):
        """About as many levels as there may be."""
        value = self.rng.choice(({"S": "leaf"}, {"L": []}, {"M": {}}))
        for _ in range(self.rng.randrange(values.LEVELS_MAX - 3, values.LEVELS_MAX + 1)):
            value = {"L": [value]} if self.rng.random() < 0.5 else {"M": {"a": value}}
        return value

    def wrong(self):
        """A value that is refused for itself."""
        return self.rng.choice((
            {"N": self.rng.choice(WRONG_NUMBERS)}, {"N": self.rng.choice(WRONG_NUMBERS)}, {"SS": []}, {"NS": []},
            {"BS": []}, {"SS": ["a", "a"]}, {"NS": ["1", "1.0"]}, {"BS": [binary(b"a"), binary(b"a")]}, {"NULL": False},
            {}, {"S": "a", "N": "1"}, {"L": [{"N": "x"}]}, {"M": {"a": {"SS": []}}}))

    def near(self, value):
        """The value, or one close to it: what a comparison turns on."""
        draw = self.rng.random()
        name = values.kind(value)
        if draw < 0.45:
            return value
        if name == "N" and draw < 0.85:
            try:
                return {"N": values.calculate(self.rng.choice("+-"), value, {"N": "1"})}
            except values.Fault:
                return value
        if name == "S" and draw < 0.85:
            text = value["S"][:self.rng.randrange(0, 40)]
            return {"S": text[:-1] if self.rng.random() < 0.5 else text + "a"}
        return self.value(name)
