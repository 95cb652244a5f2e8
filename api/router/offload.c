#include "api/router/offload.h"

#include "api/router/reading.h"
#include "base/clock.h"

enum { ANSWER_US_MIN = 2 * 1000 * 1000 }; /* for an answer whose calls took all the time there was */

bool offload_charge(struct request *r, size_t bytes)
{
    if (!workers_charge(&r->router->workers, bytes))
        return false;
    r->charged_bytes += bytes;
    return true;
}

void offload_refund(struct request *r, size_t bytes)
{
    workers_discharge(&r->router->workers, bytes);
    r->charged_bytes -= bytes;
}

static void on_work(struct worker_job *job)
{
    struct request *r = job->data;
    struct reading_scratch scratch;
    reading_scratch_init(&scratch);
    r->scratch = &scratch;
    r->offload.work(r);
    reading_scratch_deinit(&scratch);
}

static void on_done(struct worker_job *job, enum err err)
{
    struct request *r = job->data;
    r->scratch = &r->router->scratch;
    r->offload.done(r, err);
}

static bool is_wanted(const struct worker_job *job)
{
    const struct request *r = job->data;
    return !http_request_is_cancelled(r->http);
}

void offload_run(struct request *r, uint64_t deadline_us, void (*work)(struct request *r),
                 void (*done)(struct request *r, enum err err))
{
    r->offload.work = work;
    r->offload.done = done;
    r->offload.job = (struct worker_job){
        .work = on_work, .done = on_done, .is_wanted = is_wanted, .deadline_us = deadline_us, .data = r};
    workers_run(&r->router->workers, &r->offload.job);
}

static void write_answer(struct request *r)
{
    r->offload.err = r->offload.write(r);
}

static void on_answer(struct request *r, enum err err)
{
    r->offload.answered(r, err == ERR_OK ? r->offload.err : err);
}

void offload_answer(struct request *r, size_t bytes, enum err (*write)(struct request *r),
                    void (*done)(struct request *r, enum err err))
{
    if (!offload_is_due(bytes)) {
        done(r, write(r));
        return;
    }
    uint64_t soon_us = clock_boot_us() + ANSWER_US_MIN;
    r->offload.write = write;
    r->offload.answered = done;
    offload_run(r, r->deadline_us > soon_us ? r->deadline_us : soon_us, write_answer, on_answer);
}
