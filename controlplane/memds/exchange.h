/* How two MemDS find what one knows and the other does not (docs/formats/exchange.md).
 *
 *     asker                                       answerer
 *     digest of everything       ---------->
 *                                <----------      equal: done
 *     digests of the parts       ---------->
 *                                <----------      which parts differ
 *     ... down, until a part is small:
 *     versions of its groups     ---------->
 *                                <----------      what is newer here, what is wanted from there
 *     what is wanted             ---------->      (PublishRoutes)
 *
 * One walk mends both copies. It costs about as many bytes as there are differences, and a few when there are none. Routes
 * that arrive meanwhile are no harm: the next walk finds what this one missed. Pure; messages are borrowed from an arena. */
#pragma once

#include "base/arena.h"
#include "controlplane/memds/route_map.h"

enum {
    EXCHANGE_PARTS_MAX = 32,   /* in one question */
    EXCHANGE_LISTED_MAX = 16,  /* groups of a part that are listed at once, instead of digests */
    EXCHANGE_ANSWERED_MAX = 64 /* of the answerer's groups in a part, for it to answer a list */
};

/* The asker's side of one walk. */
struct exchange;

/* map outlives it. NULL when there is no memory. */
struct exchange *exchange_create(struct route_map *map);
void exchange_destroy(struct exchange *x);

/* Begin a walk; the one before is forgotten. */
void exchange_begin(struct exchange *x);
/* The next question; false when the walk is over. Everything of it is in the arena; the other fields are the caller's.
 * A question that has no memory (arena_has_failed) leaves parts out: begin again later. */
bool exchange_ask(struct exchange *x, struct arena *arena, Sluice__Controlplane__CompareRoutes *ret_question);
/* Take the answer to the last question up into the map. What the other side wants is in ret_wanted, to be sent to it; it may
 * be empty.
 * ERR_INVALID    not an answer to that question; the walk is over
 * ERR_NO_MEMORY  likewise */
enum err exchange_take(struct exchange *x, const Sluice__Controlplane__CompareRoutesReply *reply,
                       struct arena *arena, Sluice__Controlplane__PublishRoutes *ret_wanted) MUST_CHECK;
/* Routes taken since exchange_begin. */
size_t exchange_taken(const struct exchange *x);

/* The answerer's side, which remembers nothing. Views into the map, until its next publication, and the arena.
 * ERR_INVALID    parts that do not exist, or too many
 * ERR_NO_MEMORY  the arena is spent */
enum err exchange_answer(const struct route_map *map, const Sluice__Controlplane__CompareRoutes *question,
                         struct arena *arena, Sluice__Controlplane__CompareRoutesReply *ret_reply) MUST_CHECK;
