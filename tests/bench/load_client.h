/* Runs a workload over many connections in one thread: epoll, one request at a time on each.
 *
 * closed loop (rate 0)  a connection asks again as soon as it has its answer
 * open loop             operation i is due at begin + i / rate, whether or not earlier ones were answered; it
 *                       takes the connection that has been idle longest, or waits for one. Its latency counts
 *                       from when it was due: a server that pauses cannot hide the requests that its pause
 *                       kept from being sent (coordinated omission).
 * loading               each key is written once; what fails is tried again
 *
 * After an error answer a connection rests 10 ms, after a failure it connects anew after 100 ms. What is
 * unanswered 10 s after the end counts as error "unanswered", what was due and never sent as "unsent". */
#pragma once

#include "tests/bench/load_options.h"
#include "tests/bench/load_request.h"
#include "tests/bench/load_stats.h"

/* Run to the end, or until *should_stop. `ret_stats` is filled also when a run fails half-way.
 * ERR_CONFIG, with words: a setting is wrong. ERR_NO_MEMORY, ERR_IO: no epoll. */
enum err load_run(const struct load_options *options, const struct load_identity *identity,
                  const volatile bool *should_stop, struct load_stats *ret_stats,
                  struct error *error) MUST_CHECK;
