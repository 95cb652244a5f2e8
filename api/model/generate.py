"""Makes dynamodb.model from botocore's description of DynamoDB and the departures from it.

    generate.py            write dynamodb.model
    generate.py --check    say whether it is as it should be, and whether each departure still changes something

What the language is: README.md beside this file.
"""

import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE / "dynamodb.model"
DEPARTURES = HERE / "departures.txt"
HEAD = "# Made by generate.py from botocore's model of DynamoDB (2012-08-10) and departures.txt: change those.\n"
KINDS = {"structure": "structure", "list": "list", "map": "map", "string": "string", "integer": "integer",
         "long": "long", "double": "double", "boolean": "boolean", "timestamp": "timestamp", "blob": "blob"}
OPAQUE = "AttributeValue"  # read by api/json/attribute_reader.h


class Model:
    """Operations {name: input shape}, structures {name: {member: words}}, other shapes {name: words}."""

    def __init__(self):
        self.operations, self.structures, self.shapes = {}, {}, {}

    def __eq__(self, other):
        return self.text() == other.text()

    def copy(self):
        other = Model()
        other.operations = dict(self.operations)
        other.structures = {name: dict(members) for name, members in self.structures.items()}
        other.shapes = dict(self.shapes)
        return other

    def text(self):
        used = self.used()
        lines = [f"operation {name} {shape}" for name, shape in sorted(self.operations.items())]
        lines += ["", *(" ".join([words[0], name, *words[1:]]) for name, words in sorted(self.shapes.items())
                        if name in used)]
        for name, members in sorted(self.structures.items()):
            if name in used:
                lines += ["", f"structure {name}", *(f"    {member} {' '.join(words)}"
                                                     for member, words in members.items())]
        return HEAD + "\n" + "\n".join(lines) + "\n"

    def used(self):
        """The shapes that a request can reach."""
        seen, waiting = set(), list(self.operations.values())
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.structures:
                waiting += [words[0] for words in self.structures[name].values()]
            elif name in self.shapes:
                kind, *words = self.shapes[name]
                waiting += words[:{"list": 1, "map": 2}.get(kind, 0)]
            else:
                sys.exit(f"no shape {name}")
        return seen


def bounds(shape):
    return [f"{key}={shape[key]}" for key in ("min", "max", "pattern") if key in shape]


def words_of(name, shape):
    """A shape that is not a structure."""
    kind = shape["type"]
    if "enum" in shape:
        return ["enum", *shape["enum"]]
    if kind == "list":
        return ["list", shape["member"]["shape"], *bounds(shape)]
    if kind == "map":
        return ["map", shape["key"]["shape"], shape["value"]["shape"], *bounds(shape)]
    return [KINDS[kind], *bounds(shape)]


def find_service():
    import botocore
    directory = Path(botocore.__file__).parent / "data" / "dynamodb" / "2012-08-10"
    plain = directory / "service-2.json"
    if plain.exists():
        return json.loads(plain.read_bytes())
    return json.loads(gzip.decompress((directory / "service-2.json.gz").read_bytes()))


def from_botocore(service):
    model = Model()
    for name, operation in service["operations"].items():
        model.operations[name] = operation["input"]["shape"]
    for name, shape in service["shapes"].items():
        if name == OPAQUE:
            model.shapes[name] = ["value"]
        elif shape["type"] == "structure":
            required = shape.get("required", [])
            model.structures[name] = {
                member: [ref["shape"], *(["required"] if member in required else [])]
                for member, ref in shape["members"].items()}
        else:
            model.shapes[name] = words_of(name, shape)
    return model


def depart(model, line):
    """One departure: a line of the model's own language, or `member`, `order`."""
    verb, name, *rest = line.split()
    if verb == "operation":
        model.operations[name] = rest[0]
    elif verb == "structure":
        model.structures[name] = {}
    elif verb == "member":
        model.structures[name][rest[0]] = rest[1:]
    elif verb == "order":
        members = model.structures[name]
        model.structures[name] = {member: members[member] for member in [*rest, *members]}
    else:
        model.shapes[name] = [verb, *rest]


def read_departures():
    lines = (line.partition("#")[0].strip() for line in DEPARTURES.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def make():
    """The model's text, and the departures that change nothing."""
    model = from_botocore(find_service())
    idle = []
    for line in read_departures():
        before = model.copy()
        depart(model, line)
        if (before.operations, before.structures, before.shapes) == (model.operations, model.structures,
                                                                     model.shapes) and \
                [list(m) for m in before.structures.values()] == [list(m) for m in model.structures.values()]:
            idle.append(line)
    return model.text(), idle


def main():
    text, idle = make()
    for line in idle:
        print(f"{DEPARTURES.name}: nothing departs here any more: {line}", file=sys.stderr)
    if sys.argv[1:] == ["--check"]:
        is_same = MODEL.read_text(encoding="utf-8") == text
        if not is_same:
            print(f"{MODEL.name} is not what {Path(__file__).name} makes: run it", file=sys.stderr)
        return 1 if idle or not is_same else 0
    MODEL.write_text(text, encoding="utf-8")
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main())
