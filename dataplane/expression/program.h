/* Expression programs: what a router makes of an expression's text, and nodes evaluate against items.
 *
 * A program is one flat run of bytes (docs/formats/program.md): tables of names, values and paths, then code
 * in post-order, so that evaluating needs no recursion and its stack is bounded by a constant.
 *
 *     text + names + values --api/expression--> bytes --wire--> program_open --> struct program
 *                                                                 condition_evaluate, update_apply,
 *                                                                 projection_apply
 *
 * A node never trusts the bytes: program_open checks everything once, and the evaluators take only an opened
 * program, so that they need not check again. Opening costs one pass and no memory. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    PROGRAM_VERSION = 1,
    PROGRAM_PATH_PARTS_MAX = 32,    /* DynamoDB: a document path has at most 32 levels */
    PROGRAM_IN_OPERANDS_MAX = 100,  /* DynamoDB: IN takes at most 100 */
    PROGRAM_TABLE_MAX = 8192,       /* entries in each of the three tables */
    PROGRAM_STACK_MAX = 512,        /* truth values, or values of a SET, held at once */
    PROGRAM_BYTES_MAX = 16 << 20,   /* of one program: a request's body is no larger */
    PROGRAM_NAME_BYTES_MAX = 65535, /* of one attribute name */
    PROGRAM_INDEX_MAX = INT32_MAX,  /* in a path: a[2147483647] */
};

enum program_kind { PROGRAM_CONDITION = 1, PROGRAM_UPDATE = 2, PROGRAM_PROJECTION = 3 };

/* Instructions of a condition. Each leaves one truth value. */
enum condition_op {
    CONDITION_EQUAL = 1, /* operand, operand */
    CONDITION_NOT_EQUAL,
    CONDITION_LESS,
    CONDITION_LESS_EQUAL,
    CONDITION_GREATER,
    CONDITION_GREATER_EQUAL,
    CONDITION_BETWEEN,     /* operand, lower, upper */
    CONDITION_IN,          /* operand, u8 count, that many operands */
    CONDITION_EXISTS,      /* u16 path */
    CONDITION_NOT_EXISTS,  /* u16 path */
    CONDITION_TYPE,        /* operand, u8 value tag */
    CONDITION_BEGINS_WITH, /* operand, operand */
    CONDITION_CONTAINS,    /* operand, operand */
    CONDITION_AND,         /* takes two from the stack */
    CONDITION_OR,
    CONDITION_NOT, /* takes one */
    CONDITION_OP_COUNT
};

/* An operand of a condition: u8 kind, u16 number in that table. */
enum operand_kind {
    OPERAND_PATH = 1,
    OPERAND_VALUE = 2,
    OPERAND_SIZE_OF_PATH = 3,
    OPERAND_SIZE_OF_VALUE = 4,
};

/* Instructions of an update: the first group leaves a value for the SET that follows. */
enum update_op {
    UPDATE_PUSH_PATH = 1,     /* u16 path */
    UPDATE_PUSH_VALUE = 2,    /* u16 value */
    UPDATE_IF_NOT_EXISTS = 3, /* u16 path: takes the other value, leaves the path's if there is one */
    UPDATE_LIST_APPEND = 4,   /* takes two */
    UPDATE_PLUS = 5,
    UPDATE_MINUS = 6,
    UPDATE_SET = 16,    /* u16 path: takes the value; the stack is then empty */
    UPDATE_REMOVE = 17, /* u16 path */
    UPDATE_ADD = 18,    /* u16 path, u16 value (number or set) */
    UPDATE_DELETE = 19, /* u16 path, u16 value (set) */
};

enum path_part_kind { PATH_PART_NAME = 0, PATH_PART_INDEX = 1 };

struct path_part {
    enum path_part_kind kind;
    uint32_t index;    /* in the list, for PATH_PART_INDEX */
    struct slice name; /* for PATH_PART_NAME; points into the program */
};

/* A checked program: a view, valid as long as the bytes. Fill it by program_open only. */
struct program {
    enum program_kind kind;
    uint16_t name_count;
    uint16_t value_count;
    uint16_t path_count;
    struct slice code;
    /* Leave alone. */
    const uint8_t *name_ends;
    const uint8_t *value_ends;
    const uint8_t *path_ends;
    const uint8_t *names;
    const uint8_t *values;
    const uint8_t *paths;
};

/* Check `bytes` in full and view them: up to 9 ns per byte (lists of NULL).
 *
 * ERR_INVALID  not a well-formed program of this kind and a version that we know. The sender's fault:
 * nothing that we store is damaged. */
enum err program_open(struct slice bytes, enum program_kind kind, struct program *ret_program) MUST_CHECK;

/* An upper bound of its operands, each of which takes three bytes of code or more. */
static inline uint64_t program_operands_max(const struct program *p)
{
    return p->code.length / 3 + 1;
}

/* An upper bound of the bytes that one evaluation looks at, for who must not hold a loop: each operand at worst reads the
 * whole item, or one of the program's own values. It takes 2 ns per byte of this at worst: contains() with a needle of 50 to
 * 255 bytes takes 5 ns per byte that it searches, and counts for 2.7 operands (tests/micro/expression_bench.c). */
static inline uint64_t program_work_bytes(const struct program *p, size_t item_bytes)
{
    size_t own_bytes = (size_t)(p->paths - p->values);
    return program_operands_max(p) * (item_bytes > own_bytes ? item_bytes : own_bytes);
}

/* ---- for evaluators: numbers below the counts ---- */

struct slice program_name(const struct program *p, uint32_t number);
/* A whole encoded value: tag, length, body. */
struct slice program_value(const struct program *p, uint32_t number);
uint32_t program_path_length(const struct program *p, uint32_t number);
struct path_part program_path_part(const struct program *p, uint32_t number, uint32_t part);

/* The paths that an update's clauses write, or a projection's paths: into `ret_paths` (room for
 * p->path_count), in the order of the code. Returns how many. */
uint32_t program_target_paths(const struct program *p, uint16_t *ret_paths);
