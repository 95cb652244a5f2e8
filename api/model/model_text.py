"""Reads the language of dynamodb.model; for embed.py and for compat.py."""

from dataclasses import dataclass, field


@dataclass
class Member:
    name: str
    shape: str
    flags: list


@dataclass
class Shape:
    kind: str
    name: str
    words: list = field(default_factory=list)  # list, map: shapes; enum: values
    options: dict = field(default_factory=dict)  # min, max, pattern
    flags: list = field(default_factory=list)
    members: list = field(default_factory=list)


def read(path):
    """(operations {name: input shape}, shapes {name: Shape})"""
    operations, shapes, structure = {}, {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            name, shape, *flags = line.split()
            structure.members.append(Member(name, shape, flags))
            continue
        line, _, pattern = line.partition(" pattern=")
        kind, name, *words = line.split()
        if kind == "operation":
            operations[name] = words[0]
            continue
        shape = shapes[name] = structure = Shape(kind, name)
        for word in words:
            if word.startswith(("min=", "max=")):
                key, _, value = word.partition("=")
                shape.options[key] = int(value)
            elif kind == "string" or (kind == "list" and shape.words):
                shape.flags.append(word)
            else:
                shape.words.append(word)
        if pattern:
            shape.options["pattern"] = pattern
    return operations, shapes
