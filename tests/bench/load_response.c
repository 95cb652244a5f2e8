#include "tests/bench/load_response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void load_response_init(struct load_response *r)
{
    *r = (struct load_response){0};
    buffer_init(&r->bytes, LOAD_RESPONSE_BYTES_MAX);
}

void load_response_deinit(struct load_response *r)
{
    buffer_deinit(&r->bytes);
}

void load_response_clear(struct load_response *r)
{
    struct buffer bytes = r->bytes;
    buffer_clear(&bytes);
    *r = (struct load_response){.bytes = bytes};
}

/* The number at the text's start; false when there is none or it is beyond any answer. */
static bool parse_number(struct slice text, size_t *ret_number)
{
    size_t number = 0, i = 0;
    for (; i < text.length && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        number = number * 10 + (size_t)(text.data[i] - '0');
        if (number > LOAD_RESPONSE_BYTES_MAX)
            return false;
    }
    *ret_number = number;
    return i > 0;
}

static bool is_header(struct slice line, const char *name, struct slice *ret_value)
{
    size_t length = strlen(name);
    if (line.length <= length || line.data[length] != ':' ||
        strncasecmp((const char *)line.data, name, length) != 0)
        return false;
    size_t from = length + 1;
    while (from < line.length && line.data[from] == ' ')
        from++;
    *ret_value = slice_from(line, from);
    return true;
}

static bool parse_status(struct load_response *r, struct slice line)
{
    size_t status;
    if (!slice_starts_with(line, SLICE_LITERAL("HTTP/1.1 ")) || !parse_number(slice_from(line, 9), &status))
        return false;
    r->status = (unsigned)status;
    return status >= 200 && status <= 599;
}

static bool parse_header(struct load_response *r, struct slice line, bool *has_length)
{
    struct slice value;
    if (is_header(line, "Content-Length", &value)) {
        *has_length = true;
        return parse_number(value, &r->body_bytes);
    }
    if (is_header(line, "Connection", &value))
        r->is_last = value.length == 5 && strncasecmp((const char *)value.data, "close", 5) == 0;
    return true;
}

/* The line at `*from`, without its end; moves `*from` behind it. */
static struct slice next_line(struct slice head, size_t *from)
{
    struct slice rest = slice_from(head, *from);
    const uint8_t *end = rest.length == 0 ? NULL : memmem(rest.data, rest.length, "\r\n", 2);
    size_t length = end == NULL ? rest.length : (size_t)(end - rest.data);
    *from += length + 2;
    return slice_make(rest.data, length);
}

static bool parse_head(struct load_response *r)
{
    struct slice head = slice_make(r->bytes.data, r->head_bytes - 4);
    size_t from = 0;
    bool has_length = false;
    if (!parse_status(r, next_line(head, &from)))
        return false;
    while (from < head.length) {
        if (!parse_header(r, next_line(head, &from), &has_length))
            return false;
    }
    return has_length;
}

enum load_response_state load_response_parse(struct load_response *r)
{
    if (r->head_bytes == 0) {
        const uint8_t *end =
            r->bytes.length == 0 ? NULL : memmem(r->bytes.data, r->bytes.length, "\r\n\r\n", 4);
        if (end == NULL)
            return LOAD_RESPONSE_PARTIAL;
        r->head_bytes = (size_t)(end - r->bytes.data) + 4;
        if (!parse_head(r))
            return LOAD_RESPONSE_MALFORMED;
    }
    if (r->bytes.length < r->head_bytes + r->body_bytes)
        return LOAD_RESPONSE_PARTIAL;
    if (r->bytes.length > r->head_bytes + r->body_bytes)
        return LOAD_RESPONSE_MALFORMED; /* an answer to a question that nobody asked */
    r->body = slice_make(r->bytes.data + r->head_bytes, r->body_bytes);
    return LOAD_RESPONSE_WHOLE;
}

struct slice load_response_exception(const struct load_response *r)
{
    static const char key[] = "\"__type\":\"";
    if (r->body.length == 0)
        return SLICE_EMPTY;
    const uint8_t *found = memmem(r->body.data, r->body.length, key, sizeof key - 1);
    if (found == NULL)
        return SLICE_EMPTY;
    const uint8_t *from = found + sizeof key - 1;
    size_t rest = r->body.length - (size_t)(from - r->body.data);
    const uint8_t *end = memchr(from, '"', rest);
    if (end == NULL)
        return SLICE_EMPTY;
    const uint8_t *hash = memchr(from, '#', (size_t)(end - from));
    if (hash != NULL)
        from = hash + 1;
    return slice_make(from, (size_t)(end - from));
}

struct slice load_response_object(const struct load_response *r, const char *name)
{
    char key[32];
    int key_bytes = snprintf(key, sizeof key, "\"%s\":{", name);
    if (key_bytes < 0 || (size_t)key_bytes >= sizeof key || r->body.length == 0)
        return SLICE_EMPTY;
    const uint8_t *found = memmem(r->body.data, r->body.length, key, (size_t)key_bytes);
    if (found == NULL)
        return SLICE_EMPTY;
    const uint8_t *from = found + key_bytes - 1, *end = r->body.data + r->body.length;
    unsigned depth = 0;
    for (const uint8_t *at = from; at < end; at++) {
        depth += *at == '{';
        depth -= *at == '}';
        if (depth == 0)
            return slice_make(from, (size_t)(at - from) + 1);
    }
    return SLICE_EMPTY;
}
