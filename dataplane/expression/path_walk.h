/* Following a program's document path through an item's bytes. */
#pragma once

#include "dataplane/expression/program.h"
#include "dataplane/item/item.h"

enum path_result { PATH_ABSENT, PATH_FOUND, PATH_CORRUPT };

/* PATH_ABSENT when a part does not exist or does not fit the value; ret_value is then untouched. */
enum path_result path_walk(const struct program *program, uint32_t path, struct slice item,
                           struct value_view *ret_value);
