#include "dataplane/client/item_client.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "dataplane/client/item_frames.h"
#include "dataplane/client/node_guard.h"

enum {
    ATTEMPT_US = 1000 * 1000,
    LONG_ATTEMPTS = 4, /* as long, when the node has said that it computes longer */
    REFRESH_US = 1000 * 1000,
    RETRY_US_FIRST = 2 * 1000,
    RETRY_US_MAX = 50 * 1000,
    REFRESH_KEYS_MAX = 1000,
    UNUSED_ROUNDS_MAX = 600, /* of refreshes */
    ARENA_BLOCK = 16 * 1024,
    ARENA_MAX = 4 * 1024 * 1024,
};

/* A connection to one loop of a node: each has a port. */
struct link_key {
    uint32_t node_id;
    uint32_t port;
};

struct node_link {
    struct link_key key;
    struct item_client *client;
    char host[ROUTE_HOST_BYTES];
    uint32_t unused_rounds; /* of refreshes */
    struct wire_client *wire;
    UT_hash_handle hh;
};

struct item_client {
    struct item_client_options options;
    struct loop *loop;
    struct route_cache *routes;
    struct node_link *links;
    struct node_guard *guard;
    struct item_call *calls; /* all under way */
    struct loop_timer refresh;
    struct loop_task lookup; /* collects the keys of one turn */
    bool is_looking_up;
    struct random random;
    struct arena arena;
    size_t refresh_next; /* where the next refresh begins, so that more routes than fit one get their turn */
    bool is_closing;
};

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct item_client_metrics, name, kind, unit, sentence)
#include "dataplane/client/client_metrics.def"
#undef METRIC
};
const struct metric_table item_client_metric_table = METRIC_TABLE("item_client", metric_rows);

/* ---- nodes ---- */

static void link_close(struct item_client *c, struct node_link *link)
{
    HASH_DEL(c->links, link);
    wire_client_close(link->wire, NULL, NULL);
    memory_free(link);
}

/* Whoever has just said hello lives. */
static void on_link_state(struct wire_client *wire, const struct wire_identity *peer, void *data)
{
    struct node_link *link = data;
    if (peer != NULL)
        node_guard_answered(link->client->guard, link->key.node_id);
}

static struct node_link *link_open(struct item_client *c, const struct link_key *key, const char *host)
{
    struct node_link *link = memory_zalloc(sizeof *link);
    if (link == NULL)
        return NULL;
    link->key = *key;
    link->client = c;
    snprintf(link->host, sizeof link->host, "%s", host);
    char name[32];
    snprintf(name, sizeof name, "node-%u:%u", key->node_id, key->port);
    const struct wire_client_options options = {
        .name = name,
        .host = link->host,
        .port = (uint16_t)key->port,
        .identity = c->options.identity,
        .peer_node_id = key->node_id,
        .metrics = c->options.wire_metrics,
        .on_state = on_link_state,
        .data = link,
    };
    struct error error = {.code = ERR_OK};
    if (wire_client_open(c->loop, &options, &link->wire, &error) != ERR_OK) {
        log_warn("node_unusable", "node=%u reason=\"%s\"", key->node_id, error.text);
        memory_free(link);
        return NULL;
    }
    HASH_ADD(hh, c->links, key, sizeof link->key, link);
    if (HASH_ADD_FAILED(link)) {
        wire_client_close(link->wire, NULL, NULL);
        memory_free(link);
        return NULL;
    }
    return link;
}

static struct node_link *link_find(struct item_client *c, const struct route_replica *replica)
{
    const struct link_key key = {replica->node_id, replica->port};
    struct node_link *link;
    HASH_FIND(hh, c->links, &key, sizeof key, link);
    if (link != NULL && strcmp(link->host, replica->host) != 0) { /* it moved */
        link_close(c, link);
        link = NULL;
    }
    if (link == NULL)
        link = link_open(c, &key, replica->host);
    if (link != NULL)
        link->unused_rounds = 0;
    return link;
}

/* No route has led to it for so long that nobody waits for an answer on it either: that node listens elsewhere by now. */
static void close_unused_links(struct item_client *c)
{
    struct node_link *next;
    for (struct node_link *link = c->links; link != NULL; link = next) {
        next = link->hh.next;
        if (++link->unused_rounds > UNUSED_ROUNDS_MAX)
            link_close(c, link);
    }
}

/* ---- a call's course ---- */

static void attempt(struct item_call *call);

static void finish(struct item_call *call, enum err err, const ProtobufCMessage *header, struct slice payload)
{
    struct item_client *c = call->client;
    loop_timer_stop(c->loop, &call->timer);
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    metric_record(&c->options.metrics->call_time, clock_boot_us() - call->began_us);
    call->done(call, err, header, payload);
}

static void time_out(struct item_call *call)
{
    metric_increment(&call->client->options.metrics->timeouts);
    metric_increment(&call->client->options.dependency->failed);
    finish(call, call->is_write && !call->may_be_applied ? ERR_UNAVAILABLE : ERR_TIMEOUT, NULL, SLICE_EMPTY);
}

static void on_timer(struct loop_timer *timer)
{
    struct item_call *call = timer->data;
    if (clock_boot_us() >= call->deadline_us)
        time_out(call);
    else
        attempt(call);
}

static void retry_after(struct item_call *call, uint64_t pause_us)
{
    struct item_client *c = call->client;
    uint64_t due_us = loop_now_us(c->loop) + pause_us / 2 + random_below(&c->random, pause_us);
    if (due_us > call->deadline_us)
        due_us = call->deadline_us;
    loop_timer_start(c->loop, &call->timer, due_us);
}

/* Wait longer with each attempt, with jitter, so that a failover is not met by a herd. */
static void retry_later(struct item_call *call)
{
    uint64_t pause_us = RETRY_US_FIRST << (call->attempts < 6 ? call->attempts : 6);
    retry_after(call, pause_us < RETRY_US_MAX ? pause_us : RETRY_US_MAX);
}

static void look_up_later(struct item_call *call)
{
    struct item_client *c = call->client;
    call->waits_for_route = true;
    loop_defer(c->loop, &c->lookup);
    loop_timer_start(c->loop, &call->timer, call->deadline_us);
}

/* One at a time: what it finds is what most of those want who come meanwhile, and a router that starts cold at full load
 * asks hardly more than one that is warm. */
static void on_lookup(struct loop_task *task)
{
    struct item_client *c = task->data;
    struct slice keys[REFRESH_KEYS_MAX];
    size_t count = 0;
    if (c->is_looking_up)
        return;
    for (struct item_call *call = c->calls; call != NULL && count < REFRESH_KEYS_MAX; call = call->next) {
        if (!call->waits_for_route)
            continue;
        call->is_looked_up = true;
        keys[count++] = call->key;
    }
    if (count == 0)
        return;
    c->is_looking_up = true;
    metric_add(&c->options.metrics->lookups, count);
    c->options.lookup(c, keys, count, false, c->options.data);
}

/* Whoever came too late for this look-up goes on if it has found his route all the same, and is in the next one
 * otherwise. */
static bool is_answered(struct item_call *call, struct route *route)
{
    if (route != NULL && call->is_looked_up)
        route->is_fresh = true;
    return call->waits_for_route && (call->is_looked_up || route != NULL);
}

void item_client_looked_up(struct item_client *c)
{
    struct item_call *next;
    c->is_looking_up = false;
    for (struct item_call *call = c->calls; call != NULL; call = next) {
        next = call->next;
        if (!call->waits_for_route)
            continue;
        struct route *route = route_cache_find(c->routes, call->key);
        if (!is_answered(call, route)) {
            loop_defer(c->loop, &c->lookup);
            continue;
        }
        bool is_first = call->lookups++ == 0;
        call->waits_for_route = call->is_looked_up = false;
        /* Only once at once: a route that names nobody to ask would be looked up without end. */
        if (is_first && route != NULL) {
            loop_timer_start(c->loop, &call->timer, loop_now_us(c->loop));
        } else {
            call->attempts++;
            retry_later(call);
        }
    }
}

void item_client_learn(struct item_client *c, const Sluice__Dataplane__Route *route)
{
    if (route_cache_put(c->routes, route) != ERR_OK)
        log_warn("route_not_kept", "group=%llu reason=memory", (unsigned long long)route->group_id);
    metric_set(&c->options.metrics->routes, route_cache_count(c->routes));
}

/* ---- whom to ask ---- */

static bool may_ask(const struct item_call *call, const struct route_replica *r, uint64_t now_us)
{
    return r->kind == 0 && node_guard_allows(call->client->guard, r->node_id, now_us);
}

static const struct route_replica *next_in_turn(struct item_call *call, const struct route *route,
                                                uint64_t now_us)
{
    for (uint32_t i = 0; i < route->replica_count; i++) {
        const struct route_replica *r = &route->replicas[call->replica_next++ % route->replica_count];
        if (may_ask(call, r, now_us))
            return r;
    }
    return NULL;
}

static const struct route_replica *leader_of(const struct route *route)
{
    for (uint32_t i = 0; i < route->replica_count; i++)
        if (route->replicas[i].replica_id == route->leader_replica_id)
            return &route->replicas[i];
    return NULL;
}

static const struct route_replica *nearest(struct item_call *call, const struct route *route, uint64_t now_us)
{
    for (uint32_t i = 0; i < route->replica_count; i++)
        if (strcmp(route->replicas[i].zone, call->client->options.zone) == 0 &&
            may_ask(call, &route->replicas[i], now_us))
            return &route->replicas[i];
    return next_in_turn(call, route, now_us);
}

/* NULL: nobody may be asked now. */
static const struct route_replica *choose(struct item_call *call, const struct route *route, uint64_t now_us)
{
    bool is_eventual = item_frame_is_eventual(call);
    if (call->attempts == 0 && is_eventual)
        return nearest(call, route, now_us);
    if (is_eventual)
        return next_in_turn(call, route, now_us);
    const struct route_replica *leader = leader_of(route);
    /* The leader that just failed us may be gone: every other time, ask whoever else may know. */
    bool is_leaders_turn =
        leader != NULL && (leader->replica_id != call->asked_replica_id || call->attempts % 2 == 0);
    if (is_leaders_turn && node_guard_allows(call->client->guard, leader->node_id, now_us))
        return leader;
    const struct route_replica *other = next_in_turn(call, route, now_us);
    if (other != NULL && other->replica_id == call->asked_replica_id)
        other = next_in_turn(call, route, now_us);
    return other;
}

/* ---- answers ---- */

/* Whether the next try rests on more than hope: the route is not the one by which the last one went. */
static bool is_news(const struct item_call *call, const struct route *route)
{
    return route->group_id != call->group_id || route->range_epoch != call->asked_epoch ||
           route->term != call->asked_term || route->leader_replica_id != call->asked_leader_id;
}

/* Found by asking in turn: those who wait need not search, too. Whoever publishes or hints at a newer term is believed more. */
static void learn_leader(struct item_call *call)
{
    if (call->asked_replica_id == call->asked_leader_id || item_frame_is_eventual(call))
        return;
    struct route *route = route_cache_find(call->client->routes, call->key);
    if (route != NULL && !is_news(call, route))
        route->leader_replica_id = call->asked_replica_id;
}

static void learn_or_forget(struct item_call *call, const Sluice__Dataplane__Route *route)
{
    if (route != NULL)
        item_client_learn(call->client, route);
    else
        route_cache_forget(call->client->routes, call->key, call->group_id);
}

/* The node said no, or nothing. */
static void on_refusal(struct item_call *call, enum err err)
{
    struct item_client_metrics *metrics = call->client->options.metrics;
    switch ((int)err) {
    case ERR_UNKNOWN_OUTCOME:
    case ERR_TIMEOUT:
        call->may_be_applied = true;
        metric_increment(&metrics->retries_unknown);
        break;
    case ERR_INVALID: /* a request that it does not understand: asking again would not help */
        finish(call, ERR_INTERNAL, NULL, SLICE_EMPTY);
        return;
    default:
        metric_increment(&metrics->retries_not_applied);
        break;
    }
    retry_later(call);
}

static bool is_final(Sluice__Dataplane__Status status)
{
    return status == SLUICE__DATAPLANE__STATUS__OK || status == SLUICE__DATAPLANE__STATUS__NOT_FOUND ||
           status == SLUICE__DATAPLANE__STATUS__CONDITION_FAILED ||
           status == SLUICE__DATAPLANE__STATUS__INVALID;
}

/* A refusal of a repeated write says nothing about an earlier attempt that nobody has answered: a node that was
 * cut off may still take that one up, lead again and apply it. Only the first attempt's refusal is the last word. */
static bool is_refusal_in_doubt(const struct item_call *call, Sluice__Dataplane__Status status)
{
    return call->is_attempt_unanswered && (status == SLUICE__DATAPLANE__STATUS__CONDITION_FAILED ||
                                           status == SLUICE__DATAPLANE__STATUS__INVALID);
}

/* Who leads, as far as is known: another answer than before is worth following at once. */
struct known_leader {
    uint64_t group_id; /* those of a split have the replica ids of the one before */
    uint64_t term;
    uint64_t replica_id; /* 0: nobody is known to */
};

static struct known_leader known_leader(const struct item_call *call)
{
    const struct route *route = route_cache_find(call->client->routes, call->key);
    return route == NULL ? (struct known_leader){0}
                         : (struct known_leader){route->group_id, route->term, route->leader_replica_id};
}

static void go_on_at_once(struct item_call *call)
{
    loop_timer_start(call->client->loop, &call->timer, loop_now_us(call->client->loop));
}

/* Whom to ask next, in turn behind the one that was asked; false: all replicas that could answer have been. */
static bool goes_on_behind(struct item_call *call, const struct route *route)
{
    uint32_t storage = 0, asked = 0;
    for (uint32_t i = 0; i < route->replica_count; i++) {
        storage += route->replicas[i].kind == 0;
        if (route->replicas[i].replica_id == call->asked_replica_id)
            asked = i;
    }
    call->replica_next = asked + 1;
    return ++call->throttles < storage;
}

/* Each replica has a bucket for the reads that it answers: an eventual read may have it from another one. A write goes on
 * while it is not known what became of an earlier attempt. For all others the refusal is the answer. */
static void on_throttled(struct item_call *call)
{
    struct item_client *c = call->client;
    const struct route *route = route_cache_find(c->routes, call->key);
    if (call->is_write && call->is_attempt_unanswered)
        retry_later(call);
    else if (item_frame_is_eventual(call) && route != NULL && goes_on_behind(call, route))
        go_on_at_once(call);
    else
        finish(call, ERR_THROTTLED, NULL, SLICE_EMPTY);
}

static void on_verdict(struct item_call *call, struct item_verdict v)
{
    struct item_client_metrics *metrics = call->client->options.metrics;
    const struct known_leader before = known_leader(call);
    switch ((int)v.status) {
    case SLUICE__DATAPLANE__STATUS__NOT_LEADER:
        metric_increment(&metrics->retries_not_leader);
        if (v.route != NULL)
            item_client_learn(call->client, v.route);
        break;
    case SLUICE__DATAPLANE__STATUS__WRONG_RANGE:
    case SLUICE__DATAPLANE__STATUS__NO_GROUP:
        metric_increment(&metrics->retries_wrong_range);
        learn_or_forget(call, v.route);
        break;
    case SLUICE__DATAPLANE__STATUS__UNKNOWN:
        on_refusal(call, ERR_UNKNOWN_OUTCOME);
        return;
    case SLUICE__DATAPLANE__STATUS__THROTTLED:
        metric_increment(&metrics->throttled);
        on_throttled(call);
        return;
    case SLUICE__DATAPLANE__STATUS__TIME_SHORT:
        metric_increment(&metrics->retries_not_applied);
        call->takes_long = true;
        break;
    default:
        metric_increment(&metrics->retries_not_applied);
        break;
    }
    /* A hint to another leader is worth following at once: the first time, and whenever it is a new one, so that two nodes
     * that point at each other do not spin. */
    const struct known_leader now = known_leader(call);
    bool is_new =
        now.group_id != before.group_id || now.term != before.term || now.replica_id != before.replica_id;
    bool is_another = now.group_id != call->group_id || now.replica_id != call->asked_replica_id;
    if ((call->attempts <= 1 || is_new) && now.replica_id != 0 && is_another)
        go_on_at_once(call);
    else
        retry_later(call);
}

/* The node itself has said nothing. */
static bool is_silence(enum err err)
{
    return err == ERR_TIMEOUT || err == ERR_UNKNOWN_OUTCOME || err == ERR_UNAVAILABLE;
}

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct item_call *call = data;
    struct item_client *c = call->client;
    if (err == ERR_CLOSED && c->is_closing) {
        finish(call, ERR_CLOSED, NULL, SLICE_EMPTY);
        return;
    }
    if (is_silence(err))
        node_guard_failed(c->guard, call->asked_node_id, loop_now_us(c->loop));
    else if (err != ERR_CLOSED)
        node_guard_answered(c->guard, call->asked_node_id);
    if (err != ERR_OK) {
        enum err outcome = err == ERR_CLOSED ? ERR_UNKNOWN_OUTCOME : err;
        call->is_attempt_unanswered |= outcome == ERR_UNKNOWN_OUTCOME || outcome == ERR_TIMEOUT;
        on_refusal(call, outcome);
        return;
    }
    arena_reset(&c->arena);
    struct item_verdict v;
    const ProtobufCMessage *header = item_frame_response(call, response->header, &c->arena, &v);
    if (header == NULL) {
        on_refusal(call, ERR_UNKNOWN_OUTCOME);
        return;
    }
    if (is_refusal_in_doubt(call, v.status)) {
        finish(call, ERR_UNKNOWN_OUTCOME, NULL, SLICE_EMPTY);
    } else if (is_final(v.status)) {
        learn_leader(call);
        finish(call, ERR_OK, header, response->payload);
    } else if (v.status == SLUICE__DATAPLANE__STATUS__INTERNAL) {
        finish(call, ERR_INTERNAL, NULL, SLICE_EMPTY);
    } else {
        on_verdict(call, v);
    }
}

/* ---- asking ---- */

static void ask(struct item_call *call, const struct route *route, const struct route_replica *replica,
                uint64_t now_us)
{
    struct item_client *c = call->client;
    uint64_t attempt_us = c->options.attempt_us * (call->takes_long ? LONG_ATTEMPTS : 1);
    if (now_us + attempt_us > call->deadline_us)
        attempt_us = call->deadline_us - now_us;
    call->attempts++;
    call->group_id = route->group_id;
    call->asked_epoch = route->range_epoch;
    call->asked_term = route->term;
    call->asked_leader_id = route->leader_replica_id;
    call->asked_replica_id = replica->replica_id;
    call->asked_node_id = replica->node_id;
    const struct wire_message message = {
        .type = item_frame_type(call),
        .header = item_frame_request(call, route, (uint32_t)attempt_us),
        .payload = call->payload,
        .payload_count = call->payload_count,
    };
    struct node_link *link = link_find(c, replica);
    enum err err = link == NULL
                       ? ERR_NO_MEMORY
                       : wire_client_call(link->wire, &message, now_us + attempt_us, on_response, call);
    metric_increment(&c->options.metrics->attempts);
    if (err != ERR_OK) { /* not connected: that has cost nobody anything */
        retry_later(call);
        return;
    }
    node_guard_ask(c->guard, replica->node_id, call->has_gone_out, now_us);
    call->has_gone_out = true;
    call->is_put_off = false;
}

/* Not without budget, unless it is the first try, or there is news, or the read is throttled and asks each replica once. */
static bool may_try(struct item_call *call, const struct route *route, uint64_t now_us)
{
    struct item_client *c = call->client;
    if (!call->has_gone_out || is_news(call, route) || call->throttles > 0 ||
        node_guard_take_retry(c->guard, now_us))
        return true;
    metric_add(&c->options.dependency->retries_refused, !call->is_put_off);
    call->is_put_off = true;
    return false;
}

static bool names_somebody(const struct route *route)
{
    for (uint32_t i = 0; i < route->replica_count; i++)
        if (route->replicas[i].kind == 0)
            return true;
    return false;
}

static void attempt(struct item_call *call)
{
    struct item_client *c = call->client;
    uint64_t now_us = clock_boot_us();
    if (now_us >= call->deadline_us) {
        time_out(call);
        return;
    }
    struct route *route = route_cache_find(c->routes, call->key);
    if (route != NULL && route->group_id != call->group_id)
        call->asked_replica_id = 0; /* a split's groups have the replica ids of the one before */
    if (route == NULL || !names_somebody(route)) {
        look_up_later(call);
        return;
    }
    route->is_used = true;
    const struct route_replica *replica = choose(call, route, now_us);
    if (replica == NULL || !may_try(call, route, now_us))
        retry_after(call, RETRY_US_MAX); /* nobody may be asked now, or not by us */
    else
        ask(call, route, replica, now_us);
}

void item_client_begin(struct item_client *c, struct item_call *call)
{
    uint64_t now_us = clock_boot_us();
    if (call->deadline_us > now_us + ITEM_CALL_US_MAX)
        call->deadline_us = now_us + ITEM_CALL_US_MAX;
    call->client = c;
    call->began_us = now_us;
    call->timer = (struct loop_timer){.fire = on_timer, .data = call};
    call->attempts = call->lookups = call->throttles = 0;
    call->waits_for_route = call->is_looked_up = false;
    call->has_gone_out = call->is_put_off = false;
    call->next = c->calls;
    if (c->calls != NULL)
        c->calls->previous = &call->next;
    call->previous = &c->calls;
    c->calls = call;
    metric_increment(&c->options.metrics->calls);
    node_guard_earn(c->guard);
    if (now_us < call->deadline_us)
        attempt(call);
    else /* never answer inside this call */
        loop_timer_start(c->loop, &call->timer, now_us);
}

/* ---- refreshing ---- */

static void on_refresh(struct loop_timer *timer)
{
    struct item_client *c = timer->data;
    struct slice keys[REFRESH_KEYS_MAX];
    route_cache_age(c->routes, UNUSED_ROUNDS_MAX);
    close_unused_links(c);
    node_guard_age(c->guard, UNUSED_ROUNDS_MAX);
    metric_set(&c->options.metrics->routes, route_cache_count(c->routes));
    size_t count = 0, route_count = route_cache_count(c->routes);
    for (size_t i = 0; i < route_count && count < REFRESH_KEYS_MAX; i++) {
        struct route *route = route_cache_at(c->routes, c->refresh_next++ % route_count);
        if (route->is_used && !route->is_fresh)
            keys[count++] = route->start;
        route->is_used = route->is_fresh = false;
    }
    if (count > 0)
        c->options.lookup(c, keys, count, true, c->options.data);
    metric_add(&c->options.metrics->refreshes, count);
    loop_timer_start(c->loop, &c->refresh, loop_now_us(c->loop) + c->options.refresh_us);
}

size_t item_client_route_count(const struct item_client *c)
{
    return route_cache_count(c->routes);
}

/* ---- life ---- */

enum err item_client_create(struct loop *loop, const struct item_client_options *options,
                            struct item_client **ret_client)
{
    struct item_client *c = memory_zalloc(sizeof *c);
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->options = *options;
    if (c->options.attempt_us == 0)
        c->options.attempt_us = ATTEMPT_US;
    if (c->options.refresh_us == 0)
        c->options.refresh_us = REFRESH_US;
    c->loop = loop;
    c->refresh = (struct loop_timer){.fire = on_refresh, .data = c};
    c->lookup = (struct loop_task){.run = on_lookup, .data = c};
    random_init(&c->random, clock_boot_us());
    arena_init(&c->arena, ARENA_BLOCK, ARENA_MAX);
    c->routes = route_cache_create();
    c->guard = node_guard_create(c->options.dependency, clock_boot_us());
    if (c->routes == NULL || c->guard == NULL) {
        route_cache_destroy(c->routes);
        node_guard_destroy(c->guard);
        memory_free(c);
        return ERR_NO_MEMORY;
    }
    loop_timer_start(loop, &c->refresh, loop_now_us(loop) + c->options.refresh_us);
    *ret_client = c;
    return ERR_OK;
}

void item_client_destroy(struct item_client *c)
{
    if (c == NULL)
        return;
    c->is_closing = true;
    loop_timer_stop(c->loop, &c->refresh);
    loop_undefer(c->loop, &c->lookup);
    while (c->links != NULL) /* ends the calls that are at a node */
        link_close(c, c->links);
    while (c->calls != NULL) /* and those that wait */
        finish(c->calls, ERR_CLOSED, NULL, SLICE_EMPTY);
    arena_deinit(&c->arena);
    route_cache_destroy(c->routes);
    node_guard_destroy(c->guard);
    memory_free(c);
}
