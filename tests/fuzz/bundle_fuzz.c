/* Bundles as MemDS and routers get them from each other, from control and from disk, and sealed secrets. The first byte
 * chooses. Objects are signed: those that a recipe makes are, by the key of this test, to get past that. */
#include "api/router/catalog.h"
#include "controlplane/bundle/file.h"
#include "controlplane/bundle/seal.h"
#include "controlplane/bundle/update.h"
#include "tests/fuzz/fuzz.h"

static const struct cluster_key KEY = {.sealing = {1}, .signing = {2}};

static void on_change(const struct bundle_object *object, void *data)
{
    struct catalog *catalog = data;
    ASSERT(bundle_object_is_valid(object));
    ASSERT(catalog_take(catalog, object) == ERR_OK);
}

static void look_around(const struct catalog *catalog)
{
    (void)catalog_find_key(catalog, SLICE_LITERAL("k"));
    const struct catalog_table *table = catalog_find_table(catalog, "1", SLICE_LITERAL("t"));
    if (table != NULL)
        ASSERT(table->schema.partition.name.length > 0);
}

/* The file of a store, read, is that file again. */
static void check_file_of(const struct bundle_store *store)
{
    struct buffer first = fuzz_buffer(), second = fuzz_buffer();
    struct bundle_store *other = bundle_store_create();
    ASSERT(other != NULL);
    bundle_file_encode(&first, store);
    ASSERT(bundle_file_decode(buffer_view(&first), &KEY, other, NULL) == ERR_OK);
    bundle_file_encode(&second, other);
    ASSERT(slice_equal(buffer_view(&first), buffer_view(&second)));
    bundle_store_destroy(other);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void check_update(struct slice bytes)
{
    struct arena scratch;
    bool has_more;
    struct bundle_store *store = bundle_store_create();
    struct catalog *catalog = catalog_create();
    ASSERT(store != NULL && catalog != NULL);
    arena_init(&scratch, 1 << 14, FUZZ_BYTES_MAX);
    enum err err = bundle_update_apply(store, &KEY, bytes, &scratch, on_change, catalog, &has_more);
    ASSERT(err == ERR_OK || err == ERR_INVALID || err == ERR_STALE || err == ERR_CORRUPT);
    look_around(catalog);
    check_file_of(store);
    arena_deinit(&scratch);
    catalog_destroy(catalog);
    bundle_store_destroy(store);
}

static void check_file(struct slice bytes)
{
    struct bundle_store *store = bundle_store_create();
    ASSERT(store != NULL);
    enum err err = bundle_file_decode(bytes, &KEY, store, NULL);
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK)
        check_file_of(store);
    else
        ASSERT(bundle_store_count(store) == 0);
    bundle_store_destroy(store);
}

/* kind(1) version(1) id bytes(1) body bytes(1) id body, over and over: signed, stored, sent on. */
static void check_made(struct slice input)
{
    struct bundle_store *store = bundle_store_create();
    ASSERT(store != NULL);
    while (input.length > 0) {
        uint8_t kind = fuzz_byte(&input);
        struct bundle_object object = {.kind = (enum bundle_kind)(kind % BUNDLE_KIND_COUNT)};
        uint8_t signature[BUNDLE_SIGNATURE_BYTES];
        object.is_deleted = kind >= 128;
        object.version = fuzz_byte(&input);
        size_t id_bytes = fuzz_byte(&input), body_bytes = fuzz_byte(&input);
        object.id = fuzz_bytes(&input, id_bytes);
        object.body = object.is_deleted ? SLICE_EMPTY : fuzz_bytes(&input, body_bytes);
        bundle_object_sign(&KEY, &object, signature);
        object.signature = slice_make(signature, sizeof signature);
        if (object.id.length > 0 && memchr(object.id.data, 0, object.id.length) == NULL &&
            bundle_object_verify(&KEY, &object) == ERR_OK && bundle_store_put(store, &object) == ERR_OK)
            bundle_store_advance(store, object.version);
    }
    struct buffer update = fuzz_buffer();
    bundle_update_append(&update, store, 0, BUNDLE_UPDATE_BYTES_MAX);
    check_update(buffer_view(&update));
    check_file_of(store);
    buffer_deinit(&update);
    bundle_store_destroy(store);
}

static void check_secret(struct slice input)
{
    struct buffer sealed = fuzz_buffer(), open = fuzz_buffer();
    struct slice id = fuzz_bytes(&input, fuzz_byte(&input));
    ASSERT(secret_open(&KEY, id, input, &open) == ERR_CORRUPT);
    enum err err = secret_seal(&KEY, id, input, &sealed);
    ASSERT((err == ERR_OK) == (input.length <= SECRET_BYTES_MAX));
    if (err == ERR_OK) {
        ASSERT(secret_open(&KEY, id, buffer_view(&sealed), &open) == ERR_OK);
        ASSERT(slice_equal(buffer_view(&open), input));
    }
    buffer_deinit(&sealed);
    buffer_deinit(&open);
}

void fuzz_input(struct slice input)
{
    static void (*const CHECKS[])(struct slice) = {check_update, check_file, check_made, check_secret};
    uint8_t choice = fuzz_byte(&input);
    CHECKS[choice % (sizeof CHECKS / sizeof CHECKS[0])](input);
}
