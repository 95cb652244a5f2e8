#include "controlplane/control/fleet_sight.h"

#include <stdio.h>

enum {
    HEARD_US = 2 * 1000 * 1000, /* nodes, routers and MemDS are heard of twice a second */
    FORGOTTEN_US = 600 * 1000 * 1000,
};

/* ---- routers and MemDS ---- */

static struct seen_process *find(struct fleet_sight *sight, const char *role, const char *name)
{
    for (size_t i = 0; i < sight->count; i++)
        if (strcmp(sight->processes[i].role, role) == 0 && strcmp(sight->processes[i].name, name) == 0)
            return &sight->processes[i];
    return NULL;
}

static struct seen_process *add(struct fleet_sight *sight, const char *role, const char *name)
{
    if (sight->count == SIGHT_PROCESSES_MAX || role[0] == '\0' || strlen(role) >= RESTART_ROLE_BYTES ||
        name[0] == '\0' || strlen(name) >= RESTART_NAME_BYTES)
        return NULL;
    struct seen_process *process = &sight->processes[sight->count++];
    *process = (struct seen_process){0};
    (void)snprintf(process->role, sizeof process->role, "%s", role); /* its length was checked */
    (void)snprintf(process->name, sizeof process->name, "%s", name); /* likewise */
    return process;
}

void sight_note(struct fleet_sight *sight, const char *role, const char *name, uint64_t boot, bool is_ready,
                uint64_t now_us)
{
    struct seen_process *process = find(sight, role, name);
    if (process == NULL)
        process = add(sight, role, name);
    if (process == NULL)
        return;
    process->boot = boot;
    process->is_ready = is_ready;
    process->heard_at_us = now_us;
}

void sight_forget_old(struct fleet_sight *sight, uint64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < sight->count; i++)
        if (now_us < sight->processes[i].heard_at_us + FORGOTTEN_US)
            sight->processes[kept++] = sight->processes[i];
    sight->count = kept;
}

/* ---- one step ---- */

static bool is_heard(const struct control *control, uint64_t heard_at_us)
{
    return heard_at_us != 0 && loop_now_us(control->loop) < heard_at_us + HEARD_US;
}

static struct restart_seen look_at_node(const struct control *control, const char *name)
{
    const struct node *node = catalog_node_by_name(&control->catalog, name);
    if (node == NULL)
        return (struct restart_seen){0};
    return (struct restart_seen){.is_there = node->boot_epoch != 0 && is_heard(control, node->heard_at_us),
                                 .is_ready = node->is_reported && node->is_caught_up,
                                 .boot = node->boot_epoch};
}

static struct restart_seen look_at_process(const struct control *control, const struct fleet_sight *sight,
                                           const struct restart_step *step)
{
    for (size_t i = 0; i < sight->count; i++) {
        const struct seen_process *p = &sight->processes[i];
        if (strcmp(p->role, step->role) == 0 && strcmp(p->name, step->name) == 0)
            return (struct restart_seen){
                .is_there = is_heard(control, p->heard_at_us), .is_ready = p->is_ready, .boot = p->boot};
    }
    return (struct restart_seen){0};
}

struct restart_seen sight_of(const struct control *control, const struct fleet_sight *sight,
                             const struct restart_step *step)
{
    if (strcmp(step->role, "node") == 0)
        return look_at_node(control, step->name);
    if (strcmp(step->role, "control") == 0)
        return (struct restart_seen){.is_there = true, .is_ready = true, .boot = sight->own_boot};
    return look_at_process(control, sight, step);
}

/* ---- all ---- */

static enum err list_one(const struct control *control, const struct fleet_sight *sight, const char *role,
                         const char *name, struct restart_step steps[RESTART_STEPS_MAX], size_t *count,
                         char why[SIGHT_WORDS_BYTES])
{
    if (*count == RESTART_STEPS_MAX)
        return ERR_LIMIT;
    struct restart_step *step = &steps[*count];
    *step = (struct restart_step){0};
    (void)snprintf(step->role, sizeof step->role, "%s", role); /* ours, or bounded when it was noted */
    (void)snprintf(step->name, sizeof step->name, "%s", name); /* likewise; a node's was when it joined */
    struct restart_seen seen = sight_of(control, sight, step);
    step->boot = seen.boot;
    (*count)++;
    if (seen.is_there && seen.is_ready)
        return ERR_OK;
    (void)snprintf(why, SIGHT_WORDS_BYTES, "%s %s", step->name,
                   seen.is_there ? "has not caught up yet" : "is silent"); /* fits */
    return ERR_UNAVAILABLE;
}

static enum err list_role(const struct control *control, const struct fleet_sight *sight, const char *role,
                          struct restart_step steps[RESTART_STEPS_MAX], size_t *count,
                          char why[SIGHT_WORDS_BYTES])
{
    for (size_t i = 0; i < sight->count; i++)
        if (strcmp(sight->processes[i].role, role) == 0)
            TRY(list_one(control, sight, role, sight->processes[i].name, steps, count, why));
    return ERR_OK;
}

enum err sight_list(const struct control *control, const struct fleet_sight *sight,
                    struct restart_step steps[RESTART_STEPS_MAX], size_t *ret_count,
                    char why[SIGHT_WORDS_BYTES])
{
    size_t count = 0;
    for (const struct node *node = control->catalog.nodes; node != NULL; node = node->hh.next)
        if (!node->is_lost)
            TRY(list_one(control, sight, "node", node->name, steps, &count, why));
    TRY(list_role(control, sight, "router", steps, &count, why));
    TRY(list_role(control, sight, "memds", steps, &count, why));
    TRY(list_one(control, sight, "control", "control", steps, &count, why));
    *ret_count = count;
    return ERR_OK;
}

/* ---- partitions ---- */

static bool acts(const struct control *control, const struct replica *replica)
{
    const struct node *node = replica->node;
    return replica->goal == GOAL_PRESENT && !node->is_lost && is_heard(control, node->heard_at_us) &&
           (replica->role == ROLE_FOLLOWER || replica->role == ROLE_LEADER);
}

bool sight_is_whole(const struct control *control, char why[SIGHT_WORDS_BYTES])
{
    for (const struct partition *p = control->catalog.partitions; p != NULL; p = p->hh.next) {
        size_t wanted = 0, acting = 0, leading = 0;
        if (p->table->status == TABLE_GONE || p->table->status == TABLE_DELETING)
            continue;
        for (size_t i = 0; i < p->replica_count; i++) {
            wanted += p->replicas[i]->goal == GOAL_PRESENT;
            acting += acts(control, p->replicas[i]);
            leading += acts(control, p->replicas[i]) && p->replicas[i]->role == ROLE_LEADER;
        }
        if (wanted == 0 && p->replica_count > 0)
            continue; /* it has split, and goes */
        if (acting < REPLICAS_PER_PARTITION || leading == 0) {
            (void)snprintf(why, SIGHT_WORDS_BYTES, "group %llu has %zu of %d replicas and %s leader",
                           (unsigned long long)p->group_id, acting, REPLICAS_PER_PARTITION,
                           leading == 0 ? "no" : "a"); /* fits */
            return false;
        }
    }
    return true;
}
