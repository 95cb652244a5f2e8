/* A trace is a sequence of: op u8 | file u32 | a u64 | bytes u32 | bytes. Native byte order: it never leaves the
 * machine. Paths are relative to the directory; "" is the directory itself. `file` numbers a file from
 * its creation on, through renames. */
#pragma once

#include <stdint.h>

enum trace_op {
    TRACE_CREATE = 1, /* file; bytes: path */
    TRACE_WRITE,      /* file; a: offset; bytes: data */
    TRACE_SIZE,       /* file; a: new size (truncate, or allocation that extends) */
    TRACE_SYNC,       /* file */
    TRACE_DIR_SYNC,   /* bytes: path */
    TRACE_RENAME,     /* file; bytes: from, NUL, to */
    TRACE_UNLINK,     /* file; bytes: path */
    TRACE_LINK,       /* file; bytes: from, NUL, to */
    TRACE_MKDIR,      /* bytes: path */
    TRACE_RMDIR,      /* bytes: path */
    TRACE_NOTE,       /* bytes: the program's; not a system call */
};

struct __attribute__((packed)) trace_header {
    uint8_t op;
    uint32_t file;
    uint64_t a;
    uint32_t bytes;
};
