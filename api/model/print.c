#include "api/model/print.h"

#include <ctype.h>
#include <inttypes.h>

#include "api/json/field.h"
#include "api/model/request_internal.h"

struct printing {
    struct buffer *to;
    struct buffer *scratch;
    size_t length_max; /* of `to` */
};

static void print(struct printing *p, const struct model_shape *shape, struct slice raw);

void model_print_cut(struct buffer *to, struct slice text, size_t length_max)
{
    size_t room = to->length < length_max ? length_max - to->length : 0;
    size_t length = text.length < room ? text.length : room;
    while (length > 0 && length < text.length && (text.data[length] & 0xC0) == 0x80)
        length--;
    buffer_append(to, slice_make(text.data, length));
}

void model_find_members(const struct model_shape *shape, struct slice raw, struct slice *ret_values)
{
    struct json j;
    struct json_string name;
    for (size_t i = 0; i < shape->member_count; i++)
        ret_values[i] = SLICE_EMPTY;
    json_init(&j, raw);
    json_object_begin(&j);
    while (json_object_next(&j, &name)) {
        struct slice value;
        if (!json_raw(&j, &value))
            return; /* cannot be: it has been read */
        size_t i = model_find_member(shape, name, 0);
        if (i < shape->member_count)
            ret_values[i] = value.data[0] == 'n' ? SLICE_EMPTY : value;
    }
}

static bool is_full(const struct printing *p)
{
    return p->to->length >= p->length_max || buffer_has_failed(p->to);
}

static void put(struct printing *p, const char *text)
{
    model_print_cut(p->to, slice_from_string(text), p->length_max);
}

static void print_string(struct printing *p, struct slice raw)
{
    struct json j;
    struct json_string string;
    json_init(&j, raw);
    if (json_string(&j, &string))
        model_print_cut(p->to, model_plain_text(string, p->scratch), p->length_max);
}

static void print_number(struct printing *p, const struct model_shape *shape, struct slice raw)
{
    struct json j;
    bool is_present;
    int64_t value;
    json_init(&j, raw);
    if (field_integer(&j, shape->kind == MODEL_LONG ? "Long" : "Integer", &is_present, &value, NULL) ==
        ERR_OK)
        buffer_append_format(p->to, "%" PRId64, value);
}

static void print_members(struct printing *p, const struct model_shape *shape, struct slice raw)
{
    struct slice values[MODEL_MEMBERS_MAX];
    model_find_members(shape, raw, values);
    put(p, shape->name);
    put(p, "(");
    for (size_t i = 0; i < shape->member_count && !is_full(p); i++) {
        const char *name = shape->members[i].name;
        put(p, i == 0 ? "" : ", ");
        put(p, (const char[]){(char)tolower(name[0]), '\0'});
        put(p, name + 1);
        put(p, "=");
        print(p, shape->members[i].shape, values[i]);
    }
    put(p, ")");
}

static void print_elements(struct printing *p, const struct model_shape *shape, struct slice raw)
{
    struct json j;
    struct slice value;
    json_init(&j, raw);
    put(p, "[");
    if (shape->is_folded) {
        put(p, "...]");
        return;
    }
    json_array_begin(&j);
    for (bool is_first = true; !is_full(p) && json_array_next(&j) && json_raw(&j, &value); is_first = false) {
        put(p, is_first ? "" : ", ");
        print(p, shape->element, value);
    }
    put(p, "]");
}

static void print_entries(struct printing *p, const struct model_shape *shape, struct slice raw)
{
    struct json j;
    struct json_string name;
    struct slice value;
    json_init(&j, raw);
    put(p, "{");
    json_object_begin(&j);
    for (bool is_first = true; !is_full(p) && json_object_next(&j, &name) && json_raw(&j, &value);
         is_first = false) {
        put(p, is_first ? "" : ", ");
        model_print_cut(p->to, model_plain_text(name, p->scratch), p->length_max);
        put(p, "=");
        print(p, shape->element, value);
    }
    put(p, "}");
}

static void print(struct printing *p, const struct model_shape *shape, struct slice raw)
{
    if (raw.data == NULL || raw.data[0] == 'n') {
        put(p, "null");
        return;
    }
    switch (shape->kind) {
    case MODEL_STRING:
        print_string(p, raw);
        break;
    case MODEL_INTEGER:
    case MODEL_LONG:
        print_number(p, shape, raw);
        break;
    case MODEL_STRUCTURE:
        print_members(p, shape, raw);
        break;
    case MODEL_LIST:
        print_elements(p, shape, raw);
        break;
    case MODEL_MAP:
        print_entries(p, shape, raw);
        break;
    case MODEL_VALUE:
    case MODEL_ANY:
    case MODEL_DOUBLE:
    case MODEL_TIMESTAMP:
    case MODEL_BOOLEAN:
        model_print_cut(p->to, raw, p->length_max);
        break;
    }
}

void model_print(struct buffer *to, const struct model_shape *shape, struct slice raw, struct buffer *scratch)
{
    struct printing p = {.to = to, .scratch = scratch, .length_max = to->length + MODEL_VALUE_BYTES_MAX};
    print(&p, shape, raw);
}
