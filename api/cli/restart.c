#include "api/cli/restart.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "api/cli/report.h"

enum { STEPS_MAX = 1024, UNANSWERED_US_MAX = 60 * 1000 * 1000, HTTP_OK = 200, HTTP_UNAVAILABLE = 503 };

struct following {
    FILE *out;
    bool is_done[STEPS_MAX]; /* said so already */
    uint64_t unanswered_us;
};

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text == NULL ? "" : text;
}

static bool is_done(const json_t *step)
{
    return strcmp(text_of(step, "state"), "done") == 0;
}

/* NULL: it is not what it should be. */
static const json_t *steps_of(const json_t *answer)
{
    const json_t *steps = json_object_get(answer, "steps");
    bool is_sound = json_is_array(steps) && json_array_size(steps) <= STEPS_MAX &&
                    json_is_boolean(json_object_get(answer, "is_running"));
    return is_sound ? steps : NULL;
}

enum err restart_report(const struct json_t *answer, struct buffer *to)
{
    const json_t *steps = steps_of(answer);
    if (steps == NULL)
        return ERR_INVALID;
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        buffer_append_format(to, "%-10s %-24s %s\n", text_of(step, "role"), text_of(step, "name"),
                             text_of(step, "state"));
    }
    bool is_running = json_is_true(json_object_get(answer, "is_running"));
    const char *why = text_of(answer, "waits_for");
    if (is_running && why[0] != '\0')
        buffer_append_format(to, "waiting: %s\n", why);
    buffer_append_string(to, is_running ? "the restart is under way\n" : "no restart is under way\n");
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- following ---- */

static enum err written(const struct following *f, struct error *error)
{
    return fflush(f->out) == 0 ? ERR_OK : error_set(error, ERR_IO, "cannot write what happens");
}

static enum err say_news(struct following *f, const json_t *steps, struct error *error)
{
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        if (f->is_done[i] || !is_done(step))
            continue;
        f->is_done[i] = true;
        (void)fprintf(f->out, "%-24s is back\n", text_of(step, "name")); /* fflush tells */
    }
    return written(f, error);
}

static enum err say_end(const struct following *f, const json_t *steps, struct error *error)
{
    size_t done = 0;
    for (size_t i = 0; i < json_array_size(steps); i++)
        done += is_done(json_array_get(steps, i));
    if (done < json_array_size(steps))
        return error_set(error, ERR_INVALID,
                         "the restart was stopped: %zu of %zu processes have started again", done,
                         json_array_size(steps));
    (void)fprintf(f->out, "all %zu processes have started again\n", done); /* likewise */
    return written(f, error);
}

static enum err take(struct following *f, long status, struct slice reply, bool *ret_is_over,
                     struct error *error)
{
    json_t *answer = json_loadb((const char *)reply.data, reply.length, 0, NULL);
    const json_t *steps = steps_of(answer);
    enum err err;
    if (status != HTTP_OK)
        err = report_refusal(status, answer, error);
    else if (steps == NULL)
        err = error_set(error, ERR_INVALID, "control's answer is not the expected one");
    else
        err = say_news(f, steps, error);
    *ret_is_over = err == ERR_OK && !json_is_true(json_object_get(answer, "is_running"));
    if (*ret_is_over)
        err = say_end(f, steps, error);
    json_decref(answer);
    return err;
}

static enum err look(struct following *f, const struct operator_transport *transport,
                     const struct operator_access *access, bool *ret_is_over, struct error *error)
{
    struct operator_call call = {.method = "GET", .path = "/v1/fleet/restart"};
    struct buffer reply;
    long status = 0;
    buffer_init(&call.body, CLI_BODY_BYTES_MAX);
    buffer_init(&reply, CLI_REPLY_BYTES_MAX);
    enum err err = transport->send(transport->data, access, &call, &status, &reply, error);
    if (err == ERR_OK)
        err = take(f, status, buffer_view(&reply), ret_is_over, error);
    buffer_deinit(&reply);
    buffer_deinit(&call.body);
    return err;
}

static void wait(uint64_t us)
{
    const struct timespec pause = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    (void)nanosleep(&pause, NULL); /* cut short, it only looks sooner */
}

enum err restart_follow(const struct operator_transport *transport, const struct operator_access *access,
                        FILE *out, uint64_t pause_us, struct error *error)
{
    struct following f = {.out = out};
    bool is_over = false;
    while (!is_over) {
        wait(pause_us);
        enum err err = look(&f, transport, access, &is_over, error);
        f.unanswered_us = err == ERR_UNAVAILABLE ? f.unanswered_us + pause_us : 0;
        if (err != ERR_OK && (err != ERR_UNAVAILABLE || f.unanswered_us > UNANSWERED_US_MAX))
            return err;
    }
    return ERR_OK;
}
