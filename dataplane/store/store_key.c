#include "base/memory.h"
#include "dataplane/store/store_internal.h"

static enum err key_begin(struct store_key *key, size_t length)
{
    key->data = key->inside;
    key->length = length;
    if (length > sizeof key->inside)
        key->data = memory_alloc(length);
    return key->data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void store_key_deinit(struct store_key *key)
{
    if (key->data != key->inside)
        memory_free(key->data);
}

enum err store_key_item(struct store_key *key, struct slice item_key)
{
    TRY(key_begin(key, 1 + item_key.length));
    key->data[0] = STORE_ITEM_PREFIX;
    if (item_key.length > 0)
        memcpy(key->data + 1, item_key.data, item_key.length);
    return ERR_OK;
}

enum err store_key_meta(struct store_key *key, uint64_t group_id, struct slice name)
{
    TRY(key_begin(key, STORE_META_KEY_BYTES + name.length));
    key->data[0] = STORE_META_PREFIX;
    for (int i = 0; i < 8; i++)
        key->data[1 + i] = (uint8_t)(group_id >> (56 - 8 * i));
    if (name.length > 0)
        memcpy(key->data + STORE_META_KEY_BYTES, name.data, name.length);
    return ERR_OK;
}
