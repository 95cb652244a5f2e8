/* A tenant's CreateTable, ListTables and DescribeTable as control takes them. */
#include "controlplane/control/table_request.h"
#include "dataplane/item/key.h"
#include "tests/fuzz/words.h"

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
    static const struct table_scope scope = {.region = "eu-west-1", .tenant_id = "000000000001"};
    char name[TABLE_NAME_BYTES_MAX + 1];
    struct answer answer;
    answer_init(&answer);
    enum err err = table_request_name(request, &scope, name, &answer);
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

void fuzz_input(struct slice input)
{
    json_t *request = json_loadb((const char *)input.data, input.length, 0, NULL);
    if (request == NULL)
        return;
    check_create(request);
    check_name(request);
    check_list(request);
    json_decref(request);
}
