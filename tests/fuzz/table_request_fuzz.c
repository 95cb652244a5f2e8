/* A tenant's requests about tables as control takes them: one body is read as each of them. */
#include "base/memory.h"
#include "controlplane/control/table_update_request.h"
#include "controlplane/control/tag_request.h"
#include "dataplane/item/key.h"
#include "tests/fuzz/words.h"

static const struct table_scope SCOPE = {.region = "eu-west-1", .tenant_id = "000000000001"};

static void check_refusal(enum err err, const struct answer *answer)
{
    if (err == ERR_OK)
        return;
    ASSERT(answer->code != ERR_OK);
    fuzz_check_words(answer->message);
}

static void check_create(const json_t *request)
{
    struct answer answer;
    struct table_spec spec;
    answer_init(&answer);
    enum err err = table_request_create(request, &spec, &answer);
    check_refusal(err, &answer);
    if (err == ERR_OK) {
        struct buffer bytes = fuzz_buffer();
        struct key_schema schema;
        ASSERT(table_spec_partition_count(&spec) >= 1);
        table_spec_append_schema(&spec, 1, &bytes);
        ASSERT(key_schema_decode(buffer_view(&bytes), &schema) == ERR_OK);
        buffer_deinit(&bytes);
        table_spec_deinit(&spec);
    }
    answer_deinit(&answer);
}

static void check_name(const json_t *request)
{
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct answer answer;
    answer_init(&answer);
    enum err err = table_request_name(request, &SCOPE, name, &answer);
    check_refusal(err, &answer);
    if (err == ERR_OK)
        ASSERT(strlen(name) <= TABLE_NAME_BYTES_MAX);
    answer_deinit(&answer);
}

static void check_list(const json_t *request)
{
    const char *start;
    size_t limit;
    struct answer answer;
    answer_init(&answer);
    enum err err = table_request_list(request, &start, &limit, &answer);
    check_refusal(err, &answer);
    if (err == ERR_OK)
        ASSERT(start != NULL && limit >= 1 && limit <= LIST_TABLES_MAX);
    answer_deinit(&answer);
}

/* A table of one kind, as it is afterwards. */
static void check_updated(const struct table_update *update, struct table_spec spec)
{
    struct answer answer;
    answer_init(&answer);
    enum err err = table_update_apply(update, UINT64_C(1700000000000000), &spec, &answer);
    if (err != ERR_STALE)
        check_refusal(err, &answer);
    if (err == ERR_OK)
        ASSERT(table_spec_partition_count(&spec) >= 1);
    answer_deinit(&answer);
}

static void check_update(const json_t *request)
{
    struct table_update update;
    struct answer answer;
    answer_init(&answer);
    enum err err = table_update_read(request, &SCOPE, &update, &answer);
    check_refusal(err, &answer);
    if (err == ERR_OK) {
        check_updated(&update, (struct table_spec){.name = "t", .is_on_demand = true});
        check_updated(&update, (struct table_spec){.name = "t", .read_units = 5, .write_units = 5});
    }
    answer_deinit(&answer);
}

static void check_tagged(const struct tag_request *tags, struct answer *answer)
{
    char *changed;
    enum err err = tag_request_apply(tags, "[{\"Key\":\"a\",\"Value\":\"b\"}]", &changed, answer);
    check_refusal(err, answer);
    if (err == ERR_OK) {
        json_t *list = tags_load(changed);
        ASSERT(json_is_array(list) && json_array_size(list) <= TABLE_TAGS_MAX);
        json_decref(list);
        memory_free(changed);
    }
}

static void check_tags(const json_t *request, enum tag_operation operation)
{
    struct tag_request tags;
    struct answer answer;
    answer_init(&answer);
    enum err err = tag_request_read(operation, request, &SCOPE, "arn:aws:iam::1:user/x", &tags, &answer);
    check_refusal(err, &answer);
    if (err == ERR_OK) {
        ASSERT(tags.name[0] != '\0' && tags.arn[0] != '\0');
        if (operation != TAG_LIST)
            check_tagged(&tags, &answer);
    }
    answer_deinit(&answer);
}

void fuzz_input(struct slice input)
{
    json_t *request = json_loadb((const char *)input.data, input.length, 0, NULL);
    if (request == NULL)
        return;
    check_create(request);
    check_name(request);
    check_list(request);
    check_update(request);
    check_tags(request, TAG_LIST);
    check_tags(request, TAG_ADD);
    check_tags(request, TAG_REMOVE);
    json_decref(request);
}
