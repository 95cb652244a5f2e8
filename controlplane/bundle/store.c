#include "controlplane/bundle/store.h"

#include "base/hash.h"

struct entry {
    UT_hash_handle hh;
    struct entry *older;
    struct entry *newer;
    struct bundle_object object; /* views into bytes below */
    size_t name_bytes;
    uint8_t bytes[]; /* kind | id (the name) | body | signature */
};

struct bundle_store {
    struct entry *by_name;
    struct entry *oldest;
    struct entry *newest;
    uint64_t version;
    size_t count;
    size_t live[BUNDLE_KIND_COUNT];
};

struct bundle_store *bundle_store_create(void)
{
    return memory_zalloc(sizeof(struct bundle_store));
}

void bundle_store_destroy(struct bundle_store *store)
{
    if (store == NULL)
        return;
    bundle_store_clear(store);
    memory_free(store);
}

void bundle_store_clear(struct bundle_store *store)
{
    HASH_CLEAR(hh, store->by_name);
    for (struct entry *entry = store->oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        memory_free(entry);
    }
    *store = (struct bundle_store){0};
}

uint64_t bundle_store_version(const struct bundle_store *store)
{
    return store->version;
}

void bundle_store_advance(struct bundle_store *store, uint64_t version)
{
    if (version > store->version)
        store->version = version;
}

size_t bundle_store_count(const struct bundle_store *store)
{
    return store->count;
}

size_t bundle_store_count_of(const struct bundle_store *store, enum bundle_kind kind)
{
    return store->live[kind];
}

static struct entry *entry_create(const struct bundle_object *object)
{
    size_t name_bytes = 1 + object->id.length;
    struct entry *entry =
        memory_alloc(sizeof *entry + name_bytes + object->body.length + object->signature.length);
    if (entry == NULL)
        return NULL;
    uint8_t *id = entry->bytes + 1;
    uint8_t *body = id + object->id.length;
    uint8_t *signature = body + object->body.length;
    entry->bytes[0] = (uint8_t)object->kind;
    memcpy(id, object->id.data, object->id.length);
    if (object->body.length > 0)
        memcpy(body, object->body.data, object->body.length);
    memcpy(signature, object->signature.data, object->signature.length);
    entry->name_bytes = name_bytes;
    entry->object = *object;
    entry->object.id.data = id;
    entry->object.body.data = body;
    entry->object.signature.data = signature;
    return entry;
}

static struct entry *find(const struct bundle_store *store, enum bundle_kind kind, struct slice id)
{
    uint8_t name[1 + BUNDLE_ID_BYTES_MAX];
    if (id.length == 0 || id.length > BUNDLE_ID_BYTES_MAX)
        return NULL;
    name[0] = (uint8_t)kind;
    memcpy(name + 1, id.data, id.length);
    struct entry *entry;
    HASH_FIND(hh, store->by_name, name, 1 + id.length, entry);
    return entry;
}

/* Objects come nearly always in the order of their versions, so that this looks at one entry. */
static void link_in_order(struct bundle_store *store, struct entry *entry)
{
    struct entry *older = store->newest;
    while (older != NULL && older->object.version > entry->object.version)
        older = older->older;
    entry->older = older;
    entry->newer = older == NULL ? store->oldest : older->newer;
    *(entry->older == NULL ? &store->oldest : &entry->older->newer) = entry;
    *(entry->newer == NULL ? &store->newest : &entry->newer->older) = entry;
    store->count++;
    store->live[entry->object.kind] += !entry->object.is_deleted;
}

static void drop(struct bundle_store *store, struct entry *entry)
{
    HASH_DELETE(hh, store->by_name, entry);
    *(entry->older == NULL ? &store->oldest : &entry->older->newer) = entry->newer;
    *(entry->newer == NULL ? &store->newest : &entry->newer->older) = entry->older;
    store->count--;
    store->live[entry->object.kind] -= !entry->object.is_deleted;
    memory_free(entry);
}

enum err bundle_store_put(struct bundle_store *store, const struct bundle_object *object)
{
    struct entry *old = find(store, object->kind, object->id);
    if (old != NULL && old->object.version >= object->version)
        return ERR_STALE;
    struct entry *entry = entry_create(object);
    if (entry == NULL)
        return ERR_NO_MEMORY;
    /* uthash finds either of two equal names; the old one leaves by its own handle right after. */
    HASH_ADD_KEYPTR(hh, store->by_name, entry->bytes, entry->name_bytes, entry);
    if (HASH_ADD_FAILED(entry)) {
        memory_free(entry);
        return ERR_NO_MEMORY;
    }
    if (old != NULL)
        drop(store, old);
    link_in_order(store, entry);
    return ERR_OK;
}

bool bundle_store_get(const struct bundle_store *store, enum bundle_kind kind, struct slice id,
                      struct bundle_object *ret_object)
{
    struct entry *entry = find(store, kind, id);
    if (entry == NULL || entry->object.is_deleted)
        return false;
    *ret_object = entry->object;
    return true;
}

void bundle_store_walk(const struct bundle_store *store, uint64_t since, bundle_visit_cb visit, void *data)
{
    const struct entry *first = NULL;
    for (const struct entry *entry = store->newest; entry != NULL && entry->object.version > since;
         entry = entry->older)
        first = entry;
    for (const struct entry *entry = first; entry != NULL; entry = entry->newer) {
        if (!visit(&entry->object, data))
            return;
    }
}
