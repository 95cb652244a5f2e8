/* How a replica comes into being, so that no replica id ever acts twice (docs/decisions/0009).
 *
 *     goal, no creation yet --> range and a random creation id into the store, flushed --> first hard state into the log
 *         --> CREATED: reported --> control stores the creation id --> goal that names it --> ACTIVE
 *
 * Until then the replica says nothing to its peers. Control stores the first creation id that it hears of and names it for ever:
 * whoever has lost that creation, or made another one, does not act. Goals that come together share one flush. A crash
 * anywhere in between leaves nothing that the repeated goal would not complete. */
#include "base/clock.h"
#include "base/random.h"
#include "dataplane/node/node_internal.h"

struct creation {
    uv_work_t work;
    struct shard *shard;
    enum err err;
    size_t count;
    struct creating {
        uint64_t group_id;
        bool is_newcomer; /* to a group that exists: no members */
        uint32_t member_count;
        struct member members[MEMBERS_MAX];
    } groups[];
};

/* When it is durable, replica_created follows. */
static enum err begin_log(struct replica *r, const struct creating *c)
{
    struct shard *s = r->shard;
    struct group_update update;
    TRY(wal_group_create(&r->log, s->port, r->group_id, r->replica_id));
    if (c->is_newcomer)
        group_bootstrap_newcomer(r->group, &update);
    else
        TRY(group_bootstrap(r->group, c->members, c->member_count, &update));
    return replica_persist(r, &update.persist);
}

static void flush_in_pool(uv_work_t *work)
{
    struct creation *creation = work->data;
    creation->err = store_flush(creation->shard->store);
}

static void after_flush(uv_work_t *work, int status)
{
    struct creation *creation = work->data;
    struct shard *s = creation->shard;
    for (size_t i = 0; i < creation->count && !s->is_closing; i++) {
        struct replica *r = replica_find(s, creation->groups[i].group_id);
        if (r == NULL || r->state != REPLICA_CREATING)
            continue;
        enum err err = creation->err == ERR_OK ? begin_log(r, &creation->groups[i]) : creation->err;
        if (err != ERR_OK) {
            log_error("replica_not_created", "group=%llu error=%s", (unsigned long long)r->group_id,
                      err_name(err));
            node_fail(s->node, "replica creation", err);
        }
    }
    memory_free(creation);
}

static enum err write_range(struct replica *r)
{
    struct shard *s = r->shard;
    struct store_batch *batch = store_batch_create();
    if (batch == NULL)
        return ERR_NO_MEMORY;
    buffer_clear(&s->scratch);
    replica_row_encode(r, &s->scratch);
    store_batch_put_meta(batch, r->group_id, slice_from_string(NODE_META_REPLICA), buffer_view(&s->scratch));
    store_batch_set_applied(batch, r->group_id, &(struct store_applied){.replica_id = r->replica_id});
    enum err err = buffer_has_failed(&s->scratch) ? ERR_NO_MEMORY : store_write(s->store, batch);
    store_batch_destroy(batch);
    return err;
}

static bool take_members(const Sluice__Controlplane__ReplicaGoal *goal, struct creating *to)
{
    to->group_id = goal->group_id;
    to->is_newcomer = goal->is_newcomer;
    to->member_count = (uint32_t)goal->n_first_members;
    if (goal->n_first_members > MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < to->member_count; i++) {
        const Sluice__Controlplane__MemberGoal *m = goal->first_members[i];
        to->members[i] = (struct member){
            .replica_id = m->replica_id,
            .node_id = m->node_id,
            .kind = m->kind == 1 ? MEMBER_LOG : MEMBER_STORAGE,
            .role = m->kind == 2 ? MEMBER_LEARNER : MEMBER_VOTER,
        };
    }
    for (uint32_t i = 1; i < to->member_count; i++) /* the core wants them in order of id */
        for (uint32_t j = i; j > 0 && to->members[j].replica_id < to->members[j - 1].replica_id; j--) {
            struct member m = to->members[j];
            to->members[j] = to->members[j - 1];
            to->members[j - 1] = m;
        }
    return true;
}

static enum member_kind own_kind(const struct creating *c, uint64_t replica_id)
{
    for (uint32_t i = 0; i < c->member_count; i++)
        if (c->members[i].replica_id == replica_id)
            return c->members[i].kind;
    return MEMBER_STORAGE;
}

/* What the core would refuse later, when the group is half made. */
static bool is_among(const struct creating *c, uint64_t replica_id)
{
    struct membership membership;
    if (c->is_newcomer)
        return replica_id != 0;
    return membership_init(&membership, c->members, c->member_count) == ERR_OK &&
           membership_find(&membership, replica_id) != NULL;
}

static uint64_t draw_creation_id(void)
{
    uint64_t id;
    random_secret(&id, sizeof id);
    return (id & INT64_MAX) | 1; /* not 0, and PostgreSQL's numbers are signed */
}

static enum err create(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    r->state = REPLICA_CREATING;
    r->creation_id = draw_creation_id();
    TRY(replica_set_range(r, proto_slice(goal->range_start), proto_slice(goal->range_end),
                          goal->range_epoch));
    return write_range(r);
}

/* It was here once, and is not any more. It has its range, so that a goal ABSENT drops whatever rows are left. */
static enum err lose(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal)
{
    r->state = REPLICA_CREATING;
    TRY(replica_set_range(r, proto_slice(goal->range_start), proto_slice(goal->range_end),
                          goal->range_epoch));
    replica_quarantine(r, "lost");
    return ERR_OK;
}

bool creation_add(struct creation *creation, const Sluice__Controlplane__ReplicaGoal *goal)
{
    struct shard *s = creation->shard;
    struct creating *c = &creation->groups[creation->count];
    if (!take_members(goal, c) || !is_among(c, goal->replica_id) ||
        wal_is_removed(s->node->wal, goal->group_id, goal->replica_id)) {
        log_warn("goal_refused", "group=%llu replica=%llu", (unsigned long long)goal->group_id,
                 (unsigned long long)goal->replica_id);
        return true; /* it would not get better by repeating */
    }
    struct replica *r = replica_create(s, goal->group_id, goal->replica_id, own_kind(c, goal->replica_id));
    if (r == NULL)
        return false;
    bool is_lost = goal->creation_id != 0;
    enum err err = is_lost ? lose(r, goal) : create(r, goal);
    if (err != ERR_OK) {
        replica_destroy(r);
        return false;
    }
    creation->count += !is_lost;
    return true;
}

struct creation *creation_begin(struct shard *s, size_t goal_count)
{
    struct creation *creation = memory_zalloc(sizeof *creation + goal_count * sizeof creation->groups[0]);
    if (creation == NULL)
        return NULL;
    creation->shard = s;
    creation->work.data = creation;
    return creation;
}

void creation_end(struct creation *creation)
{
    struct shard *s = creation->shard;
    if (creation->count == 0)
        memory_free(creation);
    else if (uv_queue_work(&s->loop->uv, &creation->work, flush_in_pool, after_flush) != 0)
        node_fail(s->node, "pool", ERR_BUSY);
}

/* ---- from created to acting ---- */

void replica_created(struct replica *r)
{
    r->state = REPLICA_CREATED;
    replica_report(r);
}

static void begin_acting(struct replica *r)
{
    if (group_start(r->group, 0, 0, clock_boot_us()) != ERR_OK) {
        replica_quarantine(r, "start");
        return;
    }
    r->state = REPLICA_ACTIVE;
    replica_report(r);
    replica_tick(r);
}

void replica_confirm(struct replica *r, uint64_t creation_id)
{
    if (creation_id == 0)
        return; /* control has not stored it yet */
    if (creation_id != r->creation_id)
        replica_quarantine(r, "another_creation");
    else if (r->state == REPLICA_CREATED)
        begin_acting(r);
}
