/* TagResource and UntagResource: one transaction stores a table's tags. Nobody but control knows them. */
#include <jansson.h>

#include "base/memory.h"
#include "controlplane/control/control_internal.h"
#include "controlplane/control/tag_request.h"

struct tags_change {
    struct change change;
    char tenant_id[TENANT_ID_BYTES + 1];
    struct tag_request request;
    json_t *list; /* what request.list views */
    struct table *table;
    char *tags; /* as they will be */
    struct answer *answer;
    answer_cb done;
    void *data;
};

static enum err tags_prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct tags_change *tags = (struct tags_change *)change;
    const struct tenant *tenant = catalog_tenant(&control->catalog, tags->tenant_id);
    struct table *table = tenant == NULL ? NULL : tenant_table(tenant, tags->request.name);
    if (table == NULL)
        return answer_refuse(tags->answer, ERR_RESOURCE_NOT_FOUND,
                             "Requested resource not found: ResourcArn: %s not found", tags->request.arn);
    if (table->status == TABLE_DELETING)
        return answer_refuse(tags->answer, ERR_RESOURCE_IN_USE,
                             "Attempt to change a resource which is still in use: Table is being deleted: %s",
                             tags->request.name);
    TRY(tag_request_apply(&tags->request, table->spec.tags, &tags->tags, tags->answer));
    tags->table = table;
    sql_begin(batch, "UPDATE tables SET tags = $2 WHERE space_id = $1");
    sql_u64(batch, table->space_id);
    sql_text(batch, tags->tags);
    return ERR_OK;
}

static enum err tags_apply(struct control *control, struct change *change)
{
    struct tags_change *tags = (struct tags_change *)change;
    memory_free(tags->table->spec.tags);
    tags->table->spec.tags = tags->tags;
    tags->tags = NULL;
    (void)answer_json(tags->answer, json_object()); /* says so itself */
    return ERR_OK;
}

static void tags_done(struct control *control, struct change *change, enum err err)
{
    struct tags_change *tags = (struct tags_change *)change;
    if (err != ERR_OK && tags->answer->code == ERR_OK)
        answer_refuse(tags->answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    tags->done(tags->answer, tags->data);
    json_decref(tags->list);
    memory_free(tags->tags);
    memory_free(tags);
}

void control_change_tags(struct control *control, struct tenant *tenant, const struct tag_request *request,
                         struct answer *answer, answer_cb done, void *data)
{
    struct tags_change *tags = memory_zalloc(sizeof *tags);
    json_t *list = json_deep_copy(request->list);
    if (tags == NULL || list == NULL) {
        memory_free(tags);
        json_decref(list);
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        done(answer, data);
        return;
    }
    tags->change = (struct change){.prepare = tags_prepare, .apply = tags_apply, .done = tags_done};
    memcpy(tags->tenant_id, tenant->id, sizeof tags->tenant_id);
    tags->request = *request;
    tags->list = list;
    tags->request.list = list;
    tags->answer = answer;
    tags->done = done;
    tags->data = data;
    control_submit(control, &tags->change);
}
