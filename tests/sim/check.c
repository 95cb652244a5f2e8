/* What must hold at every step, whatever goes wrong. */
#include <stdarg.h>

#include "dataplane/item/envelope.h"
#include "dataplane/item/size.h"
#include "dataplane/partition/entry.h"
#include "tests/sim/sim.h"

enum { DISRUPTION_US = 600 * MS };

void check_fail(struct world *w, const char *checker, const char *format, ...)
{
    if (w->has_failed)
        return;
    w->has_failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->violation, sizeof w->violation, format, arguments);
    va_end(arguments);
    snprintf(w->checker, sizeof w->checker, "%s", checker);
    world_trace(w, "VIOLATION %s: %s", w->checker, w->violation);
}

/* ---- One leader per term ---- */

void check_elected(struct world *w, struct sim_replica *r, uint64_t term)
{
    struct sim_group_truth *truth = &w->groups[r->group_no];
    world_trace(w, "group %u: replica %llu on node %u leads term %llu", r->group_no,
                (unsigned long long)r->replica_id, r->node_no, (unsigned long long)term);
    ASSERT(term < 4096);
    w->figures.leader_changes++;
    if (truth->term_leader[term] != 0)
        check_fail(w, "one leader per term", "group %u term %llu: replica %llu is elected, and %llu was",
                   r->group_no, (unsigned long long)term, (unsigned long long)r->replica_id,
                   (unsigned long long)truth->term_leader[term]);
    truth->term_leader[term] = r->replica_id;
    faults_on_elected(w, r);
}

/* ---- Committed entries are the same everywhere and for ever; a request id is in one of them at most ---- */

static void check_request_id(struct world *w, struct sim_group_truth *truth, uint64_t index,
                             const struct sim_entry *e)
{
    struct write_entry entry;
    if (e->body[0] != ENTRY_WRITE)
        return;
    enum err err = write_entry_decode(slice_make(e->body + 1, e->bytes - 1), &entry);
    ASSERT(err == ERR_OK);
    uint64_t serial = 0;
    for (int i = 7; i >= 0; i--)
        serial = serial << 8 | entry.request_id[4 + i];
    ASSERT(serial < HISTORY_MAX);
    if (truth->ids[serial].index != 0)
        check_fail(w, "at most once", "request %llu is entry %llu and %llu", (unsigned long long)serial,
                   (unsigned long long)truth->ids[serial].index, (unsigned long long)index);
    truth->ids[serial].index = index;
}

void check_committed(struct world *w, struct sim_replica *r, uint64_t from, uint64_t to)
{
    struct sim_group_truth *truth = &w->groups[r->group_no];
    for (uint64_t i = from; i <= to && !w->has_failed; i++) {
        const struct sim_entry *e = replica_entry(r, i);
        if (e == NULL) {
            check_fail(w, "committed prefix",
                       "group %u replica %llu commits entry %llu, which it does not have", r->group_no,
                       (unsigned long long)r->replica_id, (unsigned long long)i);
            return;
        }
        ASSERT(i < INDEX_MAX);
        uint64_t hash = hash_bytes(e->term, e->body, e->bytes) | 1;
        if (i > truth->committed_index) {
            truth->committed_index = i;
            truth->committed_hash[i] = hash;
            check_request_id(w, truth, i, e);
        } else if (truth->committed_hash[i] != hash) {
            check_fail(w, "committed prefix",
                       "group %u replica %llu: entry %llu is not what was committed there", r->group_no,
                       (unsigned long long)r->replica_id, (unsigned long long)i);
        }
    }
}

/* ---- Replicas that applied as much are equal ---- */

uint64_t check_digest(const struct sim_replica *r)
{
    uint64_t digest = 0;
    for (uint32_t k = 0; k < KEYS; k++)
        digest = hash_bytes(digest + k, r->rows.rows[k].data, r->rows.rows[k].length);
    struct partition_size size = partition_size(r->partition);
    return hash_bytes(digest, &size, sizeof size);
}

/* The size that a partition keeps is that of the rows that there are. */
static void check_size(struct world *w, const struct sim_replica *r, uint64_t index)
{
    struct partition_size found = {0}, kept = partition_size(r->partition);
    for (uint32_t k = 0; k < KEYS; k++) {
        struct envelope envelope;
        if (r->rows.rows[k].length == 0)
            continue;
        enum err err = envelope_decode(buffer_view(&r->rows.rows[k]), &envelope);
        ASSERT(err == ERR_OK);
        found.item_count++;
        found.item_bytes += item_size_bytes(envelope.body);
    }
    if (found.item_count != kept.item_count || found.item_bytes != kept.item_bytes)
        check_fail(w, "size of rows",
                   "group %u replica %llu after entry %llu: %llu items of %llu bytes, it says %llu of %llu",
                   r->group_no, (unsigned long long)r->replica_id, (unsigned long long)index,
                   (unsigned long long)found.item_count, (unsigned long long)found.item_bytes,
                   (unsigned long long)kept.item_count, (unsigned long long)kept.item_bytes);
}

void check_applied(struct world *w, struct sim_replica *r, uint64_t index)
{
    struct sim_group_truth *truth = &w->groups[r->group_no];
    uint64_t digest = r->digest;
    if (index % 16 == 0) {
        check_size(w, r, index);
        struct buffer bytes;
        buffer_init(&bytes, 16 * 1024 * 1024);
        partition_checkpoint_encode(r->partition, &bytes);
        digest = hash_bytes(digest, bytes.data, bytes.length);
        buffer_deinit(&bytes);
    }
    if (!truth->has_digest[index]) {
        truth->has_digest[index] = true;
        truth->digest[index] = digest;
    } else if (truth->digest[index] != digest) {
        check_fail(w, "replicas agree", "group %u replica %llu differs after entry %llu", r->group_no,
                   (unsigned long long)r->replica_id, (unsigned long long)index);
    }
}

/* ---- Acknowledged writes ---- */

void check_acknowledged(struct world *w, struct sim_replica *r, const struct sim_request *q, uint64_t index)
{
    struct sim_group_truth *truth = &w->groups[r->group_no];
    if (truth->ids[q->serial].index != index)
        check_fail(w, "acknowledged writes",
                   "group %u: request %llu is acknowledged as entry %llu, but is %llu", r->group_no,
                   (unsigned long long)q->serial, (unsigned long long)index,
                   (unsigned long long)truth->ids[q->serial].index);
}

/* ---- One lease holder; nobody disturbs it ---- */

static bool holds_lease(const struct world *w, const struct sim_node *n, const struct sim_replica *r)
{
    if (!n->is_up || !replica_is_live(r))
        return false;
    struct group_status status = group_status(r->group);
    return status.role == GROUP_LEADER && !status.is_relinquished && !status.is_halted &&
           group_has_lease(r->group, n->support, clock_boot(w, n));
}

void check_leases(struct world *w)
{
    for (uint32_t g = 0; g < GROUPS; g++) {
        const struct sim_replica *holder = NULL;
        for (uint32_t id = 1; id <= NODES; id++) {
            struct sim_replica *r = &w->nodes[id].replicas[g];
            if (!holds_lease(w, &w->nodes[id], r)) {
                r->lease_since_us = 0;
                continue;
            }
            if (r->lease_since_us == 0)
                r->lease_since_us = w->now_us;
            if (holder != NULL)
                check_fail(w, "one lease holder", "group %u: replicas %llu and %llu both hold the lease", g,
                           (unsigned long long)holder->replica_id, (unsigned long long)r->replica_id);
            holder = r;
        }
    }
}

/* A campaign must not begin while somebody has led with a lease for a while. */
void check_campaign(struct world *w, struct sim_replica *r)
{
    for (uint32_t id = 1; id <= NODES; id++) {
        const struct sim_replica *other = &w->nodes[id].replicas[r->group_no];
        if (other != r && holds_lease(w, &w->nodes[id], other) && other->lease_since_us != 0 &&
            other->lease_since_us + DISRUPTION_US < w->now_us)
            check_fail(w, "no disruption", "group %u: replica %llu campaigns while %llu holds the lease",
                       r->group_no, (unsigned long long)r->replica_id, (unsigned long long)other->replica_id);
    }
}

/* ---- What was on disk is there after a restart ---- */

void check_durable(struct world *w, struct sim_replica *r)
{
    struct group_status status = group_status(r->group);
    if (r->promised_replica != r->replica_id)
        return;
    if (status.term < r->promised_term || status.last_index < r->promised_index)
        check_fail(
            w, "durability",
            "group %u replica %llu: term %llu and entries up to %llu came back, %llu and %llu were on disk",
            r->group_no, (unsigned long long)r->replica_id, (unsigned long long)status.term,
            (unsigned long long)status.last_index, (unsigned long long)r->promised_term,
            (unsigned long long)r->promised_index);
    if (status.term == r->promised_term && r->promised_vote != 0 && status.vote != r->promised_vote)
        check_fail(w, "durability", "group %u replica %llu: it has forgotten its vote in term %llu",
                   r->group_no, (unsigned long long)r->replica_id, (unsigned long long)status.term);
}

/* ---- After everything was healed ---- */

static void check_group_settled(struct world *w, uint32_t g)
{
    const struct sim_replica *leader = NULL;
    for (uint32_t id = 1; id <= NODES; id++) {
        const struct sim_replica *r = &w->nodes[id].replicas[g];
        if (replica_is_live(r) &&
            group_can_serve_strong(r->group, w->nodes[id].support, clock_boot(w, &w->nodes[id])))
            leader = r;
    }
    if (leader == NULL) {
        check_fail(w, "recovery", "group %u serves nothing after all is healed", g);
        return;
    }
    const struct membership *m = group_membership(leader->group);
    struct group_status status = group_status(leader->group);
    if (status.applied_index != w->groups[g].committed_index)
        check_fail(w, "recovery", "group %u: the leader has applied %llu of %llu", g,
                   (unsigned long long)status.applied_index,
                   (unsigned long long)w->groups[g].committed_index);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct sim_replica *r = &w->nodes[m->members[i].node_id].replicas[g];
        if (m->members[i].role != MEMBER_VOTER)
            continue;
        if (!replica_is_live(r) || r->replica_id != m->members[i].replica_id ||
            group_status(r->group).applied_index != status.applied_index)
            check_fail(w, "recovery", "group %u: voter %llu on node %u %s: applied %llu of %llu", g,
                       (unsigned long long)m->members[i].replica_id, m->members[i].node_id,
                       !replica_is_live(r) ? "does not run" : "is behind",
                       replica_is_live(r) ? (unsigned long long)group_status(r->group).applied_index : 0ULL,
                       (unsigned long long)status.applied_index);
        else if (r->kind == MEMBER_STORAGE && r->digest != leader->digest)
            check_fail(w, "replicas agree", "group %u: voter %llu differs in the end", g,
                       (unsigned long long)r->replica_id);
    }
}

void check_settled(struct world *w)
{
    for (uint32_t g = 0; g < GROUPS; g++)
        check_group_settled(w, g);
}

/* What clients saw of one key, and where it stands in the log: for whoever looks into a violation. */
void check_print_history(struct world *w, uint32_t g, uint32_t k)
{
    static const char *const names[] = {"read", "put", "put if", "add", "delete"};
    for (uint64_t i = 0; i < w->history_count && w->is_verbose; i++) {
        const struct history_op *op = &w->history[i];
        if (op->group != g || op->key != k)
            continue;
        printf("  %5llu %-6s value %lld expected %lld: %s %lld, called %llu, answered %lld, entry %llu\n",
               (unsigned long long)i, names[op->op], (long long)op->value, (long long)op->expected,
               op->response == UINT64_MAX ? "unknown"
               : op->is_condition_failed  ? "refused"
                                          : "ok",
               (long long)op->result, (unsigned long long)op->invoke, (long long)op->response,
               (unsigned long long)w->groups[g].ids[i].index);
    }
}
