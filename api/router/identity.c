#include "api/router/identity.h"

enum { REPLY_BYTES = 16 * 1024 };

static const char NAMESPACE[] = "https://sts.amazonaws.com/doc/2011-06-15/";

bool identity_is_asked(const struct http_request *http)
{
    static const struct slice form = SLICE_LITERAL("application/x-www-form-urlencoded");
    return slice_equal_string(http_request_method(http), "POST") &&
           slice_starts_with(http_request_header(http, "content-type"), form);
}

/* "Action=GetCallerIdentity&Version=2011-06-15": names and values that are of use here have nothing escaped. */
static struct slice form_value(struct slice form, struct slice name)
{
    while (form.length > 0) {
        struct slice value = slice_split(&form, '&');
        if (slice_equal(slice_split(&value, '='), name))
            return value;
    }
    return SLICE_EMPTY;
}

static void append_text(struct buffer *to, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.data[i];
        if (c == '<' || c == '>' || c == '&' || c < ' ')
            buffer_append_format(to, "&#%u;", (unsigned)(c < ' ' ? '?' : c));
        else
            buffer_append_u8(to, c);
    }
}

static void append_element(struct buffer *to, const char *name, struct slice text)
{
    buffer_append_format(to, "<%s>", name);
    append_text(to, text);
    buffer_append_format(to, "</%s>", name);
}

static void append_request_id(struct buffer *to, const struct request *r)
{
    append_element(to, "RequestId", http_request_id(r->http));
}

/* ---- refusals, in STS's names ---- */

static void refuse(struct request *r, int status, const char *code, const char *words)
{
    struct buffer body;
    buffer_init(&body, REPLY_BYTES);
    buffer_append_format(&body, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type>", NAMESPACE,
                         status < 500 ? "Sender" : "Receiver");
    append_element(&body, "Code", slice_from_string(code));
    append_element(&body, "Message", slice_from_string(words));
    buffer_append_string(&body, "</Error>");
    append_request_id(&body, r);
    buffer_append_string(&body, "</ErrorResponse>\n");
    answer_xml(r, status, &body);
}

static const char *code_of(enum err err)
{
    switch ((int)err) {
    case ERR_MISSING_AUTHENTICATION_TOKEN:
        return "MissingAuthenticationToken";
    case ERR_INCOMPLETE_SIGNATURE:
        return "IncompleteSignature";
    case ERR_UNRECOGNIZED_CLIENT:
        return "InvalidClientTokenId";
    case ERR_INVALID_SIGNATURE:
        return "SignatureDoesNotMatch";
    default:
        return "AccessDenied";
    }
}

static void refuse_caller(struct request *r)
{
    metric_increment(&r->router->metrics.refused_authentication);
    if (r->refusal.code == ERR_INTERNAL)
        refuse(r, 500, "InternalFailure", err_sentence(ERR_INTERNAL));
    else
        refuse(r, 403, code_of(r->refusal.code), r->refusal.text);
}

/* ---- the answer ---- */

static void tell(struct request *r)
{
    struct buffer body;
    buffer_init(&body, REPLY_BYTES);
    buffer_append_format(&body,
                         "<GetCallerIdentityResponse xmlns=\"%s\"><GetCallerIdentityResult>"
                         "<Arn>arn:aws:iam::%s:user/",
                         NAMESPACE, r->tenant_id);
    append_text(&body, r->user_name);
    buffer_append_string(&body, "</Arn>");
    append_element(&body, "UserId", r->claim.access_key_id);
    append_element(&body, "Account", slice_from_string(r->tenant_id));
    buffer_append_string(&body, "</GetCallerIdentityResult><ResponseMetadata>");
    append_request_id(&body, r);
    buffer_append_string(&body, "</ResponseMetadata></GetCallerIdentityResponse>\n");
    answer_xml(r, 200, &body);
}

void identity_answer(struct request *r)
{
    struct slice form = http_request_body(r->http);
    struct slice action = form_value(form, SLICE_LITERAL("Action"));
    if (!slice_equal_string(action, "GetCallerIdentity")) {
        metric_increment(&r->router->metrics.unknown_operations);
        refuse(r, 400, "InvalidAction",
               "This action of this service is not served: GetCallerIdentity of STS is");
    } else if (r->refusal.code != ERR_OK) {
        refuse_caller(r);
    } else {
        metric_increment(&r->router->metrics.identities);
        tell(r);
    }
}
