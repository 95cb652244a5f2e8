/* The fault layer: libfaultfs.so, preloaded, stands between a program and its files below one directory.
 *
 * It fails the n-th call of a kind (faultfs_arm), and records every change of those files with its data in a trace
 * (tests/faults/trace.h). The program under test sees these functions only when the layer is preloaded: they
 * are weak.
 *
 *   FAULTFS_DIRECTORY  the directory, absolute; nothing else is touched
 *   FAULTFS_TRACE      file to write the trace to; absent: none is kept */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum faultfs_kind {
    FAULTFS_NONE,
    FAULTFS_EIO,         /* the n-th changing call fails with EIO */
    FAULTFS_ENOSPC,      /* the n-th creating or writing call fails with ENOSPC */
    FAULTFS_ENOSPC_FROM, /* and all later ones too, until disarmed */
    FAULTFS_SHORT_WRITE, /* the n-th write writes half of what it should */
    FAULTFS_SYNC,        /* the n-th fsync or fdatasync fails with EIO and syncs nothing */
    FAULTFS_READ,        /* the n-th read fails with EIO */
    FAULTFS_KINDS,
};

/* From now on, let the n-th call (from 1) of this kind fail. Counts anew. */
__attribute__((weak)) void faultfs_arm(enum faultfs_kind kind, uint64_t n);
/* Count only calls on paths (relative to the directory) that begin so; "" counts all. Copied. */
__attribute__((weak)) void faultfs_only(const char *prefix);
/* Has the armed fault happened? */
__attribute__((weak)) int faultfs_has_fired(void);
/* Put a note into the trace, in order with the calls: what the program has promised by now. */
__attribute__((weak)) void faultfs_note(const void *data, size_t bytes);
