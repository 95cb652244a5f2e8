/* Does what each line of stdin says with numbers, one line of answer each; number_check.py compares the
 * answers with Python's decimal.
 *
 *     P text      -> "OK bytes plain-text size is-valid key-bytes", or "STATUS the words for a tenant"
 *     A text text -> "OK plain-text", or "STATUS": the sum; then for SET a = a + :x, and for ADD a :x, the item's
 *                    number or the words of the refusal, after a | each
 *     S text text -> likewise: the difference, and SET a = a - :x */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/expression/expression.h"
#include "dataplane/expression/update.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/key.h"
#include "dataplane/item/number.h"

static const char *const STATUS[] = {
    [NUMBER_OK] = "OK",
    [NUMBER_NOT_NUMERIC] = "NOT_NUMERIC",
    [NUMBER_TOO_PRECISE] = "TOO_PRECISE",
    [NUMBER_OVERFLOW] = "OVERFLOW",
    [NUMBER_UNDERFLOW] = "UNDERFLOW",
};

static void print_plain(const struct number *n)
{
    char text[NUMBER_TEXT_BYTES_MAX];
    size_t length = number_print(number_view(n), text);
    printf("%.*s", (int)length, text);
}

static void print_hex(struct slice bytes)
{
    putchar(' ');
    for (size_t i = 0; i < bytes.length; i++)
        printf("%02x", bytes.data[i]);
}

static void answer_parse(struct slice text)
{
    struct number n;
    struct error error;
    enum number_status status = number_parse(text, &n);
    if (status != NUMBER_OK) {
        (void)number_parse_error(status, text, &error); /* it says ERR_VALIDATION */
        printf("%s %s\n", STATUS[status], error.text);
        return;
    }
    struct buffer key;
    buffer_init(&key, 64);
    key_component_append(VALUE_N, number_view(&n), &key);
    printf("OK");
    print_hex(number_view(&n));
    putchar(' ');
    print_plain(&n);
    printf(" %zu %d", number_size_bytes(number_view(&n)), number_is_valid(number_view(&n)));
    print_hex(buffer_view(&key));
    putchar('\n');
    buffer_deinit(&key);
}

/* ---- as an update of the item {"a": number} ---- */

static struct slice encoded(const struct number *n, struct arena *arena)
{
    uint8_t bytes[2 + NUMBER_BYTES_MAX] = {VALUE_N, n->length};
    memcpy(bytes + 2, n->bytes, n->length);
    return arena_copy(arena, slice_make(bytes, 2U + n->length));
}

static enum err update(const char *text, const struct number *a, const struct number *x, struct arena *arena,
                       struct buffer *program_bytes, struct slice *ret_item, struct error *error)
{
    const struct expression_substitution value = {SLICE_LITERAL(":x"), encoded(x, arena)};
    const struct expression_substitutions all = {.has_values = true, .values = &value, .value_count = 1};
    struct expression_context context;
    struct program program;
    TRY(expression_context_init(&context, &all, arena, error));
    TRY(expression_parse(&context, EXPRESSION_UPDATE, slice_from_string(text), program_bytes, error));
    TRY(program_open(buffer_view(program_bytes), PROGRAM_UPDATE, &program));
    uint8_t old_item[4 + NUMBER_BYTES_MAX] = {1, 'a', VALUE_N, a->length};
    memcpy(old_item + 4, a->bytes, a->length);
    struct slice old = arena_copy(arena, slice_make(old_item, 4U + a->length));
    const struct update_request request = {
        .program = &program, .has_old = true, .old_item = old, .key_item = old};
    return update_apply(&request, arena, ret_item, error);
}

static void answer_update(const char *text, const struct number *a, const struct number *x)
{
    struct arena arena;
    struct buffer program_bytes;
    struct error error = {.text = ""};
    struct slice item;
    struct value_view value = {0};
    char plain[NUMBER_TEXT_BYTES_MAX];
    arena_init(&arena, 4096, 1 << 20);
    buffer_init(&program_bytes, 4096);
    if (update(text, a, x, &arena, &program_bytes, &item, &error) != ERR_OK)
        printf("|%s", error.text);
    else if (item_find(item, SLICE_LITERAL("a"), &value))
        printf("|%.*s", (int)number_print(value.body, plain), plain);
    buffer_deinit(&program_bytes);
    arena_deinit(&arena);
}

static void answer_arithmetic(char operation, struct slice a, struct slice b)
{
    struct number x, y, result;
    if (number_parse(a, &x) != NUMBER_OK || number_parse(b, &y) != NUMBER_OK) {
        printf("not two numbers\n");
        return;
    }
    enum number_status status = operation == 'A' ? number_add(number_view(&x), number_view(&y), &result)
                                                 : number_subtract(number_view(&x), number_view(&y), &result);
    printf("%s", STATUS[status]);
    if (status == NUMBER_OK) {
        putchar(' ');
        print_plain(&result);
    }
    answer_update(operation == 'A' ? "SET a = a + :x" : "SET a = a - :x", &x, &y);
    if (operation == 'A')
        answer_update("ADD a :x", &x, &y);
    putchar('\n');
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 2) {
        struct slice text = slice_make(line + 2, (size_t)length - 3);
        const uint8_t *blank = memchr(text.data, ' ', text.length);
        if (line[0] == 'P' || blank == NULL) {
            answer_parse(text);
            continue;
        }
        size_t first = (size_t)(blank - text.data);
        answer_arithmetic(line[0], slice_make(text.data, first), slice_from(text, first + 1));
    }
    free(line);
    return 0;
}
