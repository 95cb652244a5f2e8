/* Clocks, read in shells only: pure code gets times as numbers.
 *
 * Durations and deadlines use `clock_boot_us`, which goes on while the machine sleeps and never jumps;
 * leases depend on it. Dates that a person sees use `clock_wall_us`. */
#pragma once

#include <stdint.h>

/* CLOCK_BOOTTIME in microseconds; a system call's worth of fresh, never cached. */
uint64_t clock_boot_us(void);
/* CLOCK_REALTIME in microseconds since 1970-01-01 UTC. */
uint64_t clock_wall_us(void);
/* CPU time of this process in microseconds. */
uint64_t clock_cpu_us(void);
/* CPU time of the calling thread in microseconds; a system call, about 0.3 us. */
uint64_t clock_thread_cpu_us(void);
