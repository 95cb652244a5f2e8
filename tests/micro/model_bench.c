/* Nanoseconds per PutItem request of 900 bytes of item: the model's pass, with the item skipped as it goes by, beside the
 * bare scan of the same body. The difference is what checking costs. */
#include <stdio.h>
#include <stdlib.h>

#include "api/model/request.h"
#include "base/clock.h"

static enum err skip_item(void *data, struct json *j, struct error *error)
{
    return json_skip(j) ? ERR_OK : ERR_SERIALIZATION;
}

static bool scan(struct slice body)
{
    struct json j;
    struct json_string name, text;
    json_init(&j, body);
    json_object_begin(&j);
    while (json_object_next(&j, &name))
        if (json_peek(&j) == JSON_STRING)
            json_string(&j, &text);
        else
            json_skip(&j);
    return json_finish(&j);
}

static bool check(const struct model_operation *operation, struct slice body, struct arena *arena)
{
    static const struct model_hook hook = {.id = MEMBER_ITEM, .read = skip_item};
    const struct model_options options = {.hooks = &hook, .hook_count = 1};
    struct model_request request;
    const char *words;
    bool is_good = model_read(operation, body, &options, arena, &request, &words) == ERR_OK;
    arena_reset(arena);
    return is_good;
}

static int make_request(char *text, size_t size)
{
    int length = snprintf(
        text, size, "{\"TableName\":\"usertable\",\"Item\":{\"pk\":{\"S\":\"user8517097267634966620\"}");
    for (int field = 9; field > 0; field--)
        length +=
            snprintf(text + length, size - (size_t)length, ",\"field%d\":{\"S\":\"%0*d\"}", field, 75, field);
    return length + snprintf(text + length, size - (size_t)length,
                             "},\"ReturnValues\":\"NONE\",\"ReturnConsumedCapacity\":\"TOTAL\"}");
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
    char text[2048];
    struct slice body = slice_make(text, (size_t)make_request(text, sizeof text));
    const struct model_operation *operation = model_operation_find(SLICE_LITERAL("PutItem"));
    struct arena arena;
    bool is_good = true;
    arena_init(&arena, 16 * 1024, 1 << 20);

    uint64_t start = clock_boot_us();
    for (long i = 0; i < rounds; i++)
        is_good &= scan(body);
    uint64_t middle = clock_boot_us();
    for (long i = 0; i < rounds; i++)
        is_good &= check(operation, body, &arena);
    uint64_t end = clock_boot_us();
    printf("{\"bench\":\"model_put_item\",\"json_bytes\":%zu,\"rounds\":%ld,\"scan_ns\":%llu,\"model_ns\":%"
           "llu}\n",
           body.length, rounds, (unsigned long long)((middle - start) * 1000 / (uint64_t)rounds),
           (unsigned long long)((end - middle) * 1000 / (uint64_t)rounds));
    arena_deinit(&arena);
    return is_good ? 0 : 1;
}
