/* Applying an update to an item, and what ReturnValues shows of it.
 *
 * All operands are read from the item as it was; then the tree of the old item and the sorted target paths
 * are merged into the new item's bytes in one pass, untouched stretches copied whole. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "dataplane/expression/program.h"

struct update_request {
    const struct program *program; /* PROGRAM_UPDATE, or NULL: create the item or leave it as it is */
    bool has_old;                  /* false: there is no such item */
    struct slice old_item;         /* item bytes */
    struct slice key_item;         /* the key attributes as an item: what a new item starts from */
};

/* Compute the new item.
 *
 * Without an old item the new one starts from key_item, and removals are ignored (DynamoDB ignores even
 * `REMOVE x.y` then); if !update_creates_item, nothing is to be written. ret_item may be the old item's or
 * key_item's own bytes, if nothing changed; otherwise it is in `arena`. The caller checks the 400 KB limit
 * (dataplane/item/size.h); beyond ITEM_ENCODED_BYTES_MAX it is refused here already, in the same words.
 *
 * ERR_VALIDATION  the update does not fit this item; `error` has DynamoDB's words.
 * ERR_INVALID     the program's targets overlap, which no parser of ours lets pass.
 * ERR_CORRUPT     the item's bytes are damaged.
 * ERR_NO_MEMORY   the arena is spent. */
enum err update_apply(const struct update_request *request, struct arena *arena, struct slice *ret_item,
                      struct error *error) MUST_CHECK;

/* Whether applying it to an absent item creates one.
 *
 * An update that only removes (REMOVE, DELETE) does not; one that has no program does. */
bool update_creates_item(const struct program *program);

/* The touched part of an item, for UPDATED_OLD (give the old item) and UPDATED_NEW (give the new one): the
 * values at the update's target paths, lists closed up. Empty when there is nothing.
 *
 * ERR_CORRUPT, ERR_NO_MEMORY  as above. */
enum err update_view_touched(const struct program *program, struct slice item, struct arena *arena,
                             struct slice *ret_attributes) MUST_CHECK;
