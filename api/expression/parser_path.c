#include "api/expression/parser.h"

#include <stdio.h>

static const struct parsed_part *part_of(const struct parser *p, uint16_t path, uint32_t number)
{
    return &p->parts[p->paths[path].first + number];
}

static bool parts_are_equal(const struct parsed_part *a, const struct parsed_part *b)
{
    return a->is_index == b->is_index && (a->is_index ? a->index == b->index : slice_equal(a->name, b->name));
}

bool parser_paths_are_equal(const struct parser *p, uint16_t a, uint16_t b)
{
    if (p->paths[a].count != p->paths[b].count)
        return false;
    for (uint32_t i = 0; i < p->paths[a].count; i++)
        if (!parts_are_equal(part_of(p, a, i), part_of(p, b, i)))
            return false;
    return true;
}

const char *parser_path_text(const struct parser *p, uint16_t path, char *text, size_t bytes)
{
    size_t length = (size_t)snprintf(text, bytes, "[");
    for (uint32_t i = 0; i < p->paths[path].count && length < bytes; i++) {
        const struct parsed_part *part = part_of(p, path, i);
        const char *separator = i == 0 ? "" : ", ";
        char *to = text + length;
        int added = part->is_index
                        ? snprintf(to, bytes - length, "%s[%u]", separator, part->index)
                        : snprintf(to, bytes - length, "%s%.*s", separator, SLICE_PRINTF(part->name));
        length += added < 0 ? 0 : (size_t)added;
    }
    if (length < bytes)
        (void)snprintf(text + length, bytes - length, "]"); /* what is too long is cut */
    return text;
}

static void overlap_problem(struct parser *p, enum problem_kind kind, uint16_t a, uint16_t b)
{
    char first[ERROR_TEXT_BYTES], second[ERROR_TEXT_BYTES];
    problems_add(
        &p->problems, kind,
        "Two document paths %s with each other; must remove or rewrite one of these paths; path one: "
        "%s, path two: %s",
        kind == PROBLEM_OVERLAP ? "overlap" : "conflict", parser_path_text(p, a, first, sizeof first),
        parser_path_text(p, b, second, sizeof second));
}

static void check_pair(struct parser *p, uint16_t a, uint16_t b)
{
    for (uint32_t i = 0; i < p->paths[a].count && i < p->paths[b].count; i++) {
        const struct parsed_part *x = part_of(p, a, i), *y = part_of(p, b, i);
        if (x->is_index != y->is_index) {
            overlap_problem(p, PROBLEM_CONFLICT, a, b);
            return;
        }
        if (!parts_are_equal(x, y))
            return;
    }
    overlap_problem(p, PROBLEM_OVERLAP, a, b);
}

void parser_check_overlap(struct parser *p, const uint16_t *earlier, uint32_t count, uint16_t path)
{
    for (uint32_t i = 0; i < count && !problems_has(&p->problems, PROBLEM_OVERLAP); i++)
        check_pair(p, earlier[i], path);
}
