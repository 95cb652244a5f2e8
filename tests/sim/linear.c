/* Linearizability of one key: is there an order of the operations, each between its call and its answer, in which
 * a register would have answered so? The search of Wing and Gong with Lowe's memory of configurations seen
 * (P-compositionality: each key by itself). Operations without an answer may take effect at any time after their
 * call, or never: as all of those can take effect in any state, "never" is "after everything else". */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { OPS_MAX = 512, WORDS = OPS_MAX / 64, STEPS_MAX = 400 * 1000, SEEN_SLOTS = 1 << 16 };

struct link {
    int next, previous;
    int op;    /* in ops */
    int match; /* a call's return; -1 for returns */
    uint64_t at;
};

struct search {
    const struct history_op *ops[OPS_MAX];
    int count;
    struct link links[2 * OPS_MAX + 1]; /* 0 is the head */
    uint64_t done[WORDS];
    int stack[OPS_MAX];
    int64_t states[OPS_MAX];
    int depth;
    uint64_t *seen; /* hashes */
    uint32_t seen_count;
};

/* What the register becomes; false when it would not have answered so. */
static bool apply(const struct history_op *op, int64_t state, int64_t *ret_state)
{
    bool is_known = op->response != UINT64_MAX;
    int64_t after = state;
    switch (op->op) {
    case OP_READ:
        if (op->result != state)
            return false;
        break;
    case OP_PUT:
        after = op->value;
        break;
    case OP_PUT_IF:
        if (is_known && (state == op->expected) == op->is_condition_failed)
            return false;
        if (state == op->expected)
            after = op->value;
        break;
    case OP_ADD:
        after = (state == NO_VALUE ? 0 : state) + op->value;
        if (is_known && op->result != after)
            return false;
        break;
    case OP_DELETE:
        after = NO_VALUE;
        break;
    }
    *ret_state = after;
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct link *x = a;
    const struct link *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->op - y->op;
}

static void build(struct search *s)
{
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        s->links[1 + count++] = (struct link){.op = i, .match = 0, .at = s->ops[i]->invoke};
        s->links[1 + count++] = (struct link){.op = i, .match = -1, .at = s->ops[i]->response};
    }
    qsort(s->links + 1, (size_t)count, sizeof(s->links[0]), by_time);
    for (int i = 0; i <= count; i++) {
        s->links[i].next = i == count ? -1 : i + 1;
        s->links[i].previous = i - 1;
    }
    int returns[OPS_MAX];
    for (int i = 1; i <= count; i++)
        if (s->links[i].match == -1)
            returns[s->links[i].op] = i;
    for (int i = 1; i <= count; i++)
        if (s->links[i].match == 0)
            s->links[i].match = returns[s->links[i].op];
}

static void unlink_one(struct search *s, int at)
{
    struct link *l = &s->links[at];
    s->links[l->previous].next = l->next;
    if (l->next != -1)
        s->links[l->next].previous = l->previous;
}

static void relink_one(struct search *s, int at)
{
    struct link *l = &s->links[at];
    s->links[l->previous].next = at;
    if (l->next != -1)
        s->links[l->next].previous = at;
}

/* Whether this configuration is new; remembers it. */
static bool is_new(struct search *s, int64_t state)
{
    uint64_t hash = hash_bytes((uint64_t)state, s->done, sizeof s->done) | 1;
    for (uint32_t slot = (uint32_t)hash & (SEEN_SLOTS - 1);; slot = (slot + 1) & (SEEN_SLOTS - 1)) {
        if (s->seen[slot] == hash)
            return false;
        if (s->seen[slot] != 0)
            continue;
        if (s->seen_count < SEEN_SLOTS * 3 / 4) {
            s->seen[slot] = hash;
            s->seen_count++;
        }
        return true;
    }
}

/* 1: explained, 0: not, -1: given up. */
static int run(struct search *s)
{
    int64_t state = NO_VALUE;
    int at = s->links[0].next;
    for (int steps = 0; s->links[0].next != -1; steps++) {
        if (steps > STEPS_MAX)
            return -1;
        if (at != -1 && s->links[at].match != -1) {
            int64_t after;
            int op = s->links[at].op;
            if (apply(s->ops[op], state, &after)) {
                s->done[op / 64] |= 1ULL << (op % 64);
                if (is_new(s, after)) {
                    s->states[s->depth] = state;
                    s->stack[s->depth++] = at;
                    state = after;
                    unlink_one(s, at);
                    unlink_one(s, s->links[at].match);
                    at = s->links[0].next;
                    continue;
                }
                s->done[op / 64] &= ~(1ULL << (op % 64));
            }
            at = s->links[at].next;
            continue;
        }
        /* An answer that no choice so far explains: take back the last one. */
        if (s->depth == 0)
            return 0;
        at = s->stack[--s->depth];
        state = s->states[s->depth];
        s->done[s->links[at].op / 64] &= ~(1ULL << (s->links[at].op % 64));
        relink_one(s, s->links[at].match);
        relink_one(s, at);
        at = s->links[at].next;
    }
    return 1;
}

bool linear_check(const struct history_op *ops, uint64_t count, uint32_t table, uint32_t key,
                  bool *ret_is_undecided)
{
    struct search *s = memory_zalloc(sizeof(*s));
    ASSERT(s != NULL);
    for (uint64_t i = 0; i < count; i++) {
        const struct history_op *op = &ops[i];
        if (op->table != table || op->key != key || (op->op == OP_READ && op->response == UINT64_MAX))
            continue;
        if (s->count == OPS_MAX) {
            *ret_is_undecided = true;
            break;
        }
        s->ops[s->count++] = op;
    }
    build(s);
    s->seen = memory_zalloc(SEEN_SLOTS * sizeof(s->seen[0]));
    ASSERT(s->seen != NULL);
    int verdict = run(s);
    if (verdict == -1)
        *ret_is_undecided = true;
    memory_free(s->seen);
    memory_free(s);
    return verdict != 0;
}
