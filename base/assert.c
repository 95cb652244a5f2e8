#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* One of the few writable globals (with the log sink): a crash has no other way to reach the daemon. */
static assert_hook hook_current;

void assert_set_hook(assert_hook hook)
{
    hook_current = hook;
}

void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    assert_hook hook = hook_current;
    hook_current = NULL; /* a hook that fails itself must not recurse */
    fprintf(stderr, "assertion failed: %s (%s:%d, %s)\n", condition, file, line, function);
    if (hook != NULL)
        hook(condition, file, line);
    abort();
}
