/* Assertions that stay on in every build.
 *
 * ASSERT is for our own mistakes only. What a tenant can send, store or time is never asserted upon:
 * that is an `enum err`. ASSERT_SLOW is for checks that cost more than the code they guard: debug
 * builds and the simulator (which define SLUICE_SLOW_CHECKS). */
#pragma once

#include <assert.h>

#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))

#ifdef SLUICE_SLOW_CHECKS
#define ASSERT_SLOW(condition) ASSERT(condition)
#else
#define ASSERT_SLOW(condition) ((void)0)
#endif

#define STATIC_ASSERT(condition, message) static_assert(condition, message)
#define UNREACHABLE(why) assert_failed("unreachable: " why, __FILE__, __LINE__, __func__)

/* Called with the failed assertion before the process aborts, so that a daemon can say what it was
 * doing (request, partition, shard). Must not allocate. NULL removes it. */
typedef void (*assert_hook)(const char *condition, const char *file, int line);
void assert_set_hook(assert_hook hook);

_Noreturn void assert_failed(const char *condition, const char *file, int line, const char *function);
