"""embed.py MODEL OUT.c OUT.h: the model as a C table (api/model/model.h), written by the build."""

import re
import sys
from pathlib import Path

import model_text

KINDS = {"value": "VALUE", "any": "ANY", "string": "STRING", "enum": "STRING", "integer": "INTEGER", "long": "LONG",
         "double": "DOUBLE", "timestamp": "TIMESTAMP", "boolean": "BOOLEAN", "structure": "STRUCTURE", "list": "LIST",
         "map": "MAP"}
SHAPE_FLAGS = {"table": "is_table", "new-maximum": "has_new_maximum", "folded": "is_folded"}
MEMBERS_MAX = 64  # MODEL_MEMBERS_MAX


def upper(name):
    """ReturnItemCollectionMetrics -> RETURN_ITEM_COLLECTION_METRICS"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pattern_rows(pattern):
    """One set of characters, as 256 bits, and how many of them: all that the model's patterns need."""
    form = re.fullmatch(r"\^?(\[(?:\\.|[^\]\\])+\]|\\p\{Print\})(\+|\*|\{(\d+)\})?\$?", pattern)
    if form is None:
        sys.exit(f"pattern {pattern}: more than one set of characters")
    of = re.compile(form[1].replace(r"\p{Print}", r"[ -~]"))
    bits = [0] * 4
    for byte in range(256):
        if of.fullmatch(chr(byte) if byte < 128 else "\u00e9"):
            bits[byte // 64] |= 1 << byte % 64
    least, most = {"+": (1, "SIZE_MAX"), "*": (0, "SIZE_MAX"), None: (1, 1)}.get(form[2]) or (form[3], form[3])
    words = ", ".join(f"UINT64_C({word:#x})" for word in bits)
    return f"{{.text = {quoted(pattern)}, .bytes = {{{words}}}, .least = {least}, .most = {most}}}"


def demands(shape):
    """Whether a value may violate something by itself."""
    return bool(shape.options or shape.kind == "enum")


def demands_inside(shape, shapes):
    """Whether something inside a value may."""
    if shape.kind == "structure":
        parts = [shapes[member.shape] for member in shape.members]
        return any("required" in member.flags for member in shape.members) or \
            any(demands(part) or demands_inside(part, shapes) for part in parts)
    return any(demands(shapes[word]) or demands_inside(shapes[word], shapes) for word in shape.words) \
        if shape.kind in ("list", "map") else False


def shape_row(shape, shapes, numbers, patterns):
    row = [f".name = {quoted(shape.name)}", f".kind = MODEL_{KINDS[shape.kind]}"]
    for key, option in (("min", "minimum"), ("max", "maximum")):
        if key in shape.options:
            row += [f".has_{option} = true", f".{option} = {shape.options[key]}"]
    if "pattern" in shape.options:
        row.append(f".pattern = &patterns[{patterns.index(shape.options['pattern'])}]")
    if demands_inside(shape, shapes):
        row.append(".demands_inside = true")
    row += [f".{name} = true" for flag, name in SHAPE_FLAGS.items() if flag in shape.flags]
    if shape.kind == "enum":
        row += [f".choices = choices_{shape.name}", f".choice_count = {len(shape.words)}"]
    if shape.kind == "structure" and shape.members:
        row += [f".members = members_{shape.name}", f".member_count = {len(shape.members)}"]
    if shape.kind in ("list", "map"):
        row.append(f".element = &shapes[{numbers[shape.words[-1]]}]")
    if shape.kind == "map":
        row.append(f".key = &shapes[{numbers[shape.words[0]]}]")
    return "    {" + ", ".join(row) + "},"


def member_row(member, numbers, names):
    row = [f".name = {quoted(member.name)}", f".name_bytes = {len(member.name)}",
           f".shape = &shapes[{numbers[member.shape]}]"]
    for flag, name in (("required", "is_required"), ("given", "is_given_first"), ("plain-length", "has_plain_length"),
                       ("new-words", "has_new_words"), ("arn", "is_arn")):
        if flag in member.flags:
            row.append(f".{name} = true")
    if member.name in names:
        row.append(f".id = MEMBER_{upper(member.name)}")
    return "    {" + ", ".join(row) + "},"


def main():
    source, out_c, out_h = map(Path, sys.argv[1:])
    operations, shapes = model_text.read(source)
    names = sorted({member.name for shape in operations.values() for member in shapes[shape].members})
    numbers = {name: number for number, name in enumerate(shapes)}
    patterns = sorted({shape.options["pattern"] for shape in shapes.values() if "pattern" in shape.options})
    enums = [shape for shape in shapes.values() if shape.kind == "enum"]

    head = [f"/* Made by {Path(__file__).name} from {source.name}. */", "#pragma once", "",
            "/* The members that requests have at their top. */", "enum model_member_id {", "    MEMBER_OTHER,",
            *(f"    MEMBER_{upper(name)}," for name in names), "    MEMBER_COUNT", "};", "",
            "/* The values of enums, in DynamoDB's order. */"]
    head += [f"enum {{ {', '.join(f'MODEL_{upper(s.name)}_{v}' for v in s.words)} }};" for s in enums]

    code = [f"/* Made by {Path(__file__).name} from {source.name}. */", '#include "api/model/model.h"', "",
            "static const struct model_shape shapes[];", "", "static const struct model_pattern patterns[] = {",
            *(f"    {pattern_rows(pattern)}," for pattern in patterns), "};"]
    code += [f"static const char *const choices_{s.name}[] = {{{', '.join(map(quoted, s.words))}}};" for s in enums]
    for shape in shapes.values():
        if len(shape.members) > MEMBERS_MAX:
            sys.exit(f"{shape.name} has more than {MEMBERS_MAX} members")
        if shape.members:
            code += [f"static const struct model_member members_{shape.name}[] = {{",
                     *(member_row(member, numbers, names) for member in shape.members), "};"]
    code += [f"static const struct model_shape shapes[{len(shapes)}] = {{",
             *(shape_row(shape, shapes, numbers, patterns) for shape in shapes.values()), "};", "",
             "const struct model_operation model_operations[] = {"]
    for name, shape in sorted(operations.items()):
        slots = ", ".join(f"[MEMBER_{upper(member.name)}] = {number + 1}"
                          for number, member in enumerate(shapes[shape].members))
        code.append(f"    {{.name = {quoted(name)}, .input = &shapes[{numbers[shape]}], .slots = {{{slots or 0}}}}},")
    code += ["};", f"const size_t model_operation_count = {len(operations)};"]
    code[3] = f"static const struct model_shape shapes[{len(shapes)}];"
    out_h.write_text("\n".join(head) + "\n", encoding="utf-8")
    out_c.write_text("\n".join(code) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
