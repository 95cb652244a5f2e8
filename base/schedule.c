#include "base/schedule.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel's struct sched_attr in its first size, which glibc 2.36 does not declare. */
struct sched_attributes {
    uint32_t size;
    uint32_t policy; /* 0: SCHED_OTHER */
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns; /* for SCHED_OTHER, since Linux 6.12 */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

enum { SLICE_NS = 100 * 1000 /* the least that there is */, NICE_MAX = 19 };

static void ask(int nice, uint64_t slice_ns)
{
    const struct sched_attributes attributes = {
        .size = sizeof attributes, .nice = nice, .slice_ns = slice_ns};
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void schedule_wake_soon(void)
{
    ask(getpriority(PRIO_PROCESS, 0), SLICE_NS);
}

/* Its slices are the kernel's own again: a thread has those of whoever made it. */
void schedule_stand_back(void)
{
    static _Thread_local bool has_stood_back;
    if (has_stood_back)
        return;
    has_stood_back = true;
    int nice = getpriority(PRIO_PROCESS, 0) + SCHEDULE_NICE;
    ask(nice < NICE_MAX ? nice : NICE_MAX, 0);
}
