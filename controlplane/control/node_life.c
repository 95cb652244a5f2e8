#include "controlplane/control/node_life.h"

const char *node_life_name(enum node_life life)
{
    static const char *const names[NODE_LIVES] = {
        [NODE_NEVER_HEARD] = "silent", [NODE_ALIVE] = "alive",    [NODE_SUSPECT] = "suspect",
        [NODE_DEAD] = "dead",          [NODE_ABANDONED] = "dead", [NODE_RETURNING] = "returning",
    };
    return names[life];
}

static bool is_returning(const struct node_signs *signs, const struct node_life_limits *limits,
                         uint64_t now_us)
{
    return node_life_is_silent(signs->life) ||
           (signs->life == NODE_RETURNING && now_us < signs->life_at_us + limits->return_us);
}

enum node_life node_life_now(const struct node_signs *signs, const struct node_life_limits *limits,
                             uint64_t now_us)
{
    uint64_t from_us =
        signs->heard_at_us > signs->listening_at_us ? signs->heard_at_us : signs->listening_at_us;
    uint64_t silent_us = now_us > from_us ? now_us - from_us : 0;
    uint64_t dead_us = signs->is_cut_off ? limits->dead_us / 4 * 3 : limits->dead_us;
    if (signs->is_given_up || silent_us >= limits->dead_us + limits->abandon_us)
        return NODE_ABANDONED;
    if (silent_us >= dead_us)
        return NODE_DEAD;
    if (signs->heard_at_us == 0)
        return NODE_NEVER_HEARD;
    if (is_returning(signs, limits, now_us))
        return NODE_RETURNING;
    return silent_us >= limits->dead_us / 2 ? NODE_SUSPECT : NODE_ALIVE;
}
