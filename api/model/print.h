/* Values as messages repeat them: as Java prints objects, cut to MODEL_VALUE_BYTES_MAX. Programs match what stands
 * around them, people read them; nobody parses them. */
#pragma once

#include "api/json/json.h"
#include "api/model/model.h"
#include "base/buffer.h"

/* `raw`: a JSON text that has been read as `shape` without a fault. scratch: for what has escapes. */
void model_print(struct buffer *to, const struct model_shape *shape, struct slice raw,
                 struct buffer *scratch);
/* Append as much of a text as `to` may hold up to `length_max`, cut between characters. */
void model_print_cut(struct buffer *to, struct slice text, size_t length_max);

/* Where each member of a structure lies in its JSON text, by place; data NULL: absent or null. `ret_values` has room for
 * MODEL_MEMBERS_MAX. */
void model_find_members(const struct model_shape *shape, struct slice raw, struct slice *ret_values);
