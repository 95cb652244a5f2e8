#include "controlplane/client/peer_set.h"

#include "base/address.h"
#include "base/memory.h"

struct peer_set {
    struct loop *loop;
    struct peer_set_options options;
    struct wire_client *clients[PEER_SET_MAX];
    size_t count;
    size_t preferred; /* answered last */
    size_t closing;
    struct call *failed; /* calls that end soon, without anybody asked */
    struct loop_task fail;
    void (*on_close)(void *data);
    void *on_close_data;
};

/* A call and its bytes, until one of the servers has answered. */
struct call {
    struct peer_set *set;
    struct call *next;
    enum err err;
    size_t asked; /* how many */
    size_t at;    /* whom now */
    uint64_t deadline_us;
    wire_response_cb on_response;
    void *data;
    uint16_t type;
    size_t header_bytes;
    size_t payload_bytes;
    uint8_t bytes[]; /* header, payload */
};

/* ---- calls ---- */

static void end_call(struct call *call, enum err err, const struct frame *response)
{
    call->on_response(err, response, call->data);
    memory_free(call);
}

static void on_fail(struct loop_task *task)
{
    struct peer_set *set = task->data;
    while (set->failed != NULL) {
        struct call *call = set->failed;
        set->failed = call->next;
        end_call(call, call->err, NULL);
    }
}

static void fail_soon(struct call *call, enum err err)
{
    struct peer_set *set = call->set;
    call->err = err;
    call->next = set->failed;
    set->failed = call;
    loop_defer(set->loop, &set->fail);
}

static void ask_next(struct call *call, enum err last);

static bool is_surely_not_done(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_NOT_LEADER || err == ERR_BUSY;
}

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct call *call = data;
    if (err == ERR_OK)
        call->set->preferred = call->at;
    if (is_surely_not_done(err))
        ask_next(call, err);
    else
        end_call(call, err, response);
}

static void ask_next(struct call *call, enum err last)
{
    struct peer_set *set = call->set;
    struct slice header = slice_make(call->bytes, call->header_bytes);
    struct slice payload = slice_make(call->bytes + call->header_bytes, call->payload_bytes);
    const struct wire_message message = {
        .type = call->type, .header_bytes = header, .payload = &payload, .payload_count = 1};
    while (call->asked < set->count && set->closing == 0) {
        call->at = (set->preferred + call->asked++) % set->count;
        enum err err =
            wire_client_call(set->clients[call->at], &message, call->deadline_us, on_response, call);
        if (err == ERR_OK)
            return;
        last = err;
    }
    fail_soon(call, set->closing > 0 ? ERR_CLOSED : last);
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

enum err peer_set_call(struct peer_set *set, const struct wire_message *message, uint64_t deadline_us,
                       wire_response_cb on_done, void *data)
{
    size_t header_bytes = message->header != NULL ? protobuf_c_message_get_packed_size(message->header)
                                                  : message->header_bytes.length;
    size_t payload_bytes = payload_length(message);
    struct call *call = memory_alloc(sizeof *call + header_bytes + payload_bytes);
    if (call == NULL)
        return ERR_NO_MEMORY;
    *call = (struct call){.set = set,
                          .deadline_us = deadline_us,
                          .on_response = on_done,
                          .data = data,
                          .type = message->type,
                          .header_bytes = header_bytes,
                          .payload_bytes = payload_bytes};
    copy_message(call, message);
    ask_next(call, ERR_UNAVAILABLE);
    return ERR_OK;
}

/* ---- life ---- */

static void on_client_state(struct wire_client *client, const struct wire_identity *peer, void *data)
{
    struct peer_set *set = data;
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
        TRY(wire_client_open(set->loop, &options, &set->clients[set->count], error));
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
    enum err err = open_clients(set, options->addresses, error);
    if (err != ERR_OK)
        peer_set_close(set, NULL, NULL);
    else
        *ret_set = set;
    return err;
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
        wire_client_close(set->clients[i], on_client_closed, set);
}

bool peer_set_is_ready(const struct peer_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (wire_client_is_ready(set->clients[i]))
            return true;
    }
    return false;
}
