#include "controlplane/control/tag_request.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "controlplane/control/table_request_internal.h"

struct tag_form {
    const char *operation;
    const char *list; /* NULL: none */
    const char *empty;
};

static const struct tag_form tag_forms[] = {
    [TAG_LIST] = {"ListTagsOfResource", NULL, NULL},
    [TAG_ADD] = {"TagResource", "Tags", "Atleast one Tag needs to be provided as Input."},
    [TAG_REMOVE] = {"UntagResource", "TagKeys", "Atleast one Tag Key needs to be provided as Input."},
};

/* The model counts characters, so there may be more bytes than have room. */
static enum err refuse_arn(const char *arn, struct answer *answer)
{
    char shown[TAGGED_ARN_BYTES_MAX + 1];
    (void)snprintf(shown, sizeof shown, "%s", arn); /* cut */
    error_cut_text(shown, sizeof shown);
    return answer_refuse(answer, ERR_VALIDATION, "Invalid TableArn: Invalid ResourceArn provided as input %s",
                         shown);
}

static enum err read_arn(const json_t *request, const struct table_scope *scope,
                         struct tag_request *ret_request, bool *ret_is_foreign, struct answer *answer)
{
    const char *arn = request_text(request, "ResourceArn");
    if (arn[0] == '\0')
        return answer_refuse(answer, ERR_VALIDATION, "Invalid TableArn");
    const char *name = request_name_in_arn(arn, scope, ret_is_foreign);
    if (name == NULL || name[0] == '\0' || strlen(name) > TABLE_NAME_BYTES_MAX ||
        strlen(arn) >= sizeof ret_request->arn)
        return refuse_arn(arn, answer);
    (void)snprintf(ret_request->name, sizeof ret_request->name, "%s", name); /* lengths were checked */
    (void)snprintf(ret_request->arn, sizeof ret_request->arn, "%s", arn);
    return ERR_OK;
}

enum err tag_request_read(enum tag_operation operation, const json_t *request,
                          const struct table_scope *scope, const char *principal_arn,
                          struct tag_request *ret_request, struct answer *answer)
{
    const struct tag_form *form = &tag_forms[operation];
    bool is_foreign = false;
    ret_request->operation = operation;
    TRY(read_arn(request, scope, ret_request, &is_foreign, answer));
    ret_request->list = form->list == NULL ? NULL : request_member(request, form->list);
    if (form->list != NULL && json_array_size(ret_request->list) == 0)
        return answer_refuse(answer, ERR_VALIDATION, "%s", form->empty);
    if (operation == TAG_ADD)
        TRY(request_check_tags(ret_request->list, answer));
    if (is_foreign)
        return answer_refuse(answer, ERR_ACCESS_DENIED,
                             "User: %.200s is not authorized to perform: dynamodb:%s on resource: %s",
                             principal_arn, form->operation, ret_request->arn);
    return ERR_OK;
}

json_t *tags_load(const char *tags)
{
    return tags == NULL ? json_array() : json_loads(tags, 0, NULL);
}

static bool is_named(const struct tag_request *request, const char *key)
{
    for (size_t i = 0; i < json_array_size(request->list); i++) {
        const json_t *element = json_array_get(request->list, i);
        const char *named =
            json_is_string(element) ? json_string_value(element) : request_text(element, "Key");
        if (strcmp(named, key) == 0)
            return true;
    }
    return false;
}

/* What is named goes, or comes back at the end with its new value. */
static void change(const struct tag_request *request, json_t *tags)
{
    for (size_t i = json_array_size(tags); i-- > 0;) {
        if (is_named(request, request_text(json_array_get(tags, i), "Key")))
            (void)json_array_remove(tags, i); /* it is there */
    }
    for (size_t i = 0; request->operation == TAG_ADD && i < json_array_size(request->list); i++) {
        const json_t *tag = json_array_get(request->list, i);
        (void)json_array_append_new(tags,
                                    json_pack("{s:s, s:s}", "Key", request_text(tag, "Key"), "Value",
                                              request_text(tag, "Value"))); /* no memory shows in the count */
    }
}

enum err tag_request_apply(const struct tag_request *request, const char *tags, char **ret_tags,
                           struct answer *answer)
{
    json_t *list = tags_load(tags);
    change(request, list);
    size_t count = json_array_size(list);
    char *changed = list == NULL ? NULL : json_dumps(list, JSON_COMPACT);
    json_decref(list);
    if (changed == NULL)
        return answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
    *ret_tags = changed;
    if (count <= TABLE_TAGS_MAX)
        return ERR_OK;
    memory_free(changed);
    *ret_tags = NULL;
    return answer_refuse(answer, ERR_VALIDATION, POPV "Too many tags: at most %d are allowed",
                         TABLE_TAGS_MAX);
}
