#include "api/router/reading.h"

#include <stdio.h>
#include <string.h>

#include "api/json/attribute_reader.h"
#include "api/json/field.h"

enum {
    NAMES_MAX = 4096, /* more than an expression of 4 KB can use */
    /* A builder makes room for a text as it stands in the body: \u0001 is six bytes there, one in the item. */
    ITEM_ROOM_BYTES = ITEM_ENCODED_BYTES_MAX + 6 * ITEM_BYTES_MAX,
};

void reading_init(struct reading *at, struct request *r, void *parameters)
{
    *at = (struct reading){.r = r, .parameters = parameters, .later = {.code = ERR_OK}};
}

struct reading *reading_hooked(void *data, struct json *j, struct error *error)
{
    struct reading *at = data;
    at->json = j;
    at->error = error;
    return at;
}

static enum err postpone(struct reading *at, const char *prefix, enum err err)
{
    if (err != ERR_VALIDATION)
        return err;
    if (at->later.code == ERR_OK) {
        const struct error said = *at->error;
        (void)error_set(&at->later, said.code, "%s%s", prefix, said.text); /* told by reading_finish */
    }
    return ERR_OK;
}

enum err reading_finish(const struct reading *at, struct error *error)
{
    if (at->later.code != ERR_OK)
        *error = at->later;
    return at->later.code;
}

enum err reading_body(struct reading *at, const struct model_hook *hooks, size_t hook_count)
{
    struct request *r = at->r;
    const struct model_options options = {.hooks = hooks, .hook_count = hook_count, .data = at};
    return model_read(r->model, r->body, &options, &r->arena, &at->members, &r->model_words);
}

const char *reading_words(const struct request *r, enum err err, const struct error *error)
{
    if (r->model_words != NULL)
        return r->model_words;
    return error->code == err ? error->text : NULL;
}

enum err reading_plain(struct request *r, struct error *error)
{
    struct reading at;
    reading_init(&at, r, NULL);
    return reading_body(&at, NULL, 0);
}

void reading_refuse(struct request *r)
{
    answer_error(r, r->read, reading_words(r, r->read, &r->read_error));
}

void reading_scratch_init(struct reading_scratch *scratch)
{
    item_builder_init(&scratch->builder, ITEM_ROOM_BYTES);
    item_builder_init(&scratch->values_builder, VALUES_BYTES_MAX);
}

void reading_scratch_deinit(struct reading_scratch *scratch)
{
    item_builder_deinit(&scratch->builder);
    item_builder_deinit(&scratch->values_builder);
}

/* ---- members ---- */

struct slice reading_string(struct reading *at, enum model_member_id id)
{
    return model_string(&at->members, id, &at->r->arena);
}

enum capacity_detail reading_capacity(const struct reading *at)
{
    static const enum capacity_detail details[] = {
        [MODEL_RETURN_CONSUMED_CAPACITY_NONE] = CAPACITY_NONE,
        [MODEL_RETURN_CONSUMED_CAPACITY_TOTAL] = CAPACITY_TOTAL,
        [MODEL_RETURN_CONSUMED_CAPACITY_INDEXES] = CAPACITY_INDEXES,
    };
    return details[model_choice(&at->members, MEMBER_RETURN_CONSUMED_CAPACITY,
                                MODEL_RETURN_CONSUMED_CAPACITY_NONE)];
}

/* ---- in a hook ---- */

enum err reading_skip(struct reading *at)
{
    return json_skip(at->json) ? ERR_OK : field_syntax_error(at->error);
}

enum err reading_text(struct reading *at, struct slice *ret_text)
{
    return field_string(at->json, &at->r->arena, ret_text, at->error);
}

enum err reading_bool(struct reading *at, bool *ret_value)
{
    bool is_present;
    return field_bool(at->json, &is_present, ret_value, at->error);
}

enum err reading_item(struct reading *at, const char *prefix, bool *ret_is_present, struct slice *ret_item)
{
    if (json_peek(at->json) == JSON_NULL)
        return reading_skip(at);
    *ret_is_present = true;
    return postpone(
        at, prefix,
        attribute_read_item_copy(at->json, &at->r->scratch->builder, &at->r->arena, ret_item, at->error));
}

void *reading_grow(struct arena *arena, void *list, size_t count, size_t entry_bytes)
{
    bool is_full = count == 0 || (count >= 8 && (count & (count - 1)) == 0); /* capacities: 8, 16, 32 ... */
    if (!is_full)
        return list;
    void *larger = arena_alloc(arena, (count == 0 ? 8 : count * 2) * entry_bytes);
    if (larger != NULL && count > 0)
        memcpy(larger, list, count * entry_bytes);
    return larger;
}

enum err reading_names(struct reading *at, struct expression_substitutions *to)
{
    struct arena *arena = &at->r->arena;
    struct expression_substitution *list = NULL;
    size_t count = 0;
    bool is_present;
    TRY(field_map_begin(at->json, "java.lang.String", &is_present, at->error));
    struct json_string name;
    while (is_present && json_object_next(at->json, &name)) {
        if (count < NAMES_MAX)
            list = reading_grow(arena, list, count, sizeof *list);
        struct slice text;
        TRY(field_string(at->json, arena, &text, at->error));
        if (arena_has_failed(arena))
            return ERR_NO_MEMORY;
        if (count < NAMES_MAX)
            list[count] = (struct expression_substitution){json_string_text(name, arena), text};
        count++;
    }
    if (count > NAMES_MAX) {
        count = NAMES_MAX;
        TRY(postpone(at, "",
                     error_set(at->error, ERR_VALIDATION,
                               "ExpressionAttributeNames must not have more than %d entries", NAMES_MAX)));
    }
    to->has_names = is_present;
    to->names = list;
    to->name_count = count;
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

/* Read as one item, whose attributes are the values: each stands there encoded as a program wants it. */
enum err reading_values(struct reading *at, struct expression_substitutions *to)
{
    struct arena *arena = &at->r->arena;
    struct slice item = SLICE_EMPTY;
    TRY(postpone(
        at, "",
        attribute_read_item_copy(at->json, &at->r->scratch->values_builder, arena, &item, at->error)));
    struct expression_substitution *list = arena_alloc(arena, (item_count(item) + 1) * sizeof *list);
    if (list == NULL)
        return ERR_NO_MEMORY;
    size_t count = 0;
    struct reader attributes;
    struct attribute_view attribute;
    item_iterate(item, &attributes);
    while (item_next(&attributes, &attribute)) {
        const uint8_t *start = attribute.name.data + attribute.name.length;
        list[count++] = (struct expression_substitution){
            attribute.name, slice_make(start, (size_t)(attributes.next - start))};
    }
    to->has_values = true;
    to->values = list;
    to->value_count = count;
    return ERR_OK;
}

/* Read as an item's attribute `v`, so that it may be as deep as one. */
enum err reading_value(struct reading *at, struct slice *ret_value)
{
    struct item_builder *b = &at->r->scratch->values_builder;
    item_builder_clear(b);
    item_builder_begin(b, VALUE_M);
    item_builder_name(b, SLICE_LITERAL("v"));
    enum err err = attribute_read_value(at->json, b, at->error);
    if (err != ERR_OK)
        return postpone(at, "", err);
    item_builder_end(b);
    if (item_builder_has_failed(b))
        return ERR_NO_MEMORY;
    struct slice value = arena_copy(&at->r->arena, slice_from(item_builder_view(b), 2)); /* 1, v */
    if (value.data == NULL)
        return ERR_NO_MEMORY;
    *ret_value = value;
    return ERR_OK;
}

/* "A, B" */
static void list_given(const struct reading_parameter *parameters, size_t count, char *list, size_t bytes)
{
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(list);
        if (parameters[i].is_given)
            (void)snprintf(list + length, bytes - length, "%s%s", length == 0 ? "" : ", ",
                           parameters[i].name); /* they all fit */
    }
}

enum err reading_check_mixed(const struct reading_parameter *old, size_t old_count,
                             const struct reading_parameter *new, size_t new_count, struct error *error)
{
    char given_old[128], given_new[128];
    list_given(old, old_count, given_old, sizeof given_old);
    list_given(new, new_count, given_new, sizeof given_new);
    if (given_old[0] == '\0' || given_new[0] == '\0')
        return ERR_OK;
    return error_set(error, ERR_VALIDATION,
                     "Can not use both expression and non-expression parameters in the same request: "
                     "Non-expression parameters: {%s} Expression parameters: {%s}",
                     given_old, given_new);
}
