/* What keeps one bad node from holding everybody: a circuit breaker for each node (base/breaker.h), and one budget for
 * the retries of all calls (base/retry_budget.h; docs/decisions/0020).
 *
 *     first try of a call ------------------------------> a node that its breaker lets be asked
 *     a further one, with something new about the route -> likewise
 *     a further one, with nothing new ------ budget -----> likewise; without budget it waits
 *
 * A node that hangs, and one that cannot be reached, is asked by one call a second until it answers. Whatever a node answers, a
 * refusal too, is a success. What one node does says nothing about another. Belongs to one loop. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/dependency.h"

struct node_guard;

/* metrics are of this guard alone, and not NULL. NULL without memory. */
struct node_guard *node_guard_create(struct dependency_metrics *metrics, uint64_t now_us);
void node_guard_destroy(struct node_guard *guard);

/* May the node be asked now? One that is not known may. */
bool node_guard_allows(const struct node_guard *guard, uint32_t node_id, uint64_t now_us);
/* A request goes out to it. Without memory the node goes without a breaker. */
void node_guard_ask(struct node_guard *guard, uint32_t node_id, bool is_retry, uint64_t now_us);
void node_guard_answered(struct node_guard *guard, uint32_t node_id);
/* It was silent, the connection broke, or it could not be reached for as long as the request waited. */
void node_guard_failed(struct node_guard *guard, uint32_t node_id, uint64_t now_us);

/* A call begins; each gives a share of a retry. */
void node_guard_earn(struct node_guard *guard);
/* Take one retry; false: not now. */
bool node_guard_take_retry(struct node_guard *guard, uint64_t now_us);

/* Forget nodes that were not asked in `rounds_max` calls of this in a row. */
void node_guard_age(struct node_guard *guard, uint32_t rounds_max);
