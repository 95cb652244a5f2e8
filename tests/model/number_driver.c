/* Does what each line of stdin says with dataplane/item/number.h, one line of answer each; number_check.py
 * compares the answers with Python's decimal.
 *
 *     P text      -> "STATUS bytes-in-hex plain-text size"
 *     A text text -> "STATUS plain-text"      sum
 *     S text text -> "STATUS plain-text"      difference */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void answer_parse(struct slice text)
{
    struct number n;
    enum number_status status = number_parse(text, &n);
    printf("%s", STATUS[status]);
    if (status == NUMBER_OK) {
        putchar(' ');
        for (unsigned i = 0; i < n.length; i++)
            printf("%02x", n.bytes[i]);
        putchar(' ');
        print_plain(&n);
        printf(" %zu %d", number_size_bytes(number_view(&n)), number_is_valid(number_view(&n)));
    }
    putchar('\n');
}

static void answer_arithmetic(char operation, struct slice a, struct slice b)
{
    struct number x, y, result;
    enum number_status status = number_parse(a, &x);
    if (status == NUMBER_OK)
        status = number_parse(b, &y);
    if (status == NUMBER_OK)
        status = operation == 'A' ? number_add(number_view(&x), number_view(&y), &result)
                                  : number_subtract(number_view(&x), number_view(&y), &result);
    printf("%s", STATUS[status]);
    if (status == NUMBER_OK) {
        putchar(' ');
        print_plain(&result);
    }
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
