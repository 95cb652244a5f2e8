/* Who gets a processor first, where there are not enough of them: two kinds of threads tell the kernel about themselves.
 *
 * - Those that others wait for, loops and the log's writer, work for microseconds and sleep: they ask for short slices,
 *   with which Linux 6.12 and later lets a thread that wakes up take the place of one with a longer slice at once, instead of up to
 *   3 ms later. A write wakes ten threads one after the other. Older kernels do that by themselves, and ignore it.
 * - The background (base/background.h) is nicer than its process.
 *
 * Both are of the calling thread alone, and requests: where they fail the work is done all the same. Where the kernel groups processes
 * by sessions (sched_autogroup) or cgroups, they count within the group. */
#pragma once

enum { SCHEDULE_NICE = 15 };

void schedule_wake_soon(void);
/* Not for a loop's thread. Again: does nothing. */
void schedule_stand_back(void);
