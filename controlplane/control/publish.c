/* Keeps one MemDS up to date: asks for its version when connected, then pushes what is newer, one call at a time.
 * Everything that was missed - by an outage on either side - is in the next delta. */
#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/bundle/update.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"
#include "controlplane/proto/frame_type.h"

enum {
    CALL_TIMEOUT_US = 5000000,
    RETRY_US = 200000,
    GROUPS_MAX = 100000,
    SCRATCH_BLOCK_BYTES = 1024,
    SCRATCH_BYTES_MAX = 65536
};

struct publisher {
    struct control *control;
    struct wire_client *client;
    struct address address;
    uint64_t version; /* the MemDS has everything up to here */
    bool is_version_known;
    bool is_calling;
    struct loop_task pump;
    struct loop_timer retry;
    struct buffer
        removed; /* group ids, 8 bytes each: the MemDS keeps routes in memory only, so these may be lost */
};

static void call(struct publisher *p, uint16_t type, const struct wire_message *message,
                 wire_response_cb on_response)
{
    uint64_t deadline_us = loop_now_us(p->control->loop) + CALL_TIMEOUT_US;
    struct wire_message typed = *message;
    typed.type = type;
    p->is_calling = wire_client_call(p->client, &typed, deadline_us, on_response, p) == ERR_OK;
    if (!p->is_calling)
        loop_timer_start(p->control->loop, &p->retry, loop_now_us(p->control->loop) + RETRY_US);
}

static bool is_failed(struct publisher *p, enum err err)
{
    p->is_calling = false;
    if (err == ERR_OK) {
        loop_defer(p->control->loop, &p->pump);
        return false;
    }
    p->is_version_known = false;
    if (err != ERR_CLOSED)
        loop_timer_start(p->control->loop, &p->retry, loop_now_us(p->control->loop) + RETRY_US);
    return true;
}

static void on_pushed(enum err err, const struct frame *response, void *data)
{
    struct publisher *p = data;
    if (is_failed(p, err))
        return;
    struct arena arena;
    arena_init(&arena, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
    const Sluice__Controlplane__BundleUpdateReply *reply =
        proto_unpack(&sluice__controlplane__bundle_update_reply__descriptor, response->header, &arena);
    p->is_version_known = reply != NULL;
    p->version = reply == NULL ? 0 : reply->version;
    arena_deinit(&arena);
    if (p->version > bundle_store_version(p->control->bundle))
        log_error("memds_is_newer", "memds_version=%llu version=%llu", (unsigned long long)p->version,
                  (unsigned long long)bundle_store_version(p->control->bundle));
}

static void on_removed(enum err err, const struct frame *response, void *data)
{
    (void)is_failed(data, err); /* on failure they are lost: see struct publisher */
}

/* An update without objects, that claims our version: taken or refused, the answer has the MemDS's own. */
static void ask_version(struct publisher *p)
{
    Sluice__Controlplane__BundleUpdate update;
    sluice__controlplane__bundle_update__init(&update);
    update.base_version = bundle_store_version(p->control->bundle);
    update.version = update.base_version;
    update.newest_version = update.base_version;
    call(p, CONTROLPLANE_FRAME_PUSH_BUNDLE, &(struct wire_message){.header = &update.base}, on_pushed);
}

static void push(struct publisher *p)
{
    struct buffer packed;
    buffer_init(&packed, FRAME_BODY_BYTES_MAX);
    bundle_update_append(&packed, p->control->bundle, p->version, BUNDLE_UPDATE_BYTES_MAX);
    if (!buffer_has_failed(&packed))
        call(p, CONTROLPLANE_FRAME_PUSH_BUNDLE, &(struct wire_message){.header_bytes = buffer_view(&packed)},
             on_pushed);
    buffer_deinit(&packed);
}

static void remove_groups(struct publisher *p)
{
    size_t count = p->removed.length / sizeof(uint64_t);
    Sluice__Controlplane__GroupRoute *routes = memory_alloc(count * sizeof *routes);
    Sluice__Controlplane__GroupRoute **pointers = memory_alloc(count * sizeof *pointers);
    struct reader reader;
    reader_init(&reader, buffer_view(&p->removed));
    for (size_t i = 0; i < count && routes != NULL && pointers != NULL; i++) {
        sluice__controlplane__group_route__init(&routes[i]);
        routes[i].group_id = reader_u64(&reader);
        routes[i].is_removed = true;
        pointers[i] = &routes[i];
    }
    if (routes != NULL && pointers != NULL) {
        Sluice__Controlplane__PublishRoutes publish;
        sluice__controlplane__publish_routes__init(&publish);
        publish.n_routes = count;
        publish.routes = pointers;
        call(p, CONTROLPLANE_FRAME_PUBLISH_ROUTES, &(struct wire_message){.header = &publish.base},
             on_removed);
    }
    buffer_clear(&p->removed);
    memory_free(routes);
    memory_free(pointers);
}

static void on_pump(struct loop_task *task)
{
    struct publisher *p = task->data;
    if (p->is_calling || !wire_client_is_ready(p->client) || p->control->state != CONTROL_ACTIVE)
        return;
    if (!p->is_version_known)
        ask_version(p);
    else if (p->version < bundle_store_version(p->control->bundle))
        push(p);
    else if (p->removed.length > 0)
        remove_groups(p);
}

static void on_retry(struct loop_timer *timer)
{
    struct publisher *p = timer->data;
    loop_defer(p->control->loop, &p->pump);
}

static void on_state(struct wire_client *client, const struct wire_identity *peer, void *data)
{
    struct publisher *p = data;
    p->is_version_known = false;
    loop_defer(p->control->loop, &p->pump);
}

void publisher_wake(struct publisher *p)
{
    loop_defer(p->control->loop, &p->pump);
}

void publisher_remove_groups(struct publisher *p, const struct table *table)
{
    for (size_t i = 0; i < table->partition_count; i++)
        buffer_append_u64(&p->removed, table->partitions[i]->group_id);
    if (buffer_has_failed(&p->removed))
        buffer_clear(&p->removed);
    publisher_wake(p);
}

enum err publisher_ask(struct publisher *p, const struct wire_message *message, wire_response_cb on_response,
                       void *data)
{
    uint64_t deadline_us = loop_now_us(p->control->loop) + CALL_TIMEOUT_US;
    return wire_client_call(p->client, message, deadline_us, on_response, data);
}

struct publisher_state publisher_look(const struct publisher *p)
{
    return (struct publisher_state){.address = p->address,
                                    .is_connected = wire_client_is_ready(p->client),
                                    .version = p->is_version_known ? p->version : 0};
}

enum err publisher_open(struct control *control, const struct address *address,
                        struct publisher **ret_publisher, struct error *error)
{
    struct publisher *p = memory_zalloc(sizeof *p);
    if (p == NULL)
        return error_set(error, ERR_NO_MEMORY, "no memory");
    p->control = control;
    p->address = *address;
    p->pump = (struct loop_task){.run = on_pump, .data = p};
    p->retry = (struct loop_timer){.fire = on_retry, .data = p};
    buffer_init(&p->removed, GROUPS_MAX * sizeof(uint64_t));
    const struct wire_client_options options = {
        .name = "memds",
        .host = p->address.host,
        .port = p->address.port,
        .identity = {.cluster_id = control->options.cluster_id, .role = WIRE_ROLE_CONTROL},
        .metrics = control->options.wire_metrics,
        .on_state = on_state,
        .data = p,
    };
    enum err err = wire_client_open(control->loop, &options, &p->client, error);
    if (err != ERR_OK)
        memory_free(p);
    else
        *ret_publisher = p;
    return err;
}

static void on_closed(void *data)
{
    struct publisher *p = data;
    loop_undefer(p->control->loop, &p->pump);
    buffer_deinit(&p->removed);
    memory_free(p);
}

void publisher_close(struct publisher *p)
{
    loop_timer_stop(p->control->loop, &p->retry);
    wire_client_close(p->client, on_closed, p);
}
