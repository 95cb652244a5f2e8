/* What a node answers to clients: the decisions are the partition core's, the gates the replication core's. */
#include <string.h>

#include "dataplane/expression/program_builder.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/item_builder.h"
#include "dataplane/item/number.h"
#include "dataplane/item/size.h"
#include "tests/sim/sim.h"

static const struct slice NAME_KEY = {(const uint8_t *)"k", 1};
static const struct slice NAME_VALUE = {(const uint8_t *)"v", 1};

/* ---- Items ---- */

uint32_t key_bytes(uint32_t table, uint32_t key, uint8_t to[16])
{
    return (uint32_t)snprintf((char *)to, 16, "g%u-k%u", table, key);
}

int key_number(struct slice key)
{
    return key.length == 0 ? -1 : key.data[key.length - 1] - '0';
}

static int64_t item_value(struct slice item)
{
    struct value_view value;
    int64_t number;
    if (!item_find(item, NAME_VALUE, &value) || value.tag != VALUE_N || !number_to_int64(value.body, &number))
        return NO_VALUE;
    return number;
}

int64_t row_value(struct slice envelope)
{
    struct envelope e;
    if (envelope.length == 0 || envelope_decode(envelope, &e) != ERR_OK)
        return NO_VALUE;
    return item_value(e.body);
}

uint64_t row_bytes(struct slice envelope)
{
    struct envelope e;
    enum err err = envelope_decode(envelope, &e);
    ASSERT(err == ERR_OK);
    return item_size_bytes(e.body);
}

static struct slice build_item(struct world *w, struct slice key, const int64_t *value)
{
    struct item_builder b;
    item_builder_init(&b, 4096);
    item_builder_begin(&b, VALUE_M);
    item_builder_name(&b, NAME_KEY);
    item_builder_scalar(&b, VALUE_S, key);
    if (value != NULL) {
        struct number number = number_from_int64(*value);
        item_builder_name(&b, NAME_VALUE);
        item_builder_number(&b, &number);
    }
    item_builder_end(&b);
    ASSERT(!item_builder_has_failed(&b));
    struct slice item = arena_copy(&w->arena, item_builder_view(&b));
    item_builder_deinit(&b);
    return item;
}

static uint16_t add_value(struct program_builder *b, int64_t value)
{
    struct number number = number_from_int64(value);
    struct buffer bytes;
    buffer_init(&bytes, 64);
    value_append((struct value_view){.tag = VALUE_N, .body = number_view(&number)}, &bytes);
    uint16_t at = program_builder_value(b, buffer_view(&bytes));
    buffer_deinit(&bytes);
    return at;
}

static uint16_t add_path(struct program_builder *b)
{
    program_builder_path_name(b, program_builder_name(b, NAME_VALUE));
    return program_builder_path_end(b);
}

static struct slice finish(struct world *w, struct program_builder *b)
{
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    enum err err = program_builder_finish(b, &bytes);
    ASSERT(err == ERR_OK);
    struct slice program = arena_copy(&w->arena, buffer_view(&bytes));
    buffer_deinit(&bytes);
    program_builder_deinit(b);
    return program;
}

/* v = :expected, or attribute_not_exists(v). */
static struct slice build_condition(struct world *w, int64_t expected)
{
    struct program_builder b;
    program_builder_init(&b, PROGRAM_CONDITION);
    uint16_t path = add_path(&b);
    if (expected == NO_VALUE) {
        buffer_append_u8(&b.code, CONDITION_NOT_EXISTS);
        buffer_append_u16(&b.code, path);
    } else {
        uint16_t value = add_value(&b, expected);
        buffer_append_u8(&b.code, CONDITION_EQUAL);
        program_builder_operand(&b, OPERAND_PATH, path);
        program_builder_operand(&b, OPERAND_VALUE, value);
    }
    return finish(w, &b);
}

/* ADD v :value */
static struct slice build_add(struct world *w, int64_t value)
{
    struct program_builder b;
    program_builder_init(&b, PROGRAM_UPDATE);
    uint16_t path = add_path(&b);
    uint16_t number = add_value(&b, value);
    buffer_append_u8(&b.code, UPDATE_ADD);
    buffer_append_u16(&b.code, path);
    buffer_append_u16(&b.code, number);
    return finish(w, &b);
}

static struct write_request build_request(struct world *w, const struct sim_request *q)
{
    struct write_request request = {.kind = WRITE_PUT};
    uint8_t key[16];
    uint32_t key_length = key_bytes(q->table, q->key, key);
    memcpy(request.request_id, &q->client, 4);
    memcpy(request.request_id + 4, &q->serial, 8);
    request.key = arena_copy(&w->arena, slice_make(key, key_length));
    switch (q->op) {
    case OP_PUT:
        request.item = build_item(w, request.key, &q->value);
        break;
    case OP_PUT_IF:
        request.item = build_item(w, request.key, &q->value);
        request.condition = build_condition(w, q->expected);
        break;
    case OP_ADD:
        request.kind = WRITE_UPDATE;
        request.return_values = RETURN_UPDATED_NEW;
        request.item = build_item(w, request.key, NULL);
        request.update = build_add(w, q->value);
        break;
    case OP_DELETE:
        request.kind = WRITE_DELETE;
        break;
    case OP_READ:
        UNREACHABLE("a read is no write");
    }
    return request;
}

/* ---- Answers ---- */

static uint32_t leader_node(const struct sim_replica *r)
{
    uint64_t leader = group_status(r->group).leader_replica;
    const struct member *member = membership_find(group_membership(r->group), leader);
    return member == NULL ? 0 : member->node_id;
}

static void refuse(struct world *w, struct sim_node *n, const struct sim_request *q, uint32_t hint)
{
    const struct sim_answer answer = {.request = *q, .status = ANSWER_NOT_LEADER, .hint_node = hint};
    network_send_answer(w, &answer, n->id);
}

static void serve_read(struct world *w, struct sim_node *n, struct sim_replica *r,
                       const struct sim_request *q)
{
    uint64_t now_us = clock_boot(w, n);
    if (!group_can_serve_strong(r->group, n->support, now_us)) {
        refuse(w, n, q, leader_node(r));
        return;
    }
    const struct sim_answer answer = {
        .request = *q, .status = ANSWER_OK, .value = row_value(buffer_view(&r->items->rows[q->key]))};
    network_send_answer(w, &answer, n->id);
}

static void wait_for(struct world *w, struct sim_node *n, struct sim_replica *r,
                     const struct sim_waiter *waiter)
{
    if (r->waiter_count == WAITERS_MAX) {
        struct sim_answer lost = waiter->answer;
        lost.status = ANSWER_UNKNOWN;
        network_send_answer(w, &lost, n->id);
        return;
    }
    r->waiters[r->waiter_count++] = *waiter;
}

static void propose(struct world *w, struct sim_node *n, struct sim_replica *r, struct sim_waiter *waiter,
                    struct slice body)
{
    struct group_update update;
    uint32_t index_before = r->waiter_count;
    (void)index_before;
    replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_PROPOSE, .body = body}, &update);
    if (update.err != ERR_OK) {
        waiter->answer.status = update.err == ERR_NOT_LEADER ? ANSWER_NOT_LEADER : ANSWER_NOT_APPLIED;
        network_send_answer(w, &waiter->answer, n->id);
        return;
    }
    const struct sim_entry *e = replica_entry(r, update.index);
    ASSERT(e != NULL);
    enum err err = partition_proposed(r->partition, update.index, slice_make(e->body + 1, e->bytes - 1));
    ASSERT(err == ERR_OK);
    waiter->index = update.index;
    waiter->is_proposed = true;
    wait_for(w, n, r, waiter);
}

/* ---- Outcomes that another thread computes ---- */

/* Which writes are too much work for the loop; not drawn from the world's random numbers, as it is asked again for one that
 * comes back. */
static bool is_heavy(const struct world *w, const struct sim_request *q)
{
    uint64_t mark[2] = {q->client, q->serial};
    return hash_bytes(w->seed, mark, sizeof mark) % 4 == 0;
}

static void outcome_encode(const struct write_outcome *o, struct buffer *to)
{
    ASSERT(o->error_text == NULL); /* our items and updates fit each other */
    buffer_append_u64(to, o->version.term_boot_us);
    buffer_append_u64(to, o->version.write_time_us);
    buffer_append_u8(to, o->is_met);
    buffer_append_u8(to, o->has_new);
    buffer_append_u64(to, o->old_bytes);
    buffer_append_u64(to, o->new_bytes);
    buffer_append(to, o->new_item);
}

static struct write_outcome outcome_decode(struct slice bytes)
{
    struct reader r;
    reader_init(&r, bytes);
    struct write_outcome o = {.version.term_boot_us = reader_u64(&r)};
    o.version.write_time_us = reader_u64(&r);
    o.is_met = reader_u8(&r) != 0;
    o.has_new = reader_u8(&r) != 0;
    o.old_bytes = (size_t)reader_u64(&r);
    o.new_bytes = (size_t)reader_u64(&r);
    o.new_item = reader_rest(&r);
    return o;
}

/* On the row as it is now; it comes back when the row may be another. */
static void compute(struct world *w, struct sim_node *n, const struct sim_request *q,
                    const struct write_request *request, const struct write_answer *decided)
{
    struct write_outcome outcome = {.version = decided->version};
    enum err err = write_compute(request, decided->has_attributes, decided->attributes, &w->arena, &outcome);
    ASSERT(err == ERR_OK);
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    outcome_encode(&outcome, &bytes);
    struct sim_event *event = world_schedule(w, w->now_us + world_uniform(w, 0, 40 * MS), SIM_COMPUTED);
    event->node = n->id;
    event->life = n->life;
    event->request = *q;
    event->data = buffer_detach(&bytes, &event->bytes);
    ASSERT(event->data != NULL);
}

/* outcome  NULL, or computed before */
static void serve_write(struct world *w, struct sim_node *n, struct sim_replica *r,
                        const struct sim_request *q, const struct write_outcome *outcome)
{
    uint64_t now_us = clock_boot(w, n);
    if (!group_can_propose(r->group)) {
        refuse(w, n, q, leader_node(r));
        return;
    }
    arena_reset(&w->arena);
    struct write_request request = build_request(w, q);
    request.work_bytes_max = is_heavy(w, q) ? 1 : 0;
    request.outcome = outcome;
    struct slice envelope = buffer_view(&r->items->rows[q->key]);
    const struct partition_row row = {.exists = envelope.length > 0, .envelope = envelope};
    const struct partition_times times = {.wall_us = clock_wall(w, n), .boot_us = now_us};
    struct buffer body;
    buffer_init(&body, 64 * 1024);
    buffer_append_u8(&body, ENTRY_WRITE);
    enum write_verdict verdict;
    struct write_answer decided;
    enum err err =
        partition_evaluate(r->partition, &request, &row, times, &w->arena, &body, &verdict, &decided);
    ASSERT(err == ERR_OK && !arena_has_failed(&w->arena));
    if (verdict == WRITE_VERDICT_ELSEWHERE) {
        compute(w, n, q, &request, &decided);
        buffer_deinit(&body);
        return;
    }
    struct sim_waiter waiter = {.index = decided.after_index, .answer = {.request = *q, .status = ANSWER_OK}};
    waiter.answer.value = decided.has_attributes ? item_value(decided.attributes) : NO_VALUE;
    if (decided.status != WRITE_STATUS_OK)
        waiter.answer.status = ANSWER_CONDITION_FAILED;
    waiter.is_repeat = verdict == WRITE_VERDICT_REPEAT && decided.after_index != 0;
    if (verdict == WRITE_VERDICT_PROPOSE)
        propose(w, n, r, &waiter, buffer_view(&body));
    else if (decided.after_index > r->meta.applied_index)
        wait_for(w, n, r, &waiter);
    else if (group_can_serve_strong(r->group, n->support, now_us))
        network_send_answer(w, &waiter.answer, n->id); /* rests on applied state alone: needs the lease */
    else
        refuse(w, n, q, 0);
    buffer_deinit(&body);
}

/* The newest range that this node knows for a key; false: no newer one than the client's. */
static bool find_route(const struct world *w, const struct sim_node *n, const struct sim_request *q,
                       uint32_t *ret_group)
{
    uint64_t epoch = q->epoch;
    for (uint32_t g = 0; g < w->group_count; g++) {
        const struct sim_replica *r = &n->replicas[g];
        const struct sim_group_truth *truth = &w->groups[g];
        bool is_told = truth->parent != 0 && replica_is_live(&n->replicas[truth->parent - 1]) &&
                       group_is_split(n->replicas[truth->parent - 1].group) && truth->is_born;
        if (truth->table != q->table || truth->epoch <= epoch || q->key < truth->first_key ||
            q->key >= truth->end_key || !(replica_is_live(r) || is_told))
            continue;
        epoch = truth->epoch;
        *ret_group = g;
    }
    return epoch > q->epoch;
}

static void refuse_range(struct world *w, struct sim_node *n, const struct sim_request *q)
{
    struct sim_answer answer = {.request = *q, .status = ANSWER_WRONG_RANGE};
    answer.has_route = find_route(w, n, q, &answer.route_group);
    if (answer.has_route && replica_is_live(&n->replicas[answer.route_group]))
        answer.hint_node = leader_node(&n->replicas[answer.route_group]);
    network_send_answer(w, &answer, n->id);
}

static bool is_in_range(const struct sim_replica *r, const struct sim_request *q)
{
    return !group_is_split(r->group) && q->key >= r->first_key && q->key < r->end_key;
}

/* Whatever was computed meanwhile goes through the same gates as a request that comes. */
static void serve(struct world *w, struct sim_node *n, const struct sim_request *q,
                  const struct write_outcome *outcome)
{
    struct sim_replica *r = &n->replicas[q->group];
    if (!replica_is_live(r) || !is_in_range(r, q) || q->epoch != w->groups[q->group].epoch)
        refuse_range(w, n, q);
    else if (q->op == OP_READ)
        serve_read(w, n, r, q);
    else
        serve_write(w, n, r, q, outcome);
}

void serve_request(struct world *w, struct sim_node *n, const struct sim_request *q)
{
    serve(w, n, q, NULL);
}

void serve_computed(struct world *w, struct sim_node *n, const struct sim_event *event)
{
    const struct write_outcome outcome = outcome_decode(slice_make(event->data, event->bytes));
    serve(w, n, &event->request, &outcome);
}

void serve_applied(struct world *w, struct sim_replica *r)
{
    struct sim_node *n = &w->nodes[r->node_no];
    uint32_t kept = 0;
    struct sim_waiter again[WAITERS_MAX];
    uint32_t again_count = 0;
    for (uint32_t i = 0; i < r->waiter_count; i++) {
        struct sim_waiter *waiter = &r->waiters[i];
        if (waiter->index > r->meta.applied_index) {
            r->waiters[kept++] = *waiter;
        } else if (waiter->is_repeat) {
            again[again_count++] = *waiter;
        } else {
            if (waiter->is_proposed)
                check_acknowledged(w, r, &waiter->answer.request, waiter->index);
            network_send_answer(w, &waiter->answer, n->id);
        }
    }
    r->waiter_count = kept;
    for (uint32_t i = 0; i < again_count; i++)
        serve_request(w, n, &again[i].answer.request);
}

void serve_term_lost(struct world *w, struct sim_replica *r)
{
    partition_drop_pending(r->partition);
    for (uint32_t i = 0; i < r->waiter_count; i++) {
        struct sim_answer answer = r->waiters[i].answer;
        answer.status =
            r->waiters[i].is_proposed || r->waiters[i].is_repeat ? ANSWER_UNKNOWN : ANSWER_NOT_APPLIED;
        network_send_answer(w, &answer, r->node_no);
    }
    r->waiter_count = 0;
}
