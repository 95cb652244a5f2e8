/* Nanoseconds per byte that a condition looks at (program_work_bytes counts those): searches in a text and in lists, the
 * slowest there are. And per byte of opening a program, by what its values are. Processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/expression/condition.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"

enum { BODY_BYTES = 400 * 1000, SEARCHES = 100, VALUE_BYTES_MAX = 4 << 20 };

static void append_value(struct buffer *to, enum value_tag tag, struct slice body)
{
    value_append((struct value_view){tag, body}, to);
}

/* `bytes` of a list of such elements. */
static void append_list(struct buffer *to, struct value_view element, size_t bytes)
{
    struct item_builder b;
    item_builder_init(&b, VALUE_BYTES_MAX);
    item_builder_begin(&b, VALUE_L);
    for (size_t end = bytes / (2 + element.body.length), i = 0; i < end; i++)
        item_builder_value(&b, element);
    item_builder_end(&b);
    buffer_append(to, item_builder_view(&b));
    item_builder_deinit(&b);
}

static void append_text(struct buffer *to, size_t bytes, size_t odd_at)
{
    char *text = malloc(bytes);
    memset(text, 'a', bytes);
    if (odd_at < bytes)
        text[odd_at] = 'b';
    append_value(to, VALUE_S, slice_make(text, bytes));
    free(text);
}

/* contains(a, :v), so many times; the path is `a`. */
static struct program make_program(struct buffer *bytes, struct slice value)
{
    struct program_builder b;
    struct program program;
    program_builder_init(&b, PROGRAM_CONDITION);
    program_builder_path_name(&b, program_builder_name(&b, SLICE_LITERAL("a")));
    uint16_t path = program_builder_path_end(&b);
    uint16_t number = program_builder_value(&b, value);
    for (int i = 0; i < SEARCHES; i++) {
        buffer_append_u8(&b.code, CONDITION_CONTAINS);
        program_builder_operand(&b, OPERAND_PATH, path);
        program_builder_operand(&b, OPERAND_VALUE, number);
        if (i > 0)
            buffer_append_u8(&b.code, CONDITION_OR);
    }
    if (program_builder_finish(&b, bytes) != ERR_OK ||
        program_open(buffer_view(bytes), PROGRAM_CONDITION, &program) != ERR_OK)
        abort();
    program_builder_deinit(&b);
    return program;
}

static void time_open(const char *what, struct slice value, long rounds)
{
    struct buffer bytes;
    buffer_init(&bytes, VALUE_BYTES_MAX);
    struct program program = make_program(&bytes, value);
    clock_t began = clock();
    for (long i = 0; i < rounds; i++)
        if (program_open(buffer_view(&bytes), PROGRAM_CONDITION, &program) != ERR_OK)
            abort();
    double ns = (double)(clock() - began) * (1e9 / CLOCKS_PER_SEC) / (double)rounds;
    printf("{\"bench\":\"program_open\",\"value\":\"%s\",\"bytes\":%zu,\"ns_per_byte\":%.2f}\n", what,
           bytes.length, ns / (double)bytes.length);
    buffer_deinit(&bytes);
}

static void time_search(const char *what, struct slice whole, struct slice part, long rounds)
{
    struct item_builder item;
    struct buffer bytes;
    struct arena arena;
    struct value_view view;
    bool is_found = true;
    buffer_init(&bytes, VALUE_BYTES_MAX);
    arena_init(&arena, 64 * 1024, 1 << 20);
    item_builder_init(&item, VALUE_BYTES_MAX);
    item_builder_begin(&item, VALUE_M);
    if (!value_decode(whole, &view))
        abort();
    item_builder_attribute(&item, SLICE_LITERAL("a"), view);
    item_builder_end(&item);
    struct program program = make_program(&bytes, part);
    struct slice body = item_builder_view(&item);
    clock_t began = clock();
    for (long i = 0; i < rounds; i++, arena_reset(&arena))
        if (condition_evaluate(&program, body, &arena, &is_found) != ERR_OK || is_found)
            abort();
    double ns = (double)(clock() - began) * (1e9 / CLOCKS_PER_SEC) / (double)rounds;
    printf("{\"bench\":\"contains\",\"case\":\"%s\",\"item_bytes\":%zu,\"ms\":%.1f,\"ns_per_byte\":%.2f,"
           "\"ns_per_bound\":%.2f}\n",
           what, body.length, ns / 1e6, ns / SEARCHES / (double)body.length,
           ns / (double)program_work_bytes(&program, body.length));
    item_builder_deinit(&item);
    arena_deinit(&arena);
    buffer_deinit(&bytes);
}

static void search_text(const char *what, size_t part_bytes, size_t odd_at, long rounds)
{
    struct buffer whole, part;
    buffer_init(&whole, VALUE_BYTES_MAX);
    buffer_init(&part, VALUE_BYTES_MAX);
    append_text(&whole, BODY_BYTES, BODY_BYTES);
    append_text(&part, part_bytes, odd_at);
    time_search(what, buffer_view(&whole), buffer_view(&part), rounds);
    buffer_deinit(&whole);
    buffer_deinit(&part);
}

static void search_list(const char *what, struct value_view element, struct value_view part, long rounds)
{
    struct buffer whole, encoded;
    buffer_init(&whole, VALUE_BYTES_MAX);
    buffer_init(&encoded, VALUE_BYTES_MAX);
    append_list(&whole, element, BODY_BYTES);
    value_append(part, &encoded);
    time_search(what, buffer_view(&whole), buffer_view(&encoded), rounds);
    if (element.tag == VALUE_NULL)
        time_open("nulls", buffer_view(&whole), rounds);
    else
        time_open("numbers", buffer_view(&whole), rounds);
    buffer_deinit(&whole);
    buffer_deinit(&encoded);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
    struct number one = number_from_int64(1), two = number_from_int64(2);
    search_text("2 bytes, the last differs", 2, 1, rounds);
    search_text("50 bytes, the last differs", 50, 49, rounds);
    search_text("50 bytes, the first differs", 50, 0, rounds);
    search_text("255 bytes, the last differs", 255, 254, rounds);
    search_text("300 bytes, the last differs", 300, 299, rounds);
    search_text("300 bytes, the first differs", 300, 0, rounds);
    search_text("300 bytes, the middle differs", 300, 150, rounds);
    search_text("2000 bytes, the last differs", 2000, 1999, rounds);
    search_text("2000 bytes, the first differs", 2000, 0, rounds);
    search_list("nulls", (struct value_view){.tag = VALUE_NULL},
                (struct value_view){VALUE_BOOL, SLICE_LITERAL("\1")}, rounds);
    search_list("numbers", (struct value_view){VALUE_N, number_view(&one)},
                (struct value_view){VALUE_N, number_view(&two)}, rounds);
    return 0;
}
