/* Operations on tables: control answers, we pass on. An answer that changes what routers know leaves only when
 * this router knows it. */
#include "api/router/reading.h"
#include "base/clock.h"

enum {
    CONTROL_US = 10 * 1000 * 1000,
    VISIBLE_US = 2 * 1000 * 1000,
    CONTROL_BODY_BYTES_MAX = 1024 * 1024, /* twice what the longest that the model allows can have */
};

struct control_state {
    int http_status;
    char *exception;
    char *message;
    struct slice body;
};

static void pass_on(struct request *r, const struct control_state *s)
{
    if (s->exception[0] != '\0') {
        answer_exception(r, s->http_status, s->exception, s->message);
        return;
    }
    struct buffer body;
    buffer_init(&body, REPLY_BYTES_MAX);
    buffer_append(&body, s->body);
    answer_json(r, &body);
}

/* When the bundle does not come in time the answer is right all the same: only this router lags behind. */
static void on_visible(enum err err, void *data)
{
    struct request *r = data;
    pass_on(r, r->state);
}

static void on_result(enum err err, const struct control_result *result, void *data)
{
    struct request *r = data;
    if (err != ERR_OK) {
        answer_error(r, err == ERR_UNAVAILABLE ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, NULL);
        return;
    }
    struct control_state *s = arena_zalloc(&r->arena, sizeof *s);
    if (s != NULL) {
        s->http_status = result->http_status;
        s->exception = arena_string(&r->arena, slice_from_string(result->exception));
        s->message = arena_string(&r->arena, slice_from_string(result->message));
        s->body = arena_copy(&r->arena, result->body);
    }
    if (arena_has_failed(&r->arena)) {
        answer_error(r, ERR_INTERNAL, NULL);
        return;
    }
    r->state = s;
    if (result->bundle_version == 0 ||
        bundle_follower_wait(r->router->follower, result->bundle_version, clock_boot_us() + VISIBLE_US,
                             on_visible, r) != ERR_OK)
        pass_on(r, s);
}

void operation_control(struct request *r)
{
    metric_increment(&r->router->metrics.control_calls);
    if (r->read != ERR_OK) { /* control sees only what the model allows */
        reading_refuse(r);
        return;
    }
    if (r->body.length > CONTROL_BODY_BYTES_MAX) {
        answer_error(r, ERR_REQUEST_TOO_LARGE,
                     "The body of an operation on tables must not be longer than 1 MB");
        return;
    }
    char *request_id = arena_string(&r->arena, http_request_id(r->http));
    char *principal =
        arena_printf(&r->arena, "arn:aws:iam::%s:user/%.*s", r->tenant_id, SLICE_PRINTF(r->user_name));
    const struct control_request request = {
        .tenant_id = r->tenant_id,
        .operation = r->operation->name,
        .principal_arn = principal,
        .request_id = request_id,
        .body = r->body,
    };
    if (arena_has_failed(&r->arena) ||
        control_call(r->router->control, &request, clock_boot_us() + CONTROL_US, on_result, r) != ERR_OK)
        answer_error(r, ERR_INTERNAL, NULL);
}
