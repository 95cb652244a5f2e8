/* A batch of SQL statements that become one transaction: plain data, built by the pure part of control, carried out by
 * controlplane/control/db.h.
 *
 *     sql_begin(batch, "INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)");
 *     sql_text(batch, id);
 *     sql_text(batch, name);
 *
 * Everything is copied. Failure (no memory) is sticky. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum { SQL_PARAMETERS_MAX = 24 };

struct sql_statement {
    const char *text;
    int parameter_count;
    /* As libpq wants them: NULL is SQL's NULL; format 0 is text (NUL-terminated), 1 is binary. */
    const char *values[SQL_PARAMETERS_MAX];
    int lengths[SQL_PARAMETERS_MAX];
    int formats[SQL_PARAMETERS_MAX];
    struct sql_statement *next;
};

struct sql_batch {
    struct arena arena;
    struct sql_statement *first;
    struct sql_statement *last;
    size_t count;
};

void sql_batch_init(struct sql_batch *b);
void sql_batch_deinit(struct sql_batch *b);
/* Empty it for the next use. */
void sql_batch_reset(struct sql_batch *b);
static inline bool sql_batch_has_failed(const struct sql_batch *b)
{
    return arena_has_failed(&b->arena);
}

/* A new statement; text is a literal or lives as long as the batch. */
void sql_begin(struct sql_batch *b, const char *text);
/* The next parameter of the newest statement. */
void sql_text(struct sql_batch *b, const char *text);
void sql_u64(struct sql_batch *b, uint64_t value);
void sql_bool(struct sql_batch *b, bool value);
void sql_bytes(struct sql_batch *b, struct slice bytes);
void sql_null(struct sql_batch *b);
