/* Parameters older than expressions, written as the text of an item (document_text.h): {a:{Value:5},b:{Exists:false}}. */
#pragma once

#include "api/expression/legacy_condition.h"
#include "api/expression/legacy_update.h"
#include "tests/unit/api/expression/expression_fixture.h"

static inline struct slice encoded(struct value_view value)
{
    struct buffer bytes;
    buffer_init(&bytes, ITEM_ENCODED_BYTES_MAX);
    value_append(value, &bytes);
    struct slice copy = arena_copy(&arena, buffer_view(&bytes));
    buffer_deinit(&bytes);
    return copy;
}

static inline void read_value_list(struct value_view list, struct legacy_condition *to)
{
    struct reader at;
    struct value_view element;
    struct slice *values = arena_alloc(&arena, (list_count(list.body) + 1) * sizeof *values);
    to->has_list = true;
    to->list = values;
    reader_init(&at, list.body);
    while (list_next(&at, &element))
        values[to->list_count++] = encoded(element);
}

static inline struct legacy_condition read_condition(struct attribute_view attribute)
{
    struct legacy_condition c = {.attribute = {.name = attribute.name}};
    struct value_view v;
    if (item_find(attribute.value.body, SLICE_LITERAL("ComparisonOperator"), &v))
        c.comparison = legacy_comparison_from_name(v.body);
    if (item_find(attribute.value.body, SLICE_LITERAL("AttributeValueList"), &v))
        read_value_list(v, &c);
    if (item_find(attribute.value.body, SLICE_LITERAL("Value"), &v))
        c.value = encoded(v);
    if (item_find(attribute.value.body, SLICE_LITERAL("Exists"), &v))
        c.exists = v.body.data[0] ? LEGACY_EXISTS_TRUE : LEGACY_EXISTS_FALSE;
    return c;
}

static inline struct legacy_conditions read_conditions(const char *parameter, const char *text)
{
    struct slice item = document_read(text, false, &arena);
    struct legacy_conditions all = {.parameter = parameter,
                                    .is_expected = strcmp(parameter, "Expected") == 0};
    struct reader at;
    struct attribute_view attribute;
    all.conditions = arena_alloc(&arena, (item_count(item) + 1) * sizeof *all.conditions);
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        all.conditions[all.count] = read_condition(attribute);
        all.conditions[all.count].attribute.position = all.count;
        all.value_count += all.conditions[all.count++].list_count;
    }
    return all;
}

static inline struct legacy_updates read_updates(const char *text)
{
    struct slice item = document_read(text, false, &arena);
    struct legacy_updates all = {.is_given = true};
    struct reader at;
    struct attribute_view attribute;
    struct value_view v;
    all.updates = arena_zalloc(&arena, (item_count(item) + 1) * sizeof *all.updates);
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        struct legacy_update *u = &all.updates[all.count];
        u->attribute = (struct legacy_attribute){attribute.name, all.count++};
        if (item_find(attribute.value.body, SLICE_LITERAL("Action"), &v))
            u->action = legacy_action_from_name(v.body);
        if (item_find(attribute.value.body, SLICE_LITERAL("Value"), &v))
            u->value = encoded(v);
    }
    return all;
}
