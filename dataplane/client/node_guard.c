#include "dataplane/client/node_guard.h"

#include "base/breaker.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/retry_budget.h"

/* Wider than towards MemDS: in a failover every call of a group waits for its next leader, and whoever asks first finds it for
 * the others. */
static const struct retry_budget_options retries = {
    .capacity_milli = 1000 * 1000, .per_call_milli = 200, .per_s_milli = 200 * 1000};

struct guarded_node {
    uint32_t node_id;
    uint32_t unused_rounds;
    struct breaker breaker;
    UT_hash_handle hh;
};

struct node_guard {
    struct dependency_metrics *metrics;
    struct retry_budget budget;
    struct guarded_node *nodes;
};

struct node_guard *node_guard_create(struct dependency_metrics *metrics, uint64_t now_us)
{
    struct node_guard *guard = memory_zalloc(sizeof *guard);
    if (guard == NULL)
        return NULL;
    guard->metrics = metrics;
    retry_budget_init(&guard->budget, &retries, now_us);
    return guard;
}

static void forget(struct node_guard *guard, struct guarded_node *node)
{
    HASH_DEL(guard->nodes, node);
    memory_free(node);
}

void node_guard_destroy(struct node_guard *guard)
{
    if (guard == NULL)
        return;
    while (guard->nodes != NULL)
        forget(guard, guard->nodes);
    memory_free(guard);
}

static struct guarded_node *find(const struct node_guard *guard, uint32_t node_id)
{
    struct guarded_node *node;
    HASH_FIND(hh, guard->nodes, &node_id, sizeof node_id, node);
    return node;
}

static struct guarded_node *find_or_add(struct node_guard *guard, uint32_t node_id)
{
    struct guarded_node *node = find(guard, node_id);
    if (node != NULL)
        return node;
    node = memory_zalloc(sizeof *node);
    if (node == NULL)
        return NULL;
    node->node_id = node_id;
    breaker_init(&node->breaker, &breaker_item_path);
    HASH_ADD(hh, guard->nodes, node_id, sizeof node->node_id, node);
    if (!HASH_ADD_FAILED(node))
        return node;
    memory_free(node);
    return NULL;
}

static void show(const struct node_guard *guard)
{
    uint64_t open = 0;
    for (const struct guarded_node *node = guard->nodes; node != NULL; node = node->hh.next)
        open += breaker_is_open(&node->breaker);
    metric_set(&guard->metrics->breakers_open, open);
}

bool node_guard_allows(const struct node_guard *guard, uint32_t node_id, uint64_t now_us)
{
    const struct guarded_node *node = find(guard, node_id);
    return node == NULL || breaker_allows(&node->breaker, now_us);
}

void node_guard_ask(struct node_guard *guard, uint32_t node_id, bool is_retry, uint64_t now_us)
{
    metric_increment(&guard->metrics->attempts);
    metric_add(&guard->metrics->retries, is_retry);
    struct guarded_node *node = find_or_add(guard, node_id);
    if (node == NULL)
        return;
    node->unused_rounds = 0;
    breaker_ask(&node->breaker, now_us);
}

void node_guard_answered(struct node_guard *guard, uint32_t node_id)
{
    struct guarded_node *node = find(guard, node_id);
    if (node == NULL)
        return;
    bool was_open = breaker_is_open(&node->breaker);
    breaker_succeeded(&node->breaker);
    if (!was_open)
        return;
    show(guard);
    log_info("breaker_closed", "dependency=nodes node=%u", node_id);
}

void node_guard_failed(struct node_guard *guard, uint32_t node_id, uint64_t now_us)
{
    struct guarded_node *node = find(guard, node_id);
    if (node == NULL || !breaker_failed(&node->breaker, now_us))
        return;
    metric_increment(&guard->metrics->breaker_opened);
    show(guard);
    log_warn("breaker_opened", "dependency=nodes node=%u", node_id);
}

void node_guard_earn(struct node_guard *guard)
{
    metric_increment(&guard->metrics->calls);
    retry_budget_earn(&guard->budget);
}

bool node_guard_take_retry(struct node_guard *guard, uint64_t now_us)
{
    return retry_budget_take(&guard->budget, now_us);
}

void node_guard_age(struct node_guard *guard, uint32_t rounds_max)
{
    struct guarded_node *next;
    for (struct guarded_node *node = guard->nodes; node != NULL; node = next) {
        next = node->hh.next;
        if (++node->unused_rounds > rounds_max)
            forget(guard, node);
    }
    show(guard);
}
