#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "controlplane/bundle/file.h"
#include "controlplane/bundle/seal.h"
#include "controlplane/bundle/update.h"

static struct cluster_key make_key(char digit)
{
    char text[65];
    struct cluster_key key;
    memset(text, digit, 64);
    text[64] = '\n';
    assert_int_equal(cluster_key_parse(slice_make(text, 65), &key, NULL), ERR_OK);
    return key;
}

static struct bundle_object make_object(const struct cluster_key *key, const char *id, uint64_t version,
                                        const char *body, uint8_t *signature)
{
    struct bundle_object object = {.kind = BUNDLE_TABLE,
                                   .version = version,
                                   .id = slice_from_string(id),
                                   .body = slice_from_string(body)};
    bundle_object_sign(key, &object, signature);
    object.signature = slice_make(signature, BUNDLE_SIGNATURE_BYTES);
    return object;
}

static void put(struct bundle_store *store, const struct cluster_key *key, const char *id, uint64_t version,
                const char *body)
{
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object object = make_object(key, id, version, body, signature);
    assert_int_equal(bundle_store_put(store, &object), ERR_OK);
    bundle_store_advance(store, version);
}

static struct bundle_store *make_store(const struct cluster_key *key)
{
    struct bundle_store *store = bundle_store_create();
    put(store, key, "1/a", 1, "first");
    put(store, key, "1/b", 2, "second");
    put(store, key, "1/c", 3, "third");
    put(store, key, "1/a", 4, "first again");
    return store;
}

static void cluster_key_wants_64_hex_digits(void **state)
{
    struct cluster_key key;
    struct error error;
    assert_int_equal(cluster_key_parse(SLICE_LITERAL("abc"), &key, &error), ERR_CONFIG);
    char text[64];
    memset(text, 'x', sizeof text);
    assert_int_equal(cluster_key_parse(slice_make(text, sizeof text), &key, &error), ERR_CONFIG);
    assert_int_equal(cluster_key_load("/nonexistent/key", &key, &error), ERR_CONFIG);
    key = make_key('a');
    assert_memory_not_equal(key.sealing, key.signing, CLUSTER_KEY_BYTES);
}

static void secret_opens_only_for_its_id_and_key(void **state)
{
    struct cluster_key key = make_key('a');
    struct cluster_key other = make_key('b');
    struct buffer sealed, opened;
    buffer_init(&sealed, 4096);
    buffer_init(&opened, 4096);
    assert_int_equal(secret_seal(&key, SLICE_LITERAL("AKIA1"), SLICE_LITERAL("secret"), &sealed), ERR_OK);
    assert_int_equal(secret_open(&key, SLICE_LITERAL("AKIA2"), buffer_view(&sealed), &opened), ERR_CORRUPT);
    assert_int_equal(secret_open(&other, SLICE_LITERAL("AKIA1"), buffer_view(&sealed), &opened), ERR_CORRUPT);
    assert_int_equal(opened.length, 0);
    assert_int_equal(secret_open(&key, SLICE_LITERAL("AKIA1"), buffer_view(&sealed), &opened), ERR_OK);
    assert_true(slice_equal_string(buffer_view(&opened), "secret"));
    for (size_t i = 0; i < sealed.length; i++) {
        sealed.data[i] ^= 1;
        assert_int_equal(secret_open(&key, SLICE_LITERAL("AKIA1"), buffer_view(&sealed), &opened),
                         ERR_CORRUPT);
        sealed.data[i] ^= 1;
    }
    assert_int_equal(secret_open(&key, SLICE_LITERAL("AKIA1"), SLICE_EMPTY, &opened), ERR_CORRUPT);
    char large[SECRET_BYTES_MAX + 1] = {0};
    assert_int_equal(secret_seal(&key, SLICE_EMPTY, slice_make(large, sizeof large), &sealed), ERR_LIMIT);
    buffer_deinit(&sealed);
    buffer_deinit(&opened);
}

static void object_that_was_changed_does_not_verify(void **state)
{
    struct cluster_key key = make_key('a');
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object object = make_object(&key, "1/a", 7, "body", signature);
    assert_int_equal(bundle_object_verify(&key, &object), ERR_OK);
    struct bundle_object changed = object;
    changed.version = 8;
    assert_int_equal(bundle_object_verify(&key, &changed), ERR_CORRUPT);
    changed = object;
    changed.is_deleted = true;
    assert_int_equal(bundle_object_verify(&key, &changed), ERR_CORRUPT);
    changed = object;
    changed.id = SLICE_LITERAL("1/ab"); /* the boundary of id and body is signed too */
    changed.body = SLICE_LITERAL("ody");
    assert_int_equal(bundle_object_verify(&key, &changed), ERR_CORRUPT);
    changed = object;
    changed.kind = BUNDLE_KIND_COUNT;
    assert_int_equal(bundle_object_verify(&key, &changed), ERR_CORRUPT);
}

static bool collect(const struct bundle_object *object, void *data)
{
    struct buffer *to = data;
    buffer_append_format(to, "%.*s@%u ", SLICE_PRINTF(object->id), (unsigned)object->version);
    return true;
}

static void assert_walk(const struct bundle_store *store, uint64_t since, const char *expected)
{
    struct buffer text;
    buffer_init(&text, 4096);
    bundle_store_walk(store, since, collect, &text);
    buffer_append_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    buffer_deinit(&text);
}

static void store_gives_what_changed_since_a_version(void **state)
{
    struct cluster_key key = make_key('a');
    struct bundle_store *store = make_store(&key);
    assert_int_equal(bundle_store_count(store), 3);
    assert_int_equal(bundle_store_version(store), 4);
    assert_walk(store, 0, "1/b@2 1/c@3 1/a@4 ");
    assert_walk(store, 3, "1/a@4 ");
    assert_walk(store, 4, "");
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object old = make_object(&key, "1/a", 3, "old", signature);
    assert_int_equal(bundle_store_put(store, &old), ERR_STALE);
    struct bundle_object found;
    assert_true(bundle_store_get(store, BUNDLE_TABLE, SLICE_LITERAL("1/a"), &found));
    assert_true(slice_equal_string(found.body, "first again"));
    assert_false(bundle_store_get(store, BUNDLE_TENANT, SLICE_LITERAL("1/a"), &found));
    bundle_store_destroy(store);
}

static void deleted_object_stays_as_a_tombstone(void **state)
{
    struct cluster_key key = make_key('a');
    struct bundle_store *store = make_store(&key);
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object gone = make_object(&key, "1/b", 5, "", signature);
    gone.is_deleted = true;
    struct bundle_object found;
    assert_int_equal(bundle_store_put(store, &gone), ERR_OK);
    assert_false(bundle_store_get(store, BUNDLE_TABLE, SLICE_LITERAL("1/b"), &found));
    assert_int_equal(bundle_store_count(store), 3);
    assert_int_equal(bundle_store_count_of(store, BUNDLE_TABLE), 2);
    assert_walk(store, 4, "1/b@5 ");
    bundle_store_destroy(store);
}

static void count_change(const struct bundle_object *object, void *data)
{
    ++*(int *)data;
}

/* All of `from` to `to` in pieces of about bytes_max. Returns the number of updates. */
static int follow(const struct bundle_store *from, struct bundle_store *to, const struct cluster_key *key,
                  size_t bytes_max, int *changes)
{
    bool has_more = true;
    int updates = 0;
    while (has_more) {
        struct buffer packed;
        struct arena scratch;
        buffer_init(&packed, 1 << 20);
        arena_init(&scratch, 4096, 1 << 20);
        bundle_update_append(&packed, from, bundle_store_version(to), bytes_max);
        assert_int_equal(
            bundle_update_apply(to, key, buffer_view(&packed), &scratch, count_change, changes, &has_more),
            ERR_OK);
        arena_deinit(&scratch);
        buffer_deinit(&packed);
        updates++;
    }
    return updates;
}

static void follower_catches_up_in_pieces(void **state)
{
    struct cluster_key key = make_key('a');
    struct bundle_store *from = make_store(&key);
    struct bundle_store *to = bundle_store_create();
    int changes = 0;
    assert_int_equal(follow(from, to, &key, 1, &changes), 3);
    assert_int_equal(changes, 3);
    assert_int_equal(bundle_store_version(to), 4);
    assert_walk(to, 0, "1/b@2 1/c@3 1/a@4 ");
    put(from, &key, "2/x", 9, "new");
    assert_int_equal(follow(from, to, &key, 1 << 20, &changes), 1);
    assert_int_equal(changes, 4);
    bundle_store_destroy(from);
    bundle_store_destroy(to);
}

static void update_is_refused_when_it_leaves_a_gap_or_is_not_signed(void **state)
{
    struct cluster_key key = make_key('a');
    struct cluster_key other = make_key('b');
    struct bundle_store *from = make_store(&key);
    struct bundle_store *to = bundle_store_create();
    struct buffer packed;
    struct arena scratch;
    bool has_more;
    buffer_init(&packed, 1 << 20);
    arena_init(&scratch, 4096, 1 << 20);
    bundle_update_append(&packed, from, 3, 1 << 20);
    assert_int_equal(bundle_update_apply(to, &key, buffer_view(&packed), &scratch, NULL, NULL, &has_more),
                     ERR_STALE);
    buffer_clear(&packed);
    bundle_update_append(&packed, from, 0, 1 << 20);
    assert_int_equal(bundle_update_apply(to, &other, buffer_view(&packed), &scratch, NULL, NULL, &has_more),
                     ERR_CORRUPT);
    assert_int_equal(bundle_store_version(to), 0);
    assert_int_equal(
        bundle_update_apply(to, &key, SLICE_LITERAL("\xff\xff"), &scratch, NULL, NULL, &has_more),
        ERR_INVALID);
    arena_deinit(&scratch);
    buffer_deinit(&packed);
    bundle_store_destroy(from);
    bundle_store_destroy(to);
}

static void file_with_any_flipped_byte_is_refused(void **state)
{
    struct cluster_key key = make_key('a');
    struct bundle_store *store = make_store(&key);
    struct bundle_store *copy = bundle_store_create();
    struct buffer bytes;
    struct error error;
    buffer_init(&bytes, 1 << 20);
    bundle_file_encode(&bytes, store);
    assert_int_equal(bundle_file_decode(buffer_view(&bytes), &key, copy, &error), ERR_OK);
    assert_walk(copy, 0, "1/b@2 1/c@3 1/a@4 ");
    assert_int_equal(bundle_store_version(copy), 4);
    bundle_store_clear(copy);
    for (size_t i = 0; i < bytes.length; i++) {
        bytes.data[i] ^= 0x40;
        assert_int_equal(bundle_file_decode(buffer_view(&bytes), &key, copy, &error), ERR_CORRUPT);
        assert_int_equal(bundle_store_count(copy), 0);
        bytes.data[i] ^= 0x40;
    }
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(bundle_file_decode(slice_make(bytes.data, length), &key, copy, &error), ERR_CORRUPT);
    struct cluster_key other = make_key('b');
    assert_int_equal(bundle_file_decode(buffer_view(&bytes), &other, copy, &error), ERR_CORRUPT);
    buffer_deinit(&bytes);
    bundle_store_destroy(store);
    bundle_store_destroy(copy);
}

static void file_is_replaced_as_a_whole(void **state)
{
    char directory[] = "/tmp/bundle_test_XXXXXX";
    char path[64];
    struct error error;
    struct buffer bytes;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/bundle", directory);
    buffer_init(&bytes, 1024);
    assert_int_equal(bundle_file_read(path, &bytes, &error), ERR_NOT_FOUND);
    assert_int_equal(bundle_file_write(path, SLICE_LITERAL("old"), &error), ERR_OK);
    assert_int_equal(bundle_file_write(path, SLICE_LITERAL("newer"), &error), ERR_OK);
    assert_int_equal(bundle_file_write("/nonexistent/bundle", SLICE_EMPTY, &error), ERR_IO);
    buffer_deinit(&bytes);
    buffer_init(&bytes, 1 << 20);
    assert_int_equal(bundle_file_read(path, &bytes, &error), ERR_OK);
    assert_true(slice_equal_string(buffer_view(&bytes), "newer"));
    buffer_deinit(&bytes);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void store_survives_every_failed_allocation(void **state)
{
    struct cluster_key key = make_key('a');
    uint8_t signature[BUNDLE_SIGNATURE_BYTES];
    struct bundle_object object = make_object(&key, "1/a", 1, "body", signature);
    enum err err = ERR_NO_MEMORY;
    for (int n = 0; err != ERR_OK; n++) {
        struct bundle_store *store = bundle_store_create();
        memory_fail_after(n);
        err = bundle_store_put(store, &object);
        memory_fail_after(-1);
        assert_int_equal(bundle_store_count(store), err == ERR_OK);
        bundle_store_destroy(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cluster_key_wants_64_hex_digits),
        cmocka_unit_test(secret_opens_only_for_its_id_and_key),
        cmocka_unit_test(object_that_was_changed_does_not_verify),
        cmocka_unit_test(store_gives_what_changed_since_a_version),
        cmocka_unit_test(deleted_object_stays_as_a_tombstone),
        cmocka_unit_test(follower_catches_up_in_pieces),
        cmocka_unit_test(update_is_refused_when_it_leaves_a_gap_or_is_not_signed),
        cmocka_unit_test(file_with_any_flipped_byte_is_refused),
        cmocka_unit_test(file_is_replaced_as_a_whole),
        cmocka_unit_test(store_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
