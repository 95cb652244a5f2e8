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

/* The writes of a key have growing times, whatever the walls' clocks do; and the clock of request ids does not go back. */
static void check_times(struct world *w, uint32_t g, uint64_t index, const struct write_entry *entry)
{
    uint32_t table = w->groups[g].table;
    int key = key_number(entry->key);
    if (entry->commit_time_us <= w->commit_time_us[table][key] ||
        entry->id_clock_us < w->id_clock_us[table][key])
        check_fail(w, "times go on",
                   "group %u: entry %llu is of an earlier time than the write of its key before", g,
                   (unsigned long long)index);
    w->commit_time_us[table][key] = entry->commit_time_us;
    w->id_clock_us[table][key] = entry->id_clock_us;
}

static void check_request_id(struct world *w, uint32_t g, uint64_t index, const struct sim_entry *e)
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
    if (w->ids[serial].index != 0)
        check_fail(w, "at most once", "request %llu is entry %llu of group %u and %llu of group %u",
                   (unsigned long long)serial, (unsigned long long)w->ids[serial].index, w->ids[serial].group,
                   (unsigned long long)index, g);
    w->ids[serial].index = index;
    w->ids[serial].group = g;
    check_times(w, g, index, &entry);
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
            check_request_id(w, r->group_no, i, e);
            if (e->body[0] == ENTRY_SPLIT)
                split_committed(w, r->group_no, i, e);
        } else if (truth->committed_hash[i] != hash) {
            check_fail(w, "committed prefix",
                       "group %u replica %llu: entry %llu is not what was committed there", r->group_no,
                       (unsigned long long)r->replica_id, (unsigned long long)i);
        }
    }
}

/* ---- Replicas that applied as much are equal ---- */

static uint64_t digest_rows(const struct sim_items *items, uint32_t first_key, uint32_t end_key)
{
    uint64_t digest = 0;
    for (uint32_t k = first_key; k < end_key; k++)
        digest = hash_bytes(digest + k, items->rows[k].data, items->rows[k].length);
    return digest;
}

/* The rows of a group that was split are its children's, and change. */
uint64_t check_digest(const struct sim_replica *r)
{
    uint64_t digest = partition_is_split(r->partition) ? 0 : digest_rows(r->items, r->first_key, r->end_key);
    struct partition_size size = partition_size(r->partition);
    return hash_bytes(digest, &size, sizeof size);
}

static struct partition_size size_of_rows(const struct sim_items *items, uint32_t first_key, uint32_t end_key)
{
    struct partition_size size = {0};
    for (uint32_t k = first_key; k < end_key; k++) {
        if (items->rows[k].length == 0)
            continue;
        size.item_count++;
        size.item_bytes += row_bytes(buffer_view(&items->rows[k]));
    }
    return size;
}

/* The size that a partition keeps is that of the rows that there are. */
static void check_size(struct world *w, const struct sim_replica *r, uint64_t index)
{
    struct partition_size found = size_of_rows(r->items, r->first_key, r->end_key);
    struct partition_size kept = partition_size(r->partition);
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
    if (index % 16 == 0 && !partition_is_split(r->partition)) {
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

/* What a child begins with is the same on each replica of the parent: state, rows, voters; and its size is true. */
void check_birth(struct world *w, struct sim_replica *parent, uint32_t side)
{
    uint32_t g = w->groups[parent->group_no].children[side];
    struct sim_group_truth *truth = &w->groups[g];
    const struct sim_meta *child = &w->nodes[parent->node_no].replicas[g].meta;
    struct buffer bytes;
    buffer_init(&bytes, 16 * 1024 * 1024);
    buffer_append(&bytes, buffer_view(&child->checkpoint));
    membership_encode(group_membership(parent->group), &bytes);
    uint64_t digest = digest_rows(parent->items, truth->first_key, truth->end_key);
    digest = hash_bytes(digest, bytes.data, bytes.length) | 1;
    buffer_deinit(&bytes);
    if (truth->birth == 0)
        truth->birth = digest;
    else if (truth->birth != digest)
        check_fail(w, "replicas agree", "group %u: what replica %llu on node %u begins with differs", g,
                   (unsigned long long)parent->replica_id, parent->node_no);
    struct partition_size found = size_of_rows(parent->items, truth->first_key, truth->end_key);
    if (found.item_count != child->size.item_count || found.item_bytes != child->size.item_bytes)
        check_fail(w, "size of rows", "group %u begins with %llu items of %llu bytes, it says %llu of %llu",
                   g, (unsigned long long)found.item_count, (unsigned long long)found.item_bytes,
                   (unsigned long long)child->size.item_count, (unsigned long long)child->size.item_bytes);
}

/* ---- Acknowledged writes ---- */

void check_acknowledged(struct world *w, struct sim_replica *r, const struct sim_request *q, uint64_t index)
{
    if (w->ids[q->serial].index != index || w->ids[q->serial].group != r->group_no)
        check_fail(w, "acknowledged writes",
                   "group %u: request %llu is acknowledged as entry %llu, but is %llu of group %u",
                   r->group_no, (unsigned long long)q->serial, (unsigned long long)index,
                   (unsigned long long)w->ids[q->serial].index, w->ids[q->serial].group);
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

/* A key is served by one group at a time, whichever groups have been made of its table. */
static void check_server(struct world *w, const struct sim_replica *r,
                         const struct sim_replica *servers[TABLES][KEYS])
{
    const struct sim_node *n = &w->nodes[r->node_no];
    if (!group_can_serve_strong(r->group, n->support, clock_boot(w, n)))
        return;
    for (uint32_t k = r->first_key; k < r->end_key; k++) {
        const struct sim_replica **server = &servers[w->groups[r->group_no].table][k];
        if (*server != NULL)
            check_fail(w, "one server of a key",
                       "key %u: group %u on node %u and group %u on node %u both serve it", k,
                       (*server)->group_no, (*server)->node_no, r->group_no, r->node_no);
        *server = r;
    }
}

static void find_servers(struct world *w, const struct sim_replica *servers[TABLES][KEYS])
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        const struct sim_replica *holder = NULL;
        if (!w->groups[g].is_born)
            continue;
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
            check_server(w, r, servers);
        }
    }
}

void check_leases(struct world *w)
{
    const struct sim_replica *servers[TABLES][KEYS] = {{NULL}};
    find_servers(w, servers);
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

/* Whose range is its children's goes, everywhere. */
static void check_gone(struct world *w, uint32_t g)
{
    for (uint32_t id = 1; id <= NODES; id++)
        if (w->nodes[id].replicas[g].replica_id != 0)
            check_fail(w, "recovery", "group %u was split, and is still there on node %u%s", g, id,
                       w->groups[g].is_finished ? "" : ": its children never came to be");
}

void check_settled(struct world *w)
{
    const struct sim_replica *servers[TABLES][KEYS] = {{NULL}};
    for (uint32_t g = 0; g < w->group_count; g++) {
        if (w->groups[g].split_index != 0)
            check_gone(w, g);
        else if (w->groups[g].is_born)
            check_group_settled(w, g);
    }
    find_servers(w, servers);
    for (uint32_t t = 0; t < TABLES; t++)
        for (uint32_t k = 0; k < KEYS; k++)
            if (servers[t][k] == NULL)
                check_fail(w, "recovery", "table %u key %u: nobody serves it after all is healed", t, k);
}

/* What clients saw of one key, and where it stands in the log: for whoever looks into a violation. */
void check_print_history(struct world *w, uint32_t table, uint32_t k)
{
    static const char *const names[] = {"read", "put", "put if", "add", "delete"};
    for (uint64_t i = 0; i < w->history_count && w->is_verbose; i++) {
        const struct history_op *op = &w->history[i];
        if (op->table != table || op->key != k)
            continue;
        printf("  %5llu %-6s value %lld expected %lld: %s %lld, called %llu, answered %lld, entry %llu of "
               "group %u\n",
               (unsigned long long)i, names[op->op], (long long)op->value, (long long)op->expected,
               op->response == UINT64_MAX ? "unknown"
               : op->is_condition_failed  ? "refused"
                                          : "ok",
               (long long)op->result, (unsigned long long)op->invoke, (long long)op->response,
               (unsigned long long)w->ids[i].index, w->ids[i].group);
    }
}
