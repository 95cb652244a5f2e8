#include "controlplane/bundle/update.h"

#include "base/memory.h"
#include "base/proto.h"
#include "controlplane/proto/controlplane.pb-c.h"

enum { OBJECT_OVERHEAD_BYTES = 64 };

/* One pass counts what fits, the second fills in. */
struct selection {
    size_t bytes_left;
    size_t count;
    uint64_t version;
    bool is_all;
};

static bool count_object(const struct bundle_object *object, void *data)
{
    struct selection *selection = data;
    size_t bytes = object->id.length + object->body.length + object->signature.length + OBJECT_OVERHEAD_BYTES;
    if (selection->count > 0 && bytes > selection->bytes_left) {
        selection->is_all = false;
        return false;
    }
    selection->bytes_left -= bytes < selection->bytes_left ? bytes : selection->bytes_left;
    selection->count++;
    selection->version = object->version;
    return true;
}

struct filling {
    Sluice__Controlplane__BundleObject *objects;
    Sluice__Controlplane__BundleObject **pointers;
    char *ids;
    size_t index;
    size_t count;
};

static bool fill_object(const struct bundle_object *object, void *data)
{
    struct filling *filling = data;
    if (filling->index == filling->count)
        return false;
    Sluice__Controlplane__BundleObject *to = &filling->objects[filling->index];
    sluice__controlplane__bundle_object__init(to);
    to->kind = (Sluice__Controlplane__ObjectKind)object->kind;
    to->id = filling->ids;
    memcpy(filling->ids, object->id.data, object->id.length);
    filling->ids[object->id.length] = '\0';
    filling->ids += object->id.length + 1;
    to->version = object->version;
    to->is_deleted = object->is_deleted;
    to->body = proto_bytes(object->body);
    to->signature = proto_bytes(object->signature);
    filling->pointers[filling->index++] = to;
    return true;
}

static bool add_id_bytes(const struct bundle_object *object, void *data)
{
    size_t *bytes = data;
    *bytes += object->id.length + 1;
    return true;
}

static void append(struct buffer *to, const struct bundle_store *store, uint64_t since,
                   const struct selection *selection, struct filling *filling)
{
    bundle_store_walk(store, since, fill_object, filling);
    Sluice__Controlplane__BundleUpdate update;
    sluice__controlplane__bundle_update__init(&update);
    uint64_t newest = bundle_store_version(store) > since ? bundle_store_version(store) : since;
    update.base_version = since;
    update.version = selection->is_all ? newest : selection->version;
    update.newest_version = newest;
    update.n_objects = filling->index;
    update.objects = filling->pointers;
    proto_append(to, &update.base);
}

void bundle_update_append(struct buffer *to, const struct bundle_store *store, uint64_t since,
                          size_t bytes_max)
{
    struct selection selection = {.bytes_left = bytes_max, .version = since, .is_all = true};
    size_t id_bytes = 0;
    bundle_store_walk(store, since, count_object, &selection);
    bundle_store_walk(store, since, add_id_bytes, &id_bytes);
    struct filling filling = {.count = selection.count};
    uint8_t *memory =
        memory_alloc(selection.count * (sizeof *filling.objects + sizeof *filling.pointers) + id_bytes + 1);
    if (memory == NULL) {
        to->has_failed = true;
        return;
    }
    filling.objects = (void *)memory;
    filling.pointers = (void *)(filling.objects + selection.count);
    filling.ids = (char *)(filling.pointers + selection.count);
    append(to, store, since, &selection, &filling);
    memory_free(memory);
}

static enum err take(struct bundle_store *store, const struct cluster_key *key,
                     const Sluice__Controlplane__BundleObject *from, bundle_change_cb on_change, void *data)
{
    struct bundle_object object = {
        .kind = (enum bundle_kind)from->kind,
        .is_deleted = from->is_deleted,
        .version = from->version,
        .id = slice_from_string(from->id),
        .body = proto_slice(from->body),
        .signature = proto_slice(from->signature),
    };
    TRY(bundle_object_verify(key, &object));
    enum err err = bundle_store_put(store, &object);
    if (err == ERR_STALE)
        return ERR_OK;
    if (err == ERR_OK && on_change != NULL)
        on_change(&object, data);
    return err;
}

enum err bundle_update_apply(struct bundle_store *store, const struct cluster_key *key, struct slice packed,
                             struct arena *scratch, bundle_change_cb on_change, void *data,
                             bool *ret_has_more)
{
    ProtobufCMessage *message = NULL;
    TRY(proto_decode(&sluice__controlplane__bundle_update__descriptor, packed, scratch, &message));
    const Sluice__Controlplane__BundleUpdate *update = (const void *)message;
    if (update->base_version > bundle_store_version(store))
        return ERR_STALE;
    for (size_t i = 0; i < update->n_objects; i++)
        TRY(take(store, key, update->objects[i], on_change, data));
    bundle_store_advance(store, update->version);
    *ret_has_more = update->newest_version > update->version;
    return ERR_OK;
}
