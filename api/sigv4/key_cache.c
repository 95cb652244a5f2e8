#include "api/sigv4/key_cache.h"

#include <openssl/crypto.h>
#include <utlist.h>

#include "base/hash.h"

enum { NAME_BYTES_MAX = 256 };

struct entry {
    UT_hash_handle hh;
    struct entry *prev; /* utlist's names */
    struct entry *next;
    uint8_t key[SHA256_BYTES];
    uint32_t name_bytes;
    uint8_t name[NAME_BYTES_MAX];
};

struct key_cache {
    struct entry *by_name;
    struct entry *by_use; /* least recently used first */
    size_t count;
    size_t capacity;
};

struct key_cache *key_cache_create(size_t capacity)
{
    struct key_cache *c = memory_zalloc(sizeof(*c));
    if (c != NULL)
        c->capacity = capacity;
    return c;
}

static void remove_entry(struct key_cache *c, struct entry *e)
{
    HASH_DEL(c->by_name, e);
    DL_DELETE(c->by_use, e);
    c->count--;
    OPENSSL_cleanse(e->key, sizeof(e->key));
    memory_free(e);
}

void key_cache_destroy(struct key_cache *c)
{
    if (c == NULL)
        return;
    while (c->by_use != NULL)
        remove_entry(c, c->by_use);
    memory_free(c);
}

static struct entry *find(struct key_cache *c, struct slice name)
{
    struct entry *e = NULL;
    HASH_FIND(hh, c->by_name, name.data, name.length, e);
    return e;
}

const uint8_t *key_cache_get(struct key_cache *c, struct slice name)
{
    struct entry *e = find(c, name);
    if (e == NULL)
        return NULL;
    if (e->next != NULL) {
        DL_DELETE(c->by_use, e);
        DL_APPEND(c->by_use, e);
    }
    return e->key;
}

void key_cache_put(struct key_cache *c, struct slice name, const uint8_t key[SHA256_BYTES])
{
    if (name.length > NAME_BYTES_MAX || c->capacity == 0 || find(c, name) != NULL)
        return;
    if (c->count == c->capacity)
        remove_entry(c, c->by_use);
    struct entry *e = memory_zalloc(sizeof(*e));
    if (e == NULL)
        return;
    memcpy(e->key, key, SHA256_BYTES);
    memcpy(e->name, name.data, name.length);
    e->name_bytes = (uint32_t)name.length;
    HASH_ADD_KEYPTR(hh, c->by_name, e->name, e->name_bytes, e);
    if (HASH_ADD_FAILED(e)) {
        memory_free(e);
        return;
    }
    DL_APPEND(c->by_use, e);
    c->count++;
}
