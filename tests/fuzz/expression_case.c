#include "tests/fuzz/expression_case.h"

#include "api/json/attribute_reader.h"
#include "tests/fuzz/words.h"

static const char SUBSTITUTIONS[] =
    "{\"#a\":{\"S\":\"a\"},\"#m\":{\"S\":\"m\"},\"#l\":{\"S\":\"l\"},\":n\":{\"N\":\"12\"},\":m\":{\"N\":\"-"
    "3.5\"},"
    "\":s\":{\"S\":\"ab\"},\":t\":{\"S\":\"NS\"},\":b\":{\"B\":\"YWI=\"},\":ss\":{\"SS\":[\"a\",\"b\"]},"
    "\":ns\":{\"NS\":[\"1\",\"2\"]},\":bs\":{\"BS\":[\"YQ==\"]},\":l\":{\"L\":[{\"N\":\"1\"},{\"S\":\"x\"}]},"
    "\":map\":{\"M\":{\"k\":{\"N\":\"1\"}}},\":null\":{\"NULL\":true},\":bool\":{\"BOOL\":false}}";
static const char ITEM[] =
    "{\"pk\":{\"S\":\"p\"},\"a\":{\"S\":\"abc\"},\"n\":{\"N\":\"12\"},\"b\":{\"B\":\"YWI=\"},\"ss\":{\"SS\":["
    "\"a\",\"c\"]},"
    "\"ns\":{\"NS\":[\"1\",\"3\"]},\"bs\":{\"BS\":[\"YQ==\",\"Yg==\"]},\"l\":{\"L\":[{\"N\":\"1\"},{\"L\":[{"
    "\"S\":\"x\"}]},"
    "{\"M\":{\"a\":{\"N\":\"2\"}}}]},\"m\":{\"M\":{\"a\":{\"N\":\"1\"},\"m\":{\"M\":{\"l\":{\"L\":[]}}}}},"
    "\"null\":{\"NULL\":true},\"bool\":{\"BOOL\":true}}";

/* The item that a JSON text says; false when it says none. */
static bool read_item(struct slice text, struct arena *arena, struct slice *ret_item)
{
    struct item_builder b;
    struct json json;
    item_builder_init(&b, ITEM_ENCODED_BYTES_MAX);
    json_init(&json, text);
    enum err err = attribute_read_item_copy(&json, &b, arena, ret_item, NULL);
    item_builder_deinit(&b);
    return err == ERR_OK && json_finish(&json);
}

static void read_substitutions(struct slice item, struct arena *arena,
                               struct expression_substitutions *ret_all)
{
    size_t count = item_count(item);
    struct expression_substitution *names = arena_alloc(arena, (count + 1) * sizeof *names);
    struct expression_substitution *values = arena_alloc(arena, (count + 1) * sizeof *values);
    ASSERT(names != NULL && values != NULL);
    struct expression_substitutions all = {.names = names, .values = values};
    struct reader at;
    struct attribute_view attribute;
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        const uint8_t *value = attribute.name.data + attribute.name.length;
        if (attribute.name.data[0] == '#')
            names[all.name_count++] = (struct expression_substitution){attribute.name, attribute.value.body};
        else
            values[all.value_count++] = (struct expression_substitution){
                attribute.name, slice_make(value, (size_t)(at.next - value))};
    }
    all.has_names = all.name_count > 0;
    all.has_values = all.value_count > 0;
    *ret_all = all;
}

struct expression_case expression_case_read(struct slice input, struct arena *arena)
{
    struct expression_case c = {.text = fuzz_line(&input)};
    struct slice substitutions;
    if (!utf8_is_valid(c.text))
        c.text.length = 0; /* no JSON has such a text */
    if (!read_item(fuzz_line(&input), arena, &substitutions))
        ASSERT(read_item(slice_from_string(SUBSTITUTIONS), arena, &substitutions));
    read_substitutions(substitutions, arena, &c.substitutions);
    if (!read_item(fuzz_line(&input), arena, &c.item))
        ASSERT(read_item(slice_from_string(ITEM), arena, &c.item));
    return c;
}

static enum program_kind program_kind(enum expression_kind kind)
{
    return kind == EXPRESSION_UPDATE       ? PROGRAM_UPDATE
           : kind == EXPRESSION_PROJECTION ? PROGRAM_PROJECTION
                                           : PROGRAM_CONDITION;
}

/* As a table of `pk`, `a` would have it, with an index on `n`. */
static void check_keys(const struct program *program)
{
    const struct expression_key keys[] = {
        {.name = SLICE_LITERAL("pk"), .tag = VALUE_S, .is_table_key = true},
        {.name = SLICE_LITERAL("a"), .tag = VALUE_N, .is_table_key = true},
        {.name = SLICE_LITERAL("n"), .tag = VALUE_N, .index_name = SLICE_LITERAL("by-n")},
    };
    struct error error = {.code = ERR_OK};
    enum err err = expression_check_keys(program, keys, sizeof keys / sizeof keys[0], &error);
    ASSERT(err == ERR_OK || err == ERR_VALIDATION);
    if (err != ERR_OK)
        fuzz_check_words(error.text);
}

bool expression_case_parse(const struct expression_case *c, enum expression_kind kind, struct arena *arena,
                           struct buffer *ret_bytes, struct program *ret_program)
{
    struct expression_context context;
    struct error error = {.code = ERR_OK};
    enum err err = expression_context_init(&context, &c->substitutions, arena, &error);
    if (err == ERR_OK)
        err = expression_parse(&context, kind, c->text, ret_bytes, &error);
    ASSERT(err == ERR_OK || err == ERR_VALIDATION);
    if (err != ERR_OK) {
        ASSERT(error.code == err && ret_bytes->length == 0);
        fuzz_check_words(error.text);
        return false;
    }
    err = expression_context_check_unused(&context, &error);
    ASSERT(err == ERR_OK || err == ERR_VALIDATION);
    ASSERT(program_open(buffer_view(ret_bytes), program_kind(kind), ret_program) == ERR_OK);
    check_keys(ret_program);
    return true;
}
