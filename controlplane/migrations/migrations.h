/* The migrations that this build knows: controlplane/migrations/NNNN_*.sql, embedded in the order of their numbers
 * when the library is built (cmake/embed_sql.cmake). A file that was released is never changed: control compares its
 * checksum with the one that the database remembers. */
#pragma once

#include <stddef.h>

struct migration {
    unsigned number;  /* 1, 2, ... without gaps */
    const char *name; /* "0001_initial" */
    const char *sql;
};

extern const struct migration migrations[];
extern const size_t migrations_count;
