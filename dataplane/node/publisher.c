#include "dataplane/node/publisher.h"

#include <stdio.h>

#include "base/address.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "controlplane/proto/frame_type.h"

enum {
    MEMDS_MAX = 8,
    ROUTES_PER_MESSAGE = 500,
    RETRY_US = 100 * 1000,
    CALL_US = 1000 * 1000,
    ARENA_BLOCK = 16 * 1024,
    ARENA_MAX = 8 * 1024 * 1024,
};

struct marked {
    uint64_t group_id;
    uint64_t since_us;   /* when the first change came that is not published */
    struct marked *next; /* of those in the message under way */
    UT_hash_handle hh;
};

/* One MemDS: what it has still to be told. While it is not connected that is not kept: it is told everything when it is.
 * No target waits for another one. */
struct target {
    struct publisher *publisher;
    struct wire_client *client;
    struct marked *marked;
    struct marked *sent; /* in the message under way */
    struct loop_timer retry;
    bool is_calling;
};

struct publisher {
    struct publisher_options options;
    struct loop *loop;
    struct loop_task send;
    struct arena arena;
    struct target targets[MEMDS_MAX];
    size_t target_count;
    struct target *only; /* whom marks concern; NULL: all */
};

/* ---- marks ---- */

static bool put(struct target *t, struct marked *m)
{
    HASH_ADD(hh, t->marked, group_id, sizeof m->group_id, m);
    if (!HASH_ADD_FAILED(m))
        return true;
    memory_free(m);
    return false;
}

static struct marked *find(const struct target *t, uint64_t group_id)
{
    struct marked *m;
    HASH_FIND(hh, t->marked, &group_id, sizeof group_id, m);
    return m;
}

static bool mark(struct target *t, uint64_t group_id)
{
    if (!wire_client_is_ready(t->client) || find(t, group_id) != NULL)
        return true;
    struct marked *m = memory_zalloc(sizeof *m);
    if (m == NULL)
        return false;
    m->group_id = group_id;
    m->since_us = loop_now_us(t->publisher->loop);
    return put(t, m);
}

void publisher_mark(struct publisher *p, uint64_t group_id)
{
    for (size_t i = 0; i < p->target_count; i++) {
        struct target *t = &p->targets[i];
        if ((p->only == NULL || p->only == t) && !mark(t, group_id))
            log_warn("route_not_marked", "group=%llu reason=memory", (unsigned long long)group_id);
    }
    loop_defer(p->loop, &p->send);
}

static void forget_marks(struct target *t)
{
    while (t->marked != NULL) {
        struct marked *m = t->marked;
        HASH_DEL(t->marked, m);
        memory_free(m);
    }
}

static struct marked *take_sent(struct target *t)
{
    struct marked *m = t->sent;
    if (m != NULL)
        t->sent = m->next;
    return m;
}

static void forget_sent(struct target *t)
{
    for (struct marked *m; (m = take_sent(t)) != NULL;)
        memory_free(m);
}

/* Which of them arrived is not known; repeating all is harmless, as newer routes win. */
static void mark_sent_again(struct target *t)
{
    for (struct marked *m; (m = take_sent(t)) != NULL;) {
        struct marked *again = find(t, m->group_id);
        uint64_t group_id = m->group_id;
        if (again != NULL) {
            again->since_us = m->since_us;
            memory_free(m);
        } else if (!put(t, m)) {
            log_warn("route_not_marked", "group=%llu reason=memory", (unsigned long long)group_id);
        }
    }
}

/* ---- sending ---- */

static void retry_later(struct target *t)
{
    mark_sent_again(t);
    struct loop *loop = t->publisher->loop;
    loop_timer_start(loop, &t->retry, loop_now_us(loop) + RETRY_US);
}

static void record_times(struct target *t)
{
    uint64_t now_us = loop_now_us(t->publisher->loop);
    for (const struct marked *m = t->sent; m != NULL && t->publisher->options.time != NULL; m = m->next)
        metric_record(t->publisher->options.time, now_us - m->since_us);
}

static void on_published(enum err err, const struct frame *response, void *data)
{
    struct target *t = data;
    t->is_calling = false;
    if (err == ERR_CLOSED)
        return;
    if (err != ERR_OK) {
        retry_later(t);
        return;
    }
    record_times(t);
    forget_sent(t);
    if (t->marked != NULL)
        loop_defer(t->publisher->loop, &t->publisher->send);
}

/* Take up to a message's worth of marks and describe them. */
static size_t collect(struct target *t, Sluice__Controlplane__GroupRoute **routes, struct arena *arena)
{
    size_t count = 0;
    while (t->marked != NULL && count < ROUTES_PER_MESSAGE) {
        struct marked *m = t->marked;
        struct publisher *p = t->publisher;
        Sluice__Controlplane__GroupRoute *route = p->options.describe(m->group_id, arena, p->options.data);
        HASH_DEL(t->marked, m);
        if (route == NULL) {
            memory_free(m);
            continue;
        }
        routes[count++] = route;
        m->next = t->sent;
        t->sent = m;
    }
    return count;
}

static void send_to(struct target *t)
{
    struct publisher *p = t->publisher;
    if (t->is_calling || t->marked == NULL || loop_timer_is_started(&t->retry))
        return;
    Sluice__Controlplane__GroupRoute *routes[ROUTES_PER_MESSAGE];
    arena_reset(&p->arena);
    Sluice__Controlplane__PublishRoutes header = SLUICE__CONTROLPLANE__PUBLISH_ROUTES__INIT;
    header.n_routes = collect(t, routes, &p->arena);
    header.routes = routes;
    if (header.n_routes == 0) /* none of these is led here any more */
        return;
    const struct wire_message message = {.type = CONTROLPLANE_FRAME_PUBLISH_ROUTES, .header = &header.base};
    if (wire_client_call(t->client, &message, clock_boot_us() + CALL_US, on_published, t) != ERR_OK) {
        retry_later(t);
        return;
    }
    t->is_calling = true;
    if (p->options.published != NULL)
        metric_add(p->options.published, header.n_routes);
}

static void on_send(struct loop_task *task)
{
    struct publisher *p = task->data;
    for (size_t i = 0; i < p->target_count; i++)
        send_to(&p->targets[i]);
}

static void on_retry(struct loop_timer *timer)
{
    send_to(timer->data);
}

static void on_state(struct wire_client *c, const struct wire_identity *peer, void *data)
{
    struct target *t = data;
    struct publisher *p = t->publisher;
    forget_marks(t);
    loop_timer_stop(p->loop, &t->retry);
    if (peer == NULL)
        return;
    p->only = t;
    p->options.mark_all(p, p->options.data);
    p->only = NULL;
}

/* ---- life ---- */

static enum err connect_targets(struct publisher *p, struct error *error)
{
    const char *next = p->options.addresses;
    struct address address;
    enum err err;
    while ((err = address_next(&next, &address)) == ERR_OK) {
        if (p->target_count == MEMDS_MAX)
            return error_set(error, ERR_CONFIG, "more than %d MemDS addresses", MEMDS_MAX);
        struct target *t = &p->targets[p->target_count];
        t->publisher = p;
        t->retry = (struct loop_timer){.fire = on_retry, .data = t};
        char name[32];
        snprintf(name, sizeof name, "memds-%zu", p->target_count + 1);
        const struct wire_client_options options = {
            .name = name,
            .host = address.host,
            .port = address.port,
            .identity = p->options.identity,
            .metrics = p->options.wire_metrics,
            .on_state = on_state,
            .data = t,
        };
        TRY(wire_client_open(p->loop, &options, &t->client, error));
        p->target_count++;
    }
    return err == ERR_NOT_FOUND
               ? ERR_OK
               : error_set(error, err, "not a list of host:port: '%s'", p->options.addresses);
}

enum err publisher_create(struct loop *loop, const struct publisher_options *options,
                          struct publisher **ret_publisher, struct error *error)
{
    struct publisher *p = memory_zalloc(sizeof *p);
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->options = *options;
    p->loop = loop;
    p->send = (struct loop_task){.run = on_send, .data = p};
    arena_init(&p->arena, ARENA_BLOCK, ARENA_MAX);
    enum err err = connect_targets(p, error);
    if (err != ERR_OK) {
        publisher_destroy(p);
        return err;
    }
    *ret_publisher = p;
    return ERR_OK;
}

void publisher_destroy(struct publisher *p)
{
    if (p == NULL)
        return;
    loop_undefer(p->loop, &p->send);
    for (size_t i = 0; i < p->target_count; i++) {
        struct target *t = &p->targets[i];
        wire_client_close(t->client, NULL, NULL);
        loop_timer_stop(p->loop, &t->retry);
        forget_marks(t);
        forget_sent(t);
    }
    arena_deinit(&p->arena);
    memory_free(p);
}
