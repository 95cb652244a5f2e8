"""Mutants: routers and nodes with one thing wrong each, to prove that the model test would notice.

    mutants.py list                              names, files and daemons, for CMake
    mutants.py make NAME SOURCE OUT              write the broken copy; fails when its pattern no longer matches
    python3 -m tests.model.mutants [--operations N] [--sample] [NAME...]    link them, run them, print the table

Production code knows nothing of this: a build step copies one source file, replaces one piece of text and links the
result in place of the original. A mutant counts as caught when an answer is not the model's; that a process died or fell
silent does not count. The clean fleet passes the same seeds.
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.sim.mutants import replace  # noqa: E402

E = "api/expression/"
R = "api/router/"
X = "dataplane/expression/"
I = "dataplane/item/"
N = "dataplane/node/"
P = "dataplane/partition/"
ROUTER, NODE, BOTH = ("router",), ("node",), ("router", "node")
OPERATIONS = 12000  # of each of the streams
SEEDS = (1, 2)
SAMPLE = ("start-key-again", "last-key-missing", "projection-drops-second", "list-append-swapped", "updated-old-is-all",
          "filter-counted")  # for `./dev test`

# name: (file, text, replacement, daemons, what is broken)
MUTANTS = {
    # What a router makes of a request.
    "and-as-weak-as-or": (E + "condition_parser.c", "if (kind == TOKEN_AND)\n        return 2;", "if (kind == TOKEN_AND)\n        return 1;", ROUTER,
                          "AND binds no more than OR"),
    "not-binds-last": (E + "condition_parser.c", "if (kind == TOKEN_NOT)\n        return 3;", "if (kind == TOKEN_NOT)\n        return 1;",
                       ROUTER, "NOT takes all that follows"),
    "unused-accepted": (E + "context.c", "for (size_t i = 0; i < table->count; i++)\n        if (!table->entries[i].is_used)\n            return",
                        "for (size_t i = 1; i < table->count; i++)\n        if (!table->entries[i].is_used)\n            return",
                        ROUTER, "the first unused name or value is not told"),
    "turned-not-turned": (E + "key_condition.c", "to->op = is_turned ? turned(op) : op;", "to->op = op;", ROUTER,
                          ":v < sk is taken for sk < :v"),
    "less-takes-equal": (R + "query_range.c", "append_sort(sort, value, condition->op == CONDITION_LESS_EQUAL, &to->end);",
                         "append_sort(sort, value, true, &to->end);", ROUTER, "sk < :v finds the equal one"),
    "greater-takes-equal": (R + "query_range.c", "append_sort(sort, value, condition->op == CONDITION_GREATER, &to->begin);",
                            "append_sort(sort, value, false, &to->begin);", ROUTER, "sk > :v finds the equal one"),
    "key-between-exclusive": (R + "query_range.c", "append_sort(sort, condition->upper.body, true, &to->end);",
                              "append_sort(sort, condition->upper.body, false, &to->end);", ROUTER,
                              "BETWEEN of a sort key without its upper bound"),
    "start-key-again": (R + "query_range.c", "set(is_reverse ? &range->end : &range->begin, key);\n    if (!is_reverse)\n        buffer",
                        "set(is_reverse ? &range->end : &range->begin, key);\n    buffer", ROUTER,
                        "a page backwards begins with the key that the last one ended with"),
    "segment-off-by-one": (R + "query_range.c", "key_range(space_id, index, count, &begin, &end);",
                           "key_range(space_id, index, count == 1 ? 1 : count + 1, &begin, &end);", ROUTER,
                           "segments leave a part of the table out"),
    "last-key-missing": (R + "query_operations.c", "if (is_page_full(s))\n        finish(r, true);",
                         "if (is_page_full(s))\n        finish(r, items_left(s) != 0);", ROUTER,
                         "no LastEvaluatedKey where Limit ends the page"),
    "page-without-end": (R + "query_operations.c", "s->counts.evaluated_bytes >= PAGE_BYTES_MAX;",
                         "s->counts.evaluated_bytes >= 2 * PAGE_BYTES_MAX;", ROUTER,
                         "pages of 2 MB"),
    "eventual-costs-full": (R + "item_operations.c", "enum read_kind kind = p->is_consistent ? READ_STRONG : READ_EVENTUAL;",
                            "enum read_kind kind = READ_STRONG;", ROUTER, "an eventual GetItem costs a full unit"),
    "scan-rounds-each-call": (R + "query_operations.c", "s->counts.evaluated_bytes += response->evaluated_bytes;",
                           "s->counts.evaluated_bytes += (response->evaluated_bytes + 4095) / 4096 * 4096;", ROUTER,
                           "what a page read is rounded up for each call to a group"),
    "put-limit-off-by-one": (R + "item_parameters.c", "item_size_bytes(p->item) > ITEM_BYTES_MAX)",
                             "item_size_bytes(p->item) >= ITEM_BYTES_MAX)", ROUTER, "an item of exactly 400 KB is refused"),
    "batch-duplicates": (R + "batch_parameters.c", "for (size_t k = 0; k < i; k++)", "for (size_t k = 0; k + 1 < i; k++)",
                         ROUTER, "a key twice in a row passes"),
    "batch-capacity-lost": (R + "batch_answer.c", "milli += units_of_entry(b->p.entries[i]);", "milli = units_of_entry(b->p.entries[i]);",
                            ROUTER, "a batch costs what its last item does"),
    "projection-drops-second": (X + "targets.c", "if (has_element)\n            TRY(visit(",
                                "if (has_element && index != 1)\n            TRY(visit(", ROUTER,
                                "a projection loses the second element of a list"),
    "print-100-zeros": (I + "number.c", "static char *put_zeros(char *to, int count)\n{\n    memset(to, '0', (size_t)count);",
                           "static char *put_zeros(char *to, int count)\n{\n    count = count > 100 ? 100 : count;\n    memset(to, '0', (size_t)count);",
                           ROUTER, "very large and very small numbers are printed with 100 zeros at most"),
    "ne-wants-attribute": (E + "legacy_condition.c", "if (comparison == LEGACY_NOT_CONTAINS) {",
                           "if (comparison == LEGACY_NE) {\n        emit_existence(b, CONDITION_EXISTS, path);\n"
                           "        emit_op(b, CONDITION_AND);\n    }\n    if (comparison == LEGACY_NOT_CONTAINS) {", ROUTER,
                           "NE of an absent attribute is false"),
    "not-contains-of-nothing": (E + "legacy_condition.c", "emit_op(b, CONDITION_NOT);\n        emit_existence(b, CONDITION_EXISTS, path);\n        emit_op(b, CONDITION_AND);",
                                "emit_op(b, CONDITION_NOT);", ROUTER, "NOT_CONTAINS of an absent attribute is true"),
    "or-ignored": (E + "legacy_condition.c", "emit_op(&builder, is_or ? CONDITION_OR : CONDITION_AND);",
                   "emit_op(&builder, CONDITION_AND);", ROUTER, "ConditionalOperator is taken for AND"),
    "add-replaces-list": (E + "legacy_update.c", "emit_op(b, UPDATE_IF_NOT_EXISTS, path);", "", ROUTER,
                          "ADD of a list replaces the old one"),
    # What a node does with an item.
    "between-exclusive": (X + "condition.c", "to_lower >= 0 &&\n           to_upper <= 0", "to_lower >= 0 && to_upper < 0",
                          NODE, "BETWEEN without its upper bound"),
    "in-last-only": (X + "condition.c", "is_found = operands_are_equal(&x, &candidate);",
                     "is_found = operands_are_equal(&x, &candidate) && count == 1;", NODE, "IN looks at its last operand only"),
    "exponent-ignored": (I + "item.c", "*ret_order = slice_compare(a.body, b.body);",
                         "*ret_order = a.tag == VALUE_N ? slice_compare(slice_from(a.body, 2), slice_from(b.body, 2)) : slice_compare(a.body, b.body);",
                         NODE, "numbers are compared without their exponents"),
    "unequal-to-absent": (X + "condition.c", "return !operands_are_equal(&a, &b);",
                          "return a.exists && b.exists && !operands_are_equal(&a, &b);", NODE,
                          "<> of an absent attribute is false"),
    "begins-with-strings-only": (X + "condition.c", "(text.value.tag == VALUE_S || text.value.tag == VALUE_B) &&\n           slice_starts_with",
                                 "text.value.tag == VALUE_S && slice_starts_with", NODE, "begins_with of binaries is false"),
    "contains-first-element": (X + "condition.c", "while (list_next(&at, &element))\n        if (value_equal(element, part))",
                               "if (list_next(&at, &element))\n        if (value_equal(element, part))", NODE,
                               "contains looks at a list's first element only"),
    "size-of-set-in-bytes": (X + "condition.c", "return (int64_t)set_count(value.body);", "return (int64_t)value.body.length;",
                             NODE, "size() of a set counts bytes"),
    "size-of-text-in-bytes": (X + "condition.c", "return string_length(value.body);", "return (int64_t)value.body.length;",
                              NODE, "size() of a string counts bytes"),
    "list-append-swapped": (X + "update_value.c", "append_lists(run, a, b, r) :", "append_lists(run, b, a, r) :", NODE,
                            "list_append in the other order"),
    "remove-shifts": (X + "update.c", "has_element = list_next(&at, &element);\n            index++;",
                      "has_element = list_next(&at, &element);\n            index += !group.targets[0].is_removal;", NODE,
                      "REMOVE of an element moves those that the same update names behind it"),
    "add-wants-attribute": (X + "update_value.c", "TRY(count_put(run, value.value.body.length));\n    if (old.problem == PROBLEM_ABSENT)\n        return ERR_OK;",
                            "TRY(count_put(run, value.value.body.length));\n    if (old.problem == PROBLEM_ABSENT)\n        return report(&old, run->error);",
                            NODE, "ADD to an attribute that is not there is refused"),
    "empty-set-stays": (X + "update_value.c", "t->is_removal = t->value.body.length == 0;", "t->is_removal = false;", NODE,
                        "DELETE of all members leaves an empty set"),
    "if-not-exists-sees-update": (X + "update_value.c", "TRY(find(run, path, &found));\n    if (found.problem == PROBLEM_NONE)",
                                  "TRY(find(run, path, &found));\n    for (uint32_t i = 0; i < run->count; i++)\n"
                                  "        if (!run->targets[i].is_removal && program_path_length(run->program, path) == 1 &&\n"
                                  "            program_path_length(run->program, run->targets[i].path) == 1 &&\n"
                                  "            slice_equal(program_path_part(run->program, path, 0).name,\n"
                                  "                        program_path_part(run->program, run->targets[i].path, 0).name))\n"
                                  "            found = (struct result){.value = run->targets[i].value};\n"
                                  "    if (found.problem == PROBLEM_NONE)", NODE,
                                  "if_not_exists finds what the same update sets"),
    "zero-stretches-sums": (I + "number.c", "if (x.count == 0)\n        x.exponent = y.exponent;", "", NODE,
                            "0 + 1E-130 has too many digits"),
    "sum-of-zero-refused": (I + "number.c", "*ret_sum = number_zero();\n        return NUMBER_OK;",
                               "*ret_sum = number_zero();\n        return NUMBER_UNDERFLOW;", NODE, "a sum of 0 is refused"),
    "remove-creates-item": (X + "update.c", "checked by program_open */\n    }\n    return false;",
                            "checked by program_open */\n    }\n    return true;", NODE, "REMOVE makes an item where none is"),
    "condition-on-new-item": (P + "write_outcome.c", "return condition_evaluate(&condition, c->has_old ? c->old_item : SLICE_EMPTY, c->arena, ret_is_met);",
                              "return condition_evaluate(&condition, c->request->kind == WRITE_PUT ? c->request->item : c->has_old ? c->old_item : SLICE_EMPTY, c->arena, ret_is_met);",
                              NODE, "the condition of a put looks at the new item"),
    "updated-old-is-all": (P + "partition_evaluate.c", "if (wanted == RETURN_UPDATED_OLD || wanted == RETURN_UPDATED_NEW) {",
                           "if (wanted == RETURN_UPDATED_NEW) {", NODE, "UPDATED_OLD returns all attributes"),
    "no-item-on-failure": (P + "partition_evaluate.c", "e->request->return_old_on_condition_failure &&\n        e->has_old)",
                           "e->request->return_old_on_condition_failure &&\n        e->has_old && answer->after_index != 0)", NODE,
                           "ReturnValuesOnConditionCheckFailure returns nothing"),
    "write-costs-after": (P + "partition_evaluate.c", "size_t bytes = old_bytes > attempted_bytes ? old_bytes : attempted_bytes;", "size_t bytes = attempted_bytes;",
                          NODE, "a write that makes an item smaller costs the smaller size"),
    "filter-counted": (N + "range_page.c", "page->matched_count += is_match;", "page->matched_count += 1;", NODE,
                       "Count counts what the filter dropped"),
    "scanned-after-filter": (N + "range_page.c", "page->evaluated_count++;", "page->evaluated_count += is_match;", NODE,
                             "ScannedCount and Limit count what the filter left"),
    "scan-ends-with-group": (N + "request_scan.c", "response.is_end = read->is_exhausted && !read->is_cut;",
                             "response.is_end = read->is_exhausted;", NODE, "a scan ends with its first partition"),
    # Both.
    "size-without-names": (I + "size.c", "bytes += attribute.name.length + size_of_value(attribute.value, level);",
                           "bytes += size_of_value(attribute.value, level);", BOTH, "names count nothing"),
    "nothing-costs-nothing": (I + "size.c", "return count == 0 ? 1 : (int64_t)count;", "return (int64_t)count;", BOTH,
                              "what is not there is read for nothing"),
}


def make(name, source, out):
    file, old, new, *_ = MUTANTS[name]
    pathlib.Path(out).write_text(replace(pathlib.Path(source).read_text(), old, new, name))


def main():
    parser = argparse.ArgumentParser(prog="python3 -m tests.model.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="NAME", help="only these; all of them without")
    parser.add_argument("--operations", type=int, default=OPERATIONS, help="of each stream")
    parser.add_argument("--sample", action="store_true", help=f"{len(SAMPLE)} of them")
    options = parser.parse_args()
    match options.words:
        case ["list"]:
            print("\n".join(f"{name} {mutant[0]} {','.join(mutant[3])}" for name, mutant in MUTANTS.items()))
            return 0
        case ["make", *arguments]:
            make(*arguments)
            return 0
    from tests.model.mutant_runs import run
    names = options.words or (SAMPLE if options.sample else list(MUTANTS))
    return run({name: MUTANTS[name] for name in names}, options.operations, SEEDS)


if __name__ == "__main__":
    sys.exit(main())
