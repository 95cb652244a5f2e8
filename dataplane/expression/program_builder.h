/* Writes a program: first tables and code in any order, then all of it into one buffer.
 *
 * The builder does not judge: a program that breaks the format's rules is refused by program_open. Failures
 * (no memory, a table over its limit) are sticky and come out of program_builder_finish. */
#pragma once

#include "base/buffer.h"
#include "dataplane/expression/program.h"

struct program_builder {
    struct buffer code; /* append instructions here */
    /* Leave alone. */
    enum program_kind kind;
    struct program_builder_table {
        struct buffer ends;
        struct buffer bytes;
        uint32_t count;
    } names, values, paths;
};

void program_builder_init(struct program_builder *b, enum program_kind kind);
void program_builder_deinit(struct program_builder *b);

/* Each returns the entry's number. Nothing is looked up: remember the number to use an entry again. */
uint16_t program_builder_name(struct program_builder *b, struct slice name);
/* value: encoded, tag and length included. */
uint16_t program_builder_value(struct program_builder *b, struct slice value);

/* A path is begun, given its parts, and ended. */
void program_builder_path_name(struct program_builder *b, uint16_t name);
void program_builder_path_index(struct program_builder *b, uint32_t index);
uint16_t program_builder_path_end(struct program_builder *b);

void program_builder_operand(struct program_builder *b, enum operand_kind kind, uint16_t number);

/* Append the program to `to`.
 *
 * ERR_NO_MEMORY  here or in an earlier call.
 * ERR_LIMIT      a table has more than PROGRAM_TABLE_MAX entries. */
enum err program_builder_finish(struct program_builder *b, struct buffer *to) MUST_CHECK;
