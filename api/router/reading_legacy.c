#include "api/router/reading_legacy.h"

#include "api/json/field.h"

static enum err finish(const struct reading *at)
{
    if (arena_has_failed(&at->r->arena))
        return ERR_NO_MEMORY;
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static bool is_null(const struct reading *at)
{
    return json_peek(at->json) == JSON_NULL;
}

/* ---- conditions ---- */

static enum err read_list(struct reading *at, struct legacy_conditions *all, struct legacy_condition *to)
{
    struct arena *arena = &at->r->arena;
    struct slice *list = NULL;
    size_t count = 0;
    TRY(field_list_begin(at->json, &to->has_list, at->error));
    while (to->has_list && json_array_next(at->json)) {
        if (++all->value_count > LEGACY_ENTRIES_MAX) {
            TRY(reading_skip(at));
            continue;
        }
        struct slice value = SLICE_EMPTY;
        list = reading_grow(arena, list, count, sizeof *list);
        TRY(reading_value(at, &value));
        if (list == NULL)
            return ERR_NO_MEMORY;
        if (value.data != NULL)
            list[count++] = value;
    }
    to->list = list;
    to->list_count = count;
    return finish(at);
}

static enum err read_exists(struct reading *at, struct legacy_condition *to)
{
    bool exists = false, is_present;
    TRY(field_bool(at->json, &is_present, &exists, at->error));
    if (is_present)
        to->exists = exists ? LEGACY_EXISTS_TRUE : LEGACY_EXISTS_FALSE;
    return ERR_OK;
}

static enum err read_condition_member(struct reading *at, struct json_string name,
                                      struct legacy_conditions *all, struct legacy_condition *to)
{
    if (json_string_equals(name, "AttributeValueList"))
        return read_list(at, all, to);
    if (json_string_equals(name, "ComparisonOperator")) {
        struct slice text = SLICE_EMPTY;
        TRY(reading_text(at, &text));
        to->comparison = legacy_comparison_from_name(text);
        return ERR_OK;
    }
    if (all->is_expected && json_string_equals(name, "Value") && !is_null(at)) {
        all->value_count++;
        return reading_value(at, &to->value);
    }
    if (all->is_expected && json_string_equals(name, "Exists"))
        return read_exists(at, to);
    return reading_skip(at);
}

static enum err read_condition(struct reading *at, struct legacy_conditions *all, struct legacy_condition *to)
{
    struct json_string name;
    TRY(field_element_object_begin(at->json, all->is_expected ? "ExpectedAttributeValue" : "Condition",
                                   at->error));
    while (json_object_next(at->json, &name))
        TRY(read_condition_member(at, name, all, to));
    return finish(at);
}

enum err reading_conditions(struct reading *at, const char *parameter,
                            struct legacy_conditions *ret_conditions)
{
    struct legacy_conditions all = {.parameter = parameter,
                                    .is_expected = strcmp(parameter, "Expected") == 0};
    bool is_present;
    struct json_string name;
    TRY(field_map_begin(at->json, all.is_expected ? "ExpectedAttributeValue" : "Condition", &is_present,
                        at->error));
    while (is_present && json_object_next(at->json, &name)) {
        if (is_null(at) || all.count >= LEGACY_ENTRIES_MAX) {
            all.count += !is_null(at);
            TRY(reading_skip(at));
            continue;
        }
        struct legacy_condition condition = {.attribute = {json_string_text(name, &at->r->arena), all.count}};
        all.conditions = reading_grow(&at->r->arena, all.conditions, all.count, sizeof *all.conditions);
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        TRY(read_condition(at, &all, &condition));
        all.conditions[all.count++] = condition;
    }
    *ret_conditions = all;
    return finish(at);
}

/* ---- updates ---- */

static enum err read_update_member(struct reading *at, struct json_string name, struct legacy_update *to)
{
    if (json_string_equals(name, "Action")) {
        struct slice text = SLICE_EMPTY;
        TRY(reading_text(at, &text));
        to->action = legacy_action_from_name(text);
        return ERR_OK;
    }
    if (json_string_equals(name, "Value") && !is_null(at))
        return reading_value(at, &to->value);
    return reading_skip(at);
}

static enum err read_update(struct reading *at, struct legacy_update *to)
{
    struct json_string name;
    TRY(field_element_object_begin(at->json, "AttributeValueUpdate", at->error));
    while (json_object_next(at->json, &name))
        TRY(read_update_member(at, name, to));
    return finish(at);
}

enum err reading_updates(struct reading *at, struct legacy_updates *ret_updates)
{
    struct legacy_updates all = {.is_given = true};
    bool is_present;
    struct json_string name;
    TRY(field_map_begin(at->json, "AttributeValueUpdate", &is_present, at->error));
    while (is_present && json_object_next(at->json, &name)) {
        if (is_null(at) || all.count >= LEGACY_ENTRIES_MAX) {
            all.count += !is_null(at);
            TRY(reading_skip(at));
            continue;
        }
        struct legacy_update update = {.attribute = {json_string_text(name, &at->r->arena), all.count}};
        all.updates = reading_grow(&at->r->arena, all.updates, all.count, sizeof *all.updates);
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        TRY(read_update(at, &update));
        all.updates[all.count++] = update;
    }
    *ret_updates = all;
    return finish(at);
}

/* ---- names ---- */

enum err reading_attributes(struct reading *at, struct legacy_names *ret_names)
{
    struct legacy_names all = {.count = 0};
    bool is_present;
    TRY(field_list_begin(at->json, &is_present, at->error));
    while (is_present && json_array_next(at->json)) {
        if (is_null(at) || all.count >= LEGACY_ENTRIES_MAX) {
            all.count += !is_null(at);
            TRY(reading_skip(at));
            continue;
        }
        struct slice name;
        all.names = reading_grow(&at->r->arena, all.names, all.count, sizeof *all.names);
        TRY(reading_text(at, &name));
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        all.names[all.count] = (struct legacy_attribute){name, all.count};
        all.count++;
    }
    all.is_given = is_present;
    *ret_names = all;
    return finish(at);
}
