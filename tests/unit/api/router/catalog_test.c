#include "api/router/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/buffer.h"
#include "controlplane/proto/controlplane.pb-c.h"

static const char TENANT[] = "100000000001";
static const char OTHER[] = "100000000002";

static void take(struct catalog *c, enum bundle_kind kind, const char *id, const ProtobufCMessage *body)
{
    uint8_t bytes[1024];
    struct bundle_object object = {.kind = kind, .version = 1, .id = slice_from_string(id)};
    object.is_deleted = body == NULL;
    if (body != NULL) {
        assert_true(protobuf_c_message_get_packed_size(body) <= sizeof bytes);
        object.body = slice_make(bytes, protobuf_c_message_pack(body, bytes));
    }
    assert_int_equal(catalog_take(c, &object), ERR_OK);
    memset(bytes, 0xee, sizeof bytes); /* the catalog has its own copy */
}

static void take_tenant(struct catalog *c, const char *id, bool is_suspended)
{
    char text[16];
    Sluice__Controlplane__TenantBody body;
    sluice__controlplane__tenant_body__init(&body);
    memcpy(text, id, strlen(id) + 1);
    body.tenant_id = text;
    body.is_suspended = is_suspended;
    take(c, BUNDLE_TENANT, id, &body.base);
}

static void take_key(struct catalog *c, const char *id, const char *tenant, bool is_revoked)
{
    char text[32];
    uint8_t secret[] = {1, 2, 3};
    Sluice__Controlplane__AccessKeyBody body;
    sluice__controlplane__access_key_body__init(&body);
    memcpy(text, tenant, strlen(tenant) + 1);
    body.tenant_id = text;
    body.sealed_secret = (ProtobufCBinaryData){.len = sizeof secret, .data = secret};
    body.is_revoked = is_revoked;
    take(c, BUNDLE_ACCESS_KEY, id, &body.base);
}

static void take_table(struct catalog *c, const char *id, uint64_t space_id, uint32_t status)
{
    char name[] = "Music", arn[] = "arn:aws:dynamodb:us-east-1:100000000001:table/Music";
    struct buffer schema;
    buffer_init(&schema, 1024);
    const struct key_schema key = {
        .version = 1,
        .partition = {.name = SLICE_LITERAL("Artist"), .type = VALUE_S},
    };
    key_schema_encode(&key, &schema);
    Sluice__Controlplane__TableBody body;
    sluice__controlplane__table_body__init(&body);
    body.name = name;
    body.arn = arn;
    body.space_id = space_id;
    body.status = status;
    body.billing_mode = space_id % 2; /* odd ones are on demand */
    body.schema = (ProtobufCBinaryData){.len = schema.length, .data = schema.data};
    take(c, BUNDLE_TABLE, id, &body.base);
    buffer_deinit(&schema);
}

static int setup(void **state)
{
    *state = catalog_create();
    return *state == NULL;
}

static int teardown(void **state)
{
    catalog_destroy(*state);
    return 0;
}

static const struct catalog_table *find_music(const struct catalog *c, const char *tenant)
{
    return catalog_find_table(c, tenant, SLICE_LITERAL("Music"));
}

static void a_key_counts_while_it_and_its_tenant_do(void **state)
{
    struct catalog *c = *state;
    struct slice id = SLICE_LITERAL("AKIA1");
    take_key(c, "AKIA1", TENANT, false);
    assert_null(catalog_find_key(c, id)); /* its tenant is not known */
    take_tenant(c, TENANT, false);
    const struct catalog_key *key = catalog_find_key(c, id);
    assert_non_null(key);
    assert_string_equal(key->tenant_id, TENANT);
    assert_int_equal(key->sealed_secret.length, 3);
    take_tenant(c, TENANT, true);
    assert_null(catalog_find_key(c, id));
    take_tenant(c, TENANT, false);
    take_key(c, "AKIA1", TENANT, true);
    assert_null(catalog_find_key(c, id));
    take_key(c, "AKIA1", TENANT, false);
    take(c, BUNDLE_TENANT, TENANT, NULL);
    assert_null(catalog_find_key(c, id));
    take(c, BUNDLE_ACCESS_KEY, "AKIA1", NULL);
    take(c, BUNDLE_ACCESS_KEY, "AKIA1", NULL); /* of what is not there */
}

static void a_table_is_its_tenants_only(void **state)
{
    struct catalog *c = *state;
    take_table(c, "100000000001/Music", 7, TABLE_ACTIVE);
    const struct catalog_table *table = find_music(c, TENANT);
    assert_non_null(table);
    assert_int_equal(table->space_id, 7);
    assert_true(table->is_on_demand);
    assert_true(slice_equal_string(table->schema.partition.name, "Artist"));
    assert_null(find_music(c, OTHER));
    assert_null(catalog_find_table(c, "1000000000", SLICE_LITERAL("01/Music")));
    assert_null(catalog_find_table(c, TENANT, SLICE_EMPTY));
}

static void a_table_changes_and_goes(void **state)
{
    struct catalog *c = *state;
    take_table(c, "100000000001/Music", 7, TABLE_CREATING);
    take_table(c, "100000000001/Music", 8, TABLE_ACTIVE);
    assert_int_equal(find_music(c, TENANT)->space_id, 8);
    assert_false(find_music(c, TENANT)->is_on_demand);
    assert_int_equal(find_music(c, TENANT)->status, TABLE_ACTIVE);
    take(c, BUNDLE_TABLE, "100000000001/Music", NULL);
    assert_null(find_music(c, TENANT));
}

static void what_is_not_understood_changes_nothing(void **state)
{
    struct catalog *c = *state;
    take_table(c, "100000000001/Music", 7, TABLE_ACTIVE);
    take_table(c, "100000000001/Music", 9, TABLE_DELETING + 1); /* a status of later versions */
    assert_int_equal(find_music(c, TENANT)->space_id, 7);
    const struct bundle_object garbage = {
        .version = 2, .id = SLICE_LITERAL("100000000001/Music"), .body = SLICE_LITERAL("\xff\xff\xff")};
    for (int kind = 0; kind < BUNDLE_KIND_COUNT; kind++) {
        struct bundle_object object = garbage;
        object.kind = (enum bundle_kind)kind;
        assert_int_equal(catalog_take(c, &object), ERR_OK);
    }
    assert_int_equal(find_music(c, TENANT)->space_id, 7);
}

static void a_name_of_any_length_is_not_found(void **state)
{
    char name[70000];
    memset(name, 'a', sizeof name);
    for (size_t length = 480; length < sizeof name; length = length < 600 ? length + 1 : length * 2)
        assert_null(catalog_find_table(*state, TENANT, slice_make(name, length)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_counts_while_it_and_its_tenant_do),
        TEST(a_table_is_its_tenants_only),
        TEST(a_table_changes_and_goes),
        TEST(what_is_not_understood_changes_nothing),
        TEST(a_name_of_any_length_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
