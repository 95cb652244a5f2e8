/* Writes whose condition or update is too much work for the loop: a hundred searches in a text of 400 KB.
 *
 *     evaluate -> ELSEWHERE -> copies of request and row -> background: write_compute -> evaluate, with the outcome
 *                   ^                                                                      |
 *                   +------------ the row has changed meanwhile, ROUNDS_MAX times ---------+
 *
 * Other writes of the row do not wait for this one. Against one that never gets its row unchanged it is sent back: who
 * asked tries again, with pauses, until its time is up. */
#include "base/clock.h"
#include "dataplane/node/request_write.h"

enum { ROUNDS_MAX = 5, UNDER_WAY_MAX = 64, COMPUTE_BLOCK = 64 * 1024, COMPUTE_MEMORY_MAX = 16 * 1024 * 1024 };

struct computing {
    struct background_job job;
    struct replica *replica;
    struct incoming in; /* its slices are in `bytes` */
    struct arena arena;
    struct write_request request;
    bool has_old;
    struct slice old_item; /* in `bytes` */
    struct write_outcome outcome;
    enum err err;
    uint8_t bytes[];
};

static void destroy(struct computing *c)
{
    arena_deinit(&c->arena);
    memory_free(c);
}

static struct slice put(uint8_t **to, struct slice bytes)
{
    struct slice copy = slice_make(*to, bytes.length);
    if (bytes.length > 0)
        memcpy(*to, bytes.data, bytes.length);
    *to += bytes.length;
    return copy;
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
    if (request_decode_write(&c->in, &c->arena, &c->request) != NULL)
        return c;
    destroy(c); /* it has decoded before: only memory can be missing */
    return NULL;
}

static void in_background(struct background_job *job)
{
    struct computing *c = job->data;
    c->err = write_compute(&c->request, c->has_old, c->old_item, &c->arena, &c->outcome);
}

static void after_background(struct background_job *job)
{
    struct computing *c = job->data;
    struct shard *s = c->replica->shard;
    c->replica->pool_reads_in_flight--;
    s->computations--;
    if (!s->is_closing) { /* else whom to answer is gone */
        c->in.outcome = &c->outcome;
        if (c->err == ERR_OK)
            request_handle_write(s, &c->in);
        else
            request_send_back(s, c->in.call,
                              c->err == ERR_NO_MEMORY ? SLUICE__DATAPLANE__STATUS__OVERLOADED
                                                      : SLUICE__DATAPLANE__STATUS__INTERNAL,
                              NULL);
    }
    destroy(c);
}

void request_compute(struct replica *r, const struct incoming *in, const struct write_answer *decided)
{
    struct shard *s = r->shard;
    bool has_room = in->outcome_rounds < ROUNDS_MAX && s->computations < UNDER_WAY_MAX;
    struct computing *c = has_room ? create(r, in, decided) : NULL;
    if (c == NULL) {
        request_send_back(s, in->call, SLUICE__DATAPLANE__STATUS__OVERLOADED, NULL);
        return;
    }
    metric_increment(&s->metrics.writes_computed_in_background);
    s->computations++;
    r->pool_reads_in_flight++;
    c->job = (struct background_job){.work = in_background, .done = after_background, .data = c};
    background_run(&s->background, &c->job);
}
