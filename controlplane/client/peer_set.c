#include "controlplane/client/peer_set.h"

#include "base/address.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/retry_budget.h"

enum { SUSPECT_US = 5 * 1000 * 1000 };

struct peer {
    struct wire_client *client;
    struct breaker breaker;
    uint64_t suspect_until_us; /* failed or was slow: others first */
};

struct peer_set {
    struct loop *loop;
    struct peer_set_options options;
    struct peer peers[PEER_SET_MAX];
    size_t count;
    size_t home;
    struct retry_budget budget;
    size_t closing;
    struct call *failed; /* calls that end soon, without anybody asked */
    struct loop_task fail;
    void (*on_close)(void *data);
    void *on_close_data;
};

/* One server asked on behalf of a call. */
struct attempt {
    struct call *call;
    bool is_asked;
    bool is_open; /* its end has not come */
    bool is_hedge;
};

/* A call and its bytes, until each server that was asked has answered: there is no calling back a request, so that the
 * one that was slow ends after the call's own end. */
struct call {
    struct peer_set *set;
    struct call *next;                     /* of those that failed */
    struct attempt attempts[PEER_SET_MAX]; /* by server */
    size_t asked;
    size_t open; /* attempts, and whoever must not lose the call just now */
    bool has_ended;
    enum err err; /* of the last attempt that failed */
    struct peer_call_options options;
    struct loop_timer hedge;
    wire_response_cb on_response;
    void *data;
    uint16_t type;
    size_t header_bytes;
    size_t payload_bytes;
    uint8_t bytes[]; /* header, payload */
};

/* ---- the end of a call ---- */

static void release(struct call *call)
{
    if (--call->open == 0)
        memory_free(call);
}

static void end_call(struct call *call, enum err err, const struct frame *response)
{
    struct peer_set *set = call->set;
    call->has_ended = true;
    call->open++;
    loop_timer_stop(set->loop, &call->hedge);
    if (err != ERR_OK && err != ERR_CLOSED)
        metric_increment(&set->options.dependency->failed);
    call->on_response(err, response, call->data);
    release(call);
}

static void on_fail(struct loop_task *task)
{
    struct peer_set *set = task->data;
    while (set->failed != NULL) {
        struct call *call = set->failed;
        set->failed = call->next;
        end_call(call, call->err, NULL);
        release(call);
    }
}

static void fail_soon(struct call *call)
{
    struct peer_set *set = call->set;
    call->open++;
    call->next = set->failed;
    set->failed = call;
    loop_defer(set->loop, &set->fail);
}

/* ---- servers ---- */

static void show_breakers(const struct peer_set *set)
{
    size_t open = 0;
    for (size_t i = 0; i < set->count; i++)
        open += breaker_is_open(&set->peers[i].breaker);
    metric_set(&set->options.dependency->breakers_open, open);
}

static void suspect(struct peer_set *set, struct peer *peer, uint64_t now_us)
{
    if (now_us >= peer->suspect_until_us)
        metric_increment(&set->options.dependency->suspected);
    peer->suspect_until_us = now_us + SUSPECT_US;
}

static void note_failure(struct peer_set *set, struct peer *peer)
{
    uint64_t now_us = loop_now_us(set->loop);
    suspect(set, peer, now_us);
    if (!breaker_failed(&peer->breaker, now_us))
        return;
    metric_increment(&set->options.dependency->breaker_opened);
    show_breakers(set);
    log_warn("breaker_opened", "dependency=%s server=%zu", set->options.name,
             (size_t)(peer - set->peers) + 1);
}

static void note_success(struct peer_set *set, struct peer *peer)
{
    bool was_open = breaker_is_open(&peer->breaker);
    breaker_succeeded(&peer->breaker);
    if (!was_open)
        return;
    show_breakers(set);
    log_info("breaker_closed", "dependency=%s server=%zu", set->options.name,
             (size_t)(peer - set->peers) + 1);
}

static bool is_surely_not_done(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_NOT_LEADER || err == ERR_BUSY;
}

static bool is_unknown(enum err err)
{
    return err == ERR_TIMEOUT || err == ERR_UNKNOWN_OUTCOME;
}

/* No connection, a refusal because others know more, a standby: no matter for the breaker, as finding out costs nothing. */
static void note(struct peer_set *set, struct peer *peer, enum err err)
{
    if (err == ERR_CLOSED)
        return;
    if (err == ERR_UNAVAILABLE || err == ERR_NOT_LEADER)
        suspect(set, peer, loop_now_us(set->loop));
    else if (err == ERR_BUSY || is_unknown(err))
        note_failure(set, peer);
    else
        note_success(set, peer);
}

/* In which order servers are asked. One that is connecting holds a call until it has. */
enum rank { RANK_WELL, RANK_SUSPECT, RANK_UNCONNECTED, RANK_NEVER };

static enum rank rank(const struct peer *peer, uint64_t now_us)
{
    if (!breaker_allows(&peer->breaker, now_us))
        return RANK_NEVER;
    if (!wire_client_is_ready(peer->client))
        return RANK_UNCONNECTED;
    return now_us < peer->suspect_until_us ? RANK_SUSPECT : RANK_WELL;
}

/* Whom to ask next, of a rank up to `rank_max`; PEER_SET_MAX: nobody. */
static size_t choose(const struct call *call, enum rank rank_max, uint64_t now_us)
{
    const struct peer_set *set = call->set;
    size_t best = PEER_SET_MAX;
    unsigned worst = (unsigned)rank_max + 1;
    for (size_t i = 0; i < set->count; i++) {
        size_t at = (set->home + call->options.turn + i) % set->count;
        unsigned its = rank(&set->peers[at], now_us);
        if (call->attempts[at].is_asked || its >= worst)
            continue;
        best = at;
        worst = its;
    }
    return best;
}

/* ---- asking ---- */

static void on_response(enum err err, const struct frame *response, void *data);

static enum err send_to(struct call *call, size_t at, bool is_hedge, uint64_t now_us)
{
    struct slice header = slice_make(call->bytes, call->header_bytes);
    struct slice payload = slice_make(call->bytes + call->header_bytes, call->payload_bytes);
    const struct wire_message message = {
        .type = call->type, .header_bytes = header, .payload = &payload, .payload_count = 1};
    uint64_t deadline_us = call->options.deadline_us;
    if (call->options.attempt_us > 0 && now_us + call->options.attempt_us < deadline_us)
        deadline_us = now_us + call->options.attempt_us;
    struct attempt *attempt = &call->attempts[at];
    attempt->is_asked = true;
    TRY(wire_client_call(call->set->peers[at].client, &message, deadline_us, on_response, attempt));
    breaker_ask(&call->set->peers[at].breaker, now_us);
    metric_increment(&call->set->options.dependency->attempts);
    attempt->is_open = true;
    attempt->is_hedge = is_hedge;
    call->open++;
    call->asked++;
    return ERR_OK;
}

/* True when another server has been asked. Those that are not connected are passed over without cost. */
static bool ask_next(struct call *call, enum rank rank_max, bool is_hedge)
{
    struct peer_set *set = call->set;
    uint64_t now_us = loop_now_us(set->loop);
    size_t at;
    if (set->closing > 0 || now_us >= call->options.deadline_us)
        return false;
    while ((at = choose(call, rank_max, now_us)) != PEER_SET_MAX) {
        bool is_again = call->asked > 0;
        if (is_again && !retry_budget_take(&set->budget, now_us)) {
            metric_increment(&set->options.dependency->retries_refused);
            return false;
        }
        enum err err = send_to(call, at, is_hedge, now_us);
        if (err == ERR_OK)
            return true;
        call->err = err;
        if (is_again)
            retry_budget_give_back(&set->budget);
    }
    return false;
}

static bool has_open_attempt(const struct call *call)
{
    for (size_t i = 0; i < call->set->count; i++)
        if (call->attempts[i].is_open)
            return true;
    return false;
}

static void on_failure(struct call *call, enum err err)
{
    bool may_go_elsewhere = is_surely_not_done(err) || (call->options.is_repeatable && is_unknown(err));
    call->err = err;
    if (may_go_elsewhere && ask_next(call, RANK_UNCONNECTED, false)) {
        metric_increment(&call->set->options.dependency->retries);
        return;
    }
    if (!may_go_elsewhere || !has_open_attempt(call))
        end_call(call, err, NULL);
}

static void on_answer(struct call *call, const struct attempt *attempt, const struct frame *response)
{
    struct peer_set *set = call->set;
    uint64_t now_us = loop_now_us(set->loop);
    size_t at = (size_t)(attempt - call->attempts);
    if (set->options.is_sticky)
        set->home = at;
    set->peers[at].suspect_until_us = 0;
    for (size_t i = 0; attempt->is_hedge && i < set->count; i++)
        if (call->attempts[i].is_open)
            suspect(set, &set->peers[i], now_us);
    metric_add(&set->options.dependency->hedges_won, attempt->is_hedge);
    end_call(call, ERR_OK, response);
}

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct attempt *attempt = data;
    struct call *call = attempt->call;
    struct peer_set *set = call->set;
    attempt->is_open = false;
    note(set, &set->peers[attempt - call->attempts], err);
    if (call->has_ended) {
        release(call);
        return;
    }
    if (err == ERR_OK)
        on_answer(call, attempt, response);
    else
        on_failure(call, err);
    release(call);
}

/* Slow, so far: whoever answers first will do. */
static void on_hedge(struct loop_timer *timer)
{
    struct call *call = timer->data;
    if (ask_next(call, RANK_SUSPECT, true))
        metric_increment(&call->set->options.dependency->hedges);
}

static size_t payload_length(const struct wire_message *message)
{
    size_t bytes = 0;
    for (size_t i = 0; i < message->payload_count; i++)
        bytes += message->payload[i].length;
    return bytes;
}

static void copy_message(struct call *call, const struct wire_message *message)
{
    uint8_t *to = call->bytes;
    if (message->header != NULL)
        (void)protobuf_c_message_pack(message->header, to); /* as long as its packed size */
    else if (call->header_bytes > 0)
        memcpy(to, message->header_bytes.data, call->header_bytes);
    to += call->header_bytes;
    for (size_t i = 0; i < message->payload_count; i++) {
        if (message->payload[i].length > 0)
            memcpy(to, message->payload[i].data, message->payload[i].length);
        to += message->payload[i].length;
    }
}

static struct call *call_create(struct peer_set *set, const struct wire_message *message)
{
    size_t header_bytes = message->header != NULL ? protobuf_c_message_get_packed_size(message->header)
                                                  : message->header_bytes.length;
    size_t payload_bytes = payload_length(message);
    struct call *call = memory_zalloc(sizeof *call + header_bytes + payload_bytes);
    if (call == NULL)
        return NULL;
    call->set = set;
    call->type = message->type;
    call->header_bytes = header_bytes;
    call->payload_bytes = payload_bytes;
    call->err = ERR_UNAVAILABLE;
    call->hedge = (struct loop_timer){.fire = on_hedge, .data = call};
    for (size_t i = 0; i < PEER_SET_MAX; i++)
        call->attempts[i].call = call;
    copy_message(call, message);
    return call;
}

enum err peer_set_call(struct peer_set *set, const struct wire_message *message,
                       const struct peer_call_options *options, wire_response_cb on_done, void *data)
{
    ASSERT(options->hedge_us == 0 || options->is_repeatable);
    struct call *call = call_create(set, message);
    if (call == NULL)
        return ERR_NO_MEMORY;
    call->options = *options;
    call->on_response = on_done;
    call->data = data;
    metric_increment(&set->options.dependency->calls);
    retry_budget_earn(&set->budget);
    if (!ask_next(call, RANK_UNCONNECTED, false)) {
        call->err = set->closing > 0 ? ERR_CLOSED : call->err;
        fail_soon(call);
    } else if (options->hedge_us > 0 && set->count > 1) {
        loop_timer_start(set->loop, &call->hedge, loop_now_us(set->loop) + options->hedge_us);
    }
    return ERR_OK;
}

/* ---- life ---- */

static void on_client_state(struct wire_client *client, const struct wire_identity *peer, void *data)
{
    struct peer_set *set = data;
    size_t connected = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct peer *p = &set->peers[i];
        connected += wire_client_is_ready(p->client);
        if (p->client != client || peer == NULL)
            continue;
        note_success(set, p); /* it has just said hello */
        p->suspect_until_us = 0;
    }
    metric_set(&set->options.dependency->servers_connected, connected);
    if (set->options.on_state != NULL && set->closing == 0)
        set->options.on_state(set, set->options.data);
}

static enum err open_clients(struct peer_set *set, const char *addresses, struct error *error)
{
    struct address address;
    enum err err;
    while ((err = address_next(&addresses, &address)) == ERR_OK) {
        if (set->count == PEER_SET_MAX)
            return error_set(error, ERR_CONFIG, "%s: at most %d addresses", set->options.name, PEER_SET_MAX);
        const struct wire_client_options options = {
            .name = set->options.name,
            .host = address.host,
            .port = address.port,
            .identity = set->options.identity,
            .metrics = set->options.metrics,
            .on_state = on_client_state,
            .data = set,
        };
        struct peer *peer = &set->peers[set->count];
        TRY(wire_client_open(set->loop, &options, &peer->client, error));
        breaker_init(&peer->breaker, set->options.breaker);
        set->count++;
    }
    if (err != ERR_NOT_FOUND || set->count == 0)
        return error_set(error, ERR_CONFIG, "%s: not a list of addresses", set->options.name);
    return ERR_OK;
}

enum err peer_set_open(struct loop *loop, const struct peer_set_options *options, struct peer_set **ret_set,
                       struct error *error)
{
    struct peer_set *set = memory_zalloc(sizeof *set);
    if (set == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    set->loop = loop;
    set->options = *options;
    set->fail = (struct loop_task){.run = on_fail, .data = set};
    retry_budget_init(&set->budget, &retry_budget_usual, loop_now_us(loop));
    enum err err = open_clients(set, options->addresses, error);
    if (err != ERR_OK) {
        peer_set_close(set, NULL, NULL);
        return err;
    }
    struct random random;
    uint64_t seed;
    random_secret(&seed, sizeof seed); /* processes started together must not draw the same */
    random_init(&random, seed);
    set->home = options->is_sticky ? 0 : random_below(&random, set->count);
    *ret_set = set;
    return ERR_OK;
}

static void on_client_closed(void *data)
{
    struct peer_set *set = data;
    if (--set->closing > 0)
        return;
    loop_undefer(set->loop, &set->fail);
    on_fail(&set->fail);
    void (*on_close)(void *) = set->on_close;
    void *on_close_data = set->on_close_data;
    memory_free(set);
    if (on_close != NULL)
        on_close(on_close_data);
}

static void on_empty_closed(struct loop_task *task)
{
    on_client_closed(task->data);
}

void peer_set_close(struct peer_set *set, void (*on_close)(void *data), void *data)
{
    set->on_close = on_close;
    set->on_close_data = data;
    set->closing = set->count;
    if (set->count == 0) {
        set->closing = 1;
        set->fail = (struct loop_task){.run = on_empty_closed, .data = set};
        loop_defer(set->loop, &set->fail);
        return;
    }
    for (size_t i = 0, count = set->count; i < count; i++)
        wire_client_close(set->peers[i].client, on_client_closed, set);
}

bool peer_set_is_ready(const struct peer_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (wire_client_is_ready(set->peers[i].client))
            return true;
    }
    return false;
}
