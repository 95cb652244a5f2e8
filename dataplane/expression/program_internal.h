/* Shared by the files of this directory: the format's constants, and reading it. */
#pragma once

#include "dataplane/expression/program.h"

enum {
    PROGRAM_HEADER_BYTES = 12, /* version, kind, three counts, bytes of the code */
    PATH_PART_BYTES = 5,       /* kind, u32 */
    OPERAND_BYTES = 3,         /* kind, u16 */
};

static inline uint16_t read_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Whether the code fits the program's kind and tables and keeps to PROGRAM_STACK_MAX. */
bool program_code_is_valid(const struct program *p);
