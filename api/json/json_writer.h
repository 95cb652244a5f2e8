/* Writes JSON into a buffer: a comma where one is due, strings escaped, nothing else clever. The buffer's
 * sticky failure tells of memory. Text is UTF-8 already; only what RFC 8259 demands is escaped. */
#pragma once

#include "base/buffer.h"
#include "dataplane/item/size.h"

enum {
    /* Nothing has more JSON for its bytes than a number of one or two digits in a set, 1E-130 for instance: two bytes as
     * DynamoDB counts, 132 digits, quotes and a comma. */
    JSON_BYTES_OF_TWO_MAX = 135,
    /* Of json_write_item, for an item within ITEM_BYTES_MAX: 26.4 MiB. */
    ITEM_JSON_BYTES_MAX = ITEM_BYTES_MAX / 2 * JSON_BYTES_OF_TWO_MAX + 2,
};

struct json_writer {
    struct buffer *to;
    /* Leave alone. */
    bool is_comma_due;
    uint8_t level; /* of nested values */
};

void json_writer_init(struct json_writer *w, struct buffer *to);

void json_write_object_begin(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array_begin(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
/* The name of the next value. */
void json_write_name(struct json_writer *w, const char *name);
void json_write_name_slice(struct json_writer *w, struct slice name);

void json_write_string(struct json_writer *w, struct slice text);
/* The words of a refusal, which may repeat bytes of a header: a text that is not UTF-8 gets a '?' for each byte that is
 * not ASCII. */
void json_write_words(struct json_writer *w, const char *text);
void json_write_int(struct json_writer *w, int64_t value);
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
/* Thousandths as a decimal: 500 is 0.5, 1000 is 1.0, as DynamoDB prints its doubles. */
void json_write_milli(struct json_writer *w, int64_t milli);
static inline void json_write_capacity(struct json_writer *w, struct capacity units)
{
    json_write_milli(w, units.milli);
}
/* A finished JSON value, as it is. */
void json_write_raw(struct json_writer *w, struct slice json);

/* Canonical item bytes (item_check) as {"name":{"S":"..."},...}; a value as {"S":"..."}. */
void json_write_item(struct json_writer *w, struct slice item);
void json_write_value(struct json_writer *w, struct value_view value);
