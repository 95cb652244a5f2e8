/* Writes whose condition or update is too much work for the loop: a hundred searches in a text of 400 KB.
 *
 *     evaluate -> ELSEWHERE -> copies of request and row -> line -> background: write_compute -> evaluate, with the outcome
 *                   ^                                                                              |
 *                   +---------------- the row has changed meanwhile, ROUNDS_MAX times -------------+
 *
 * Other writes of the row do not wait for this one. Against one that never gets its row unchanged it is sent back: who
 * asked tries again, with pauses, until its time is up.
 *
 * Whoever asked hears before its attempt ends that it takes longer, and that nothing was applied: silence would leave it in
 * doubt about that. What is still being computed then counts for nothing. */
#include "base/clock.h"
#include "dataplane/node/request_write.h"

enum {
    ROUNDS_MAX = 5,
    WAITING_MAX = 16,
    COMPUTE_BLOCK = 64 * 1024,
    COMPUTE_MEMORY_MAX = 16 * 1024 * 1024,
    /* Of an attempt's time, for the answer's way: an eighth, and what a busy loop may be late. */
    ANSWER_SHARE = 8,
    ANSWER_US = 10 * 1000,
};

struct computing {
    struct background_job job;
    struct computing *next; /* in line */
    struct replica *replica;
    struct loop_timer timer; /* the attempt is about to end */
    bool is_answered;        /* it has ended */
    struct incoming in;      /* its slices are in `bytes` */
    struct arena arena;
    struct write_request request;
    bool has_old;
    struct slice old_item; /* in `bytes` */
    struct write_outcome outcome;
    enum err err;
    uint8_t bytes[];
};

static void leave(struct computing *c)
{
    loop_timer_stop(c->replica->shard->loop, &c->timer);
    c->replica->pool_reads_in_flight--;
    arena_deinit(&c->arena);
    memory_free(c);
}

/* ---- copies ---- */

static struct slice put(uint8_t **to, struct slice bytes)
{
    struct slice copy = slice_make(*to, bytes.length);
    if (bytes.length > 0)
        memcpy(*to, bytes.data, bytes.length);
    *to += bytes.length;
    return copy;
}

/* In line or being computed. In line it is forgotten when its turn comes. */
static void on_attempt_ends(struct loop_timer *timer)
{
    struct computing *c = timer->data;
    struct shard *s = c->replica->shard;
    c->is_answered = true;
    if (!s->is_closing)
        request_send_back(s, c->in.call, SLUICE__DATAPLANE__STATUS__TIME_SHORT, NULL);
}

static void start_timer(struct computing *c, uint64_t deadline_us)
{
    uint64_t answer_us = deadline_us / ANSWER_SHARE + ANSWER_US;
    uint64_t left_us = deadline_us > answer_us ? deadline_us - answer_us : 0;
    c->timer = (struct loop_timer){.fire = on_attempt_ends, .data = c};
    if (deadline_us > 0)
        loop_timer_start(c->replica->shard->loop, &c->timer, c->in.arrived_us + left_us);
}

static struct computing *create(struct replica *r, const struct incoming *in,
                                const struct write_answer *decided)
{
    struct slice old_item = decided->has_attributes ? decided->attributes : SLICE_EMPTY;
    struct computing *c = memory_alloc(sizeof *c + in->header.length + in->payload.length + old_item.length);
    if (c == NULL)
        return NULL;
    uint8_t *to = c->bytes;
    *c = (struct computing){.replica = r, .in = *in, .has_old = decided->has_attributes};
    c->in.header = put(&to, in->header);
    c->in.payload = put(&to, in->payload);
    c->in.outcome = NULL;
    c->in.outcome_rounds++;
    c->old_item = put(&to, old_item);
    c->outcome.version = decided->version;
    arena_init(&c->arena, COMPUTE_BLOCK, COMPUTE_MEMORY_MAX);
    r->pool_reads_in_flight++;
    const Sluice__Dataplane__WriteRequest *header = request_decode_write(&c->in, &c->arena, &c->request);
    if (header != NULL) {
        start_timer(c, header->deadline_us);
        return c;
    }
    leave(c); /* it has decoded before: only memory can be missing */
    return NULL;
}

/* ---- in the background ---- */

static void in_background(struct background_job *job)
{
    struct computing *c = job->data;
    c->err = write_compute(&c->request, c->has_old, c->old_item, &c->arena, &c->outcome);
}

static void go_on(struct computing *c)
{
    struct shard *s = c->replica->shard;
    loop_timer_stop(s->loop, &c->timer);
    c->in.outcome = &c->outcome;
    if (c->err == ERR_OK)
        request_handle_write(s, &c->in);
    else
        request_send_back(s, c->in.call,
                          c->err == ERR_NO_MEMORY ? SLUICE__DATAPLANE__STATUS__OVERLOADED
                                                  : SLUICE__DATAPLANE__STATUS__INTERNAL,
                          NULL);
}

static void begin_in_background(struct shard *s);

static void after_background(struct background_job *job)
{
    struct computing *c = job->data;
    struct shard *s = c->replica->shard;
    s->computations.in_background--;
    if (!s->is_closing && !c->is_answered) /* else whom to answer is gone */
        go_on(c);
    leave(c);
    begin_in_background(s);
}

static void begin_in_background(struct shard *s)
{
    struct computation_line *line = &s->computations;
    while (line->in_background < COMPUTATIONS_IN_BACKGROUND && line->first != NULL) {
        struct computing *c = line->first;
        line->first = c->next;
        line->waiting--;
        if (s->is_closing || c->is_answered || !wire_call_is_open(c->in.call)) {
            leave(c); /* nobody waits for it */
            continue;
        }
        c->job = (struct background_job){.work = in_background, .done = after_background, .data = c};
        line->in_background++;
        background_run(&s->background, &c->job);
    }
}

static void get_in_line(struct computing *c)
{
    struct shard *s = c->replica->shard;
    struct computation_line *line = &s->computations;
    if (line->first == NULL)
        line->first = c;
    else
        line->last->next = c;
    line->last = c;
    line->waiting++;
    begin_in_background(s);
}

void request_compute(struct replica *r, const struct incoming *in, const struct write_answer *decided)
{
    struct shard *s = r->shard;
    bool has_room = in->outcome_rounds < ROUNDS_MAX && s->computations.waiting < WAITING_MAX;
    struct computing *c = has_room ? create(r, in, decided) : NULL;
    if (c == NULL) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    metric_increment(&s->metrics.writes_computed_in_background);
    get_in_line(c);
}
