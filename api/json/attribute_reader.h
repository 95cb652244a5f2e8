/* From DynamoDB's JSON of items and attribute values straight to item bytes.
 *
 * Two kinds of refusal, as in DynamoDB's order of checks: a value of a wrong JSON type, bad base64 or text
 * that is not JSON is ERR_SERIALIZATION and ends the request at once. What is well-typed but not allowed
 * (empty sets, duplicates, numbers, nesting...) is ERR_VALIDATION: the value has been consumed to its end,
 * so that the caller can read on and let a later SerializationException go first; the words are those of the
 * first offence. A name that occurs twice: the last one wins. */
#pragma once

#include "api/json/json.h"
#include "base/error.h"
#include "dataplane/item/item_builder.h"

/* An object of attribute values (Item, Key, ExpressionAttributeValues...). The builder is cleared first;
 * afterwards item_builder_view(b) is the item, if ERR_OK. The size of an item in DynamoDB's count is for the
 * caller to check (item_size_bytes).
 *
 * ERR_SERIALIZATION  see above; so is a JSON null.
 * ERR_VALIDATION     see above; also when the builder's bytes_max is reached: "Item size has exceeded..."
 * ERR_NO_MEMORY      the builder found none. */
enum err attribute_read_item(struct json *j, struct item_builder *b, struct error *error) MUST_CHECK;

/* As attribute_read_item, with the result copied to the arena. */
enum err attribute_read_item_copy(struct json *j, struct item_builder *b, struct arena *arena,
                                  struct slice *ret_item, struct error *error) MUST_CHECK;

/* One attribute value, added to a builder that expects one (after item_builder_name, or inside an L). */
enum err attribute_read_value(struct json *j, struct item_builder *b, struct error *error) MUST_CHECK;
