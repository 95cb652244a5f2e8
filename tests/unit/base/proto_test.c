#include "base/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

/* message Example { uint64 number = 1; string text = 2; bytes blob = 3; } as protoc-c would write it. */
struct example {
    ProtobufCMessage base;
    uint64_t number;
    char *text;
    ProtobufCBinaryData blob;
};

static const ProtobufCFieldDescriptor fields[] = {
    {.name = "number",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_UINT64,
     .offset = offsetof(struct example, number)},
    {.name = "text",
     .id = 2,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_STRING,
     .offset = offsetof(struct example, text),
     .default_value = protobuf_c_empty_string},
    {.name = "blob",
     .id = 3,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_BYTES,
     .offset = offsetof(struct example, blob)},
};
static const unsigned by_name[] = {2, 0, 1};
static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 3}};
static void example_init(ProtobufCMessage *message);
static const ProtobufCMessageDescriptor descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Example",
    .sizeof_message = sizeof(struct example),
    .n_fields = 3,
    .fields = fields,
    .fields_sorted_by_name = by_name,
    .n_field_ranges = 1,
    .field_ranges = ranges,
    .message_init = example_init,
};

static void example_init(ProtobufCMessage *message)
{
    *(struct example *)message = (struct example){.base = PROTOBUF_C_MESSAGE_INIT(&descriptor)};
}

static void fill(struct example *e)
{
    static char text[] = "forty-two";
    example_init(&e->base);
    e->number = 1234567890123;
    e->text = text;
    e->blob = proto_bytes(SLICE_LITERAL("blob"));
}

static void a_message_passes_through_arena_and_buffer(void **state)
{
    struct example e;
    fill(&e);
    struct arena arena;
    arena_init(&arena, 1024, 4096);
    struct buffer b;
    buffer_init(&b, 1000);
    proto_append(&b, &e.base);
    assert_true(slice_equal(buffer_view(&b), proto_pack(&e.base, &arena)));
    const struct example *back = proto_unpack(&descriptor, buffer_view(&b), &arena);
    assert_non_null(back);
    assert_int_equal(back->number, e.number);
    assert_string_equal(back->text, e.text);
    assert_true(slice_equal_string(proto_slice(back->blob), "blob"));
    /* An empty message is no bytes at all. */
    buffer_clear(&b);
    example_init(&e.base);
    e.text = NULL;
    proto_append(&b, &e.base);
    assert_int_equal(b.length, 0);
    assert_non_null(proto_unpack(&descriptor, SLICE_EMPTY, &arena));
    buffer_deinit(&b);
    arena_deinit(&arena);
}

static void damaged_messages_are_invalid_and_a_spent_arena_is_told_apart(void **state)
{
    struct example e;
    fill(&e);
    struct arena arena;
    arena_init(&arena, 1024, 8192);
    struct slice good = proto_pack(&e.base, &arena);
    ProtobufCMessage *message;
    assert_int_equal(proto_decode(&descriptor, good, &arena, &message), ERR_OK);
    assert_int_equal(proto_decode(&descriptor, slice_make(good.data, good.length - 1), &arena, &message),
                     ERR_INVALID);
    struct random random;
    random_init(&random, 2);
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[64];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)random_u64(&random);
        struct arena small;
        arena_init(&small, 256, 1024);
        enum err err =
            proto_decode(&descriptor, slice_make(bytes, random_below(&random, 64)), &small, &message);
        assert_true(err == ERR_OK || err == ERR_INVALID || err == ERR_NO_MEMORY);
        arena_deinit(&small);
    }
    struct arena tiny;
    arena_init(&tiny, 16, 16);
    assert_int_equal(proto_decode(&descriptor, good, &tiny, &message), ERR_NO_MEMORY);
    assert_null(proto_pack(&e.base, &tiny).data);
    arena_deinit(&tiny);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_passes_through_arena_and_buffer),
        cmocka_unit_test(damaged_messages_are_invalid_and_a_spent_arena_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
