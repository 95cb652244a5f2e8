/* A set of servers of which each is well, silent or unwilling. */
#include "controlplane/client/peer_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"

enum { CLUSTER = 5, SERVERS = 3, TYPE = 0x0299, ATTEMPT_US = 50000, HEDGE_US = 20000, WAIT_US = 5000000 };

enum mood { WELL, SILENT, BUSY, NOT_LEADER, INVALID, HANGS_UP };

struct server {
    struct wire_server *wire;
    struct world *world;
    enum mood mood;
    uint16_t port;
    unsigned asked;
};

struct world {
    struct loop loop;
    struct server servers[SERVERS];
    struct dependency_metrics metrics;
    struct peer_set *set;
    unsigned ended;
    enum err err;
};

static void run_until(struct world *w, unsigned ended)
{
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    while (w->ended < ended) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 5);
    }
}

/* ---- servers ---- */

static void hang_up(struct server *s)
{
    wire_server_close(s->wire, NULL, NULL);
    s->wire = NULL;
}

static void on_request(struct wire_call call, const struct frame *frame, void *data)
{
    static const enum err refusals[] = {
        [BUSY] = ERR_BUSY, [NOT_LEADER] = ERR_NOT_LEADER, [INVALID] = ERR_INVALID};
    struct server *s = data;
    s->asked++;
    switch (s->mood) {
    case WELL:
        wire_reply(call, &(struct wire_message){.header_bytes = frame->header});
        break;
    case SILENT:
        break;
    case HANGS_UP:
        hang_up(s);
        break;
    case BUSY:
    case NOT_LEADER:
    case INVALID:
        wire_refuse(call, refusals[s->mood]);
        break;
    }
}

static void open_server(struct server *s)
{
    const struct wire_server_options options = {.host = "127.0.0.1",
                                                .port = s->port,
                                                .identity = {CLUSTER, WIRE_ROLE_MEMDS, 0},
                                                .on_request = on_request,
                                                .data = s};
    assert_int_equal(wire_server_open(&s->world->loop, &options, &s->wire, NULL), ERR_OK);
    s->port = wire_server_port(s->wire);
}

static void wait_connected(struct world *w, uint64_t count)
{
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    while (metric_value(&w->metrics.servers_connected) != count) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 5);
    }
}

static struct peer_set *open_set(struct world *w, bool is_sticky)
{
    static const struct breaker_options breaker = {.failures_max = 5, .open_us = 300000};
    char addresses[128];
    (void)snprintf(addresses, sizeof addresses, "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u", w->servers[0].port,
                   w->servers[1].port, w->servers[2].port);
    const struct peer_set_options options = {.name = "servers",
                                             .addresses = addresses,
                                             .identity = {CLUSTER, WIRE_ROLE_ROUTER, 0},
                                             .dependency = &w->metrics,
                                             .breaker = &breaker,
                                             .is_sticky = is_sticky};
    struct peer_set *set = NULL;
    assert_int_equal(peer_set_open(&w->loop, &options, &set, NULL), ERR_OK);
    return set;
}

static int set_up(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    assert_int_equal(loop_init(&w->loop), ERR_OK);
    for (int i = 0; i < SERVERS; i++) {
        w->servers[i].world = w;
        open_server(&w->servers[i]);
    }
    w->set = open_set(w, true); /* begins at the first */
    wait_connected(w, SERVERS);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    peer_set_close(w->set, NULL, NULL);
    for (int i = 0; i < SERVERS; i++)
        if (w->servers[i].wire != NULL)
            hang_up(&w->servers[i]);
    loop_run(&w->loop);
    loop_deinit(&w->loop);
    test_free(w);
    return 0;
}

/* ---- calls ---- */

static void on_response(enum err err, const struct frame *response, void *data)
{
    struct world *w = data;
    w->ended++;
    w->err = err;
    assert_int_equal(err == ERR_OK, response != NULL);
    if (response != NULL)
        assert_true(slice_equal(response->header, SLICE_LITERAL("question")));
}

static void begin(struct world *w, struct peer_call_options options)
{
    const struct wire_message message = {.type = TYPE, .header_bytes = SLICE_LITERAL("question")};
    if (options.deadline_us == 0)
        options.deadline_us = clock_boot_us() + WAIT_US;
    unsigned ended = w->ended;
    assert_int_equal(peer_set_call(w->set, &message, &options, on_response, w), ERR_OK);
    assert_int_equal(w->ended, ended); /* never inside the call */
}

static enum err call(struct world *w, struct peer_call_options options)
{
    begin(w, options);
    run_until(w, w->ended + 1);
    return w->err;
}

static const struct peer_call_options once = {0};
static const struct peer_call_options repeatable = {.attempt_us = ATTEMPT_US, .is_repeatable = true};
static const struct peer_call_options hedged = {.hedge_us = HEDGE_US, .is_repeatable = true};

static void assert_asked(const struct world *w, unsigned first, unsigned second, unsigned third)
{
    assert_int_equal(w->servers[0].asked, first);
    assert_int_equal(w->servers[1].asked, second);
    assert_int_equal(w->servers[2].asked, third);
}

static void what_was_not_done_moves_on_until_somebody_does_it(void **state)
{
    struct world *w = *state;
    w->servers[0].mood = BUSY;
    w->servers[1].mood = NOT_LEADER;
    assert_int_equal(call(w, once), ERR_OK);
    assert_asked(w, 1, 1, 1);
    assert_int_equal(call(w, once), ERR_OK); /* it stays there */
    assert_asked(w, 1, 1, 2);
    w->servers[2].mood = BUSY;
    assert_int_equal(call(w, once), ERR_NOT_LEADER); /* each once; who was last passed over is last */
    assert_asked(w, 2, 2, 3);
    assert_int_equal(w->metrics.calls.value, 3);
    assert_int_equal(w->metrics.failed.value, 1);
    assert_int_equal(w->metrics.retries.value, 4);
}

static void refusal_is_an_answer(void **state)
{
    struct world *w = *state;
    w->servers[0].mood = INVALID;
    assert_int_equal(call(w, repeatable), ERR_INVALID);
    assert_asked(w, 1, 0, 0);
}

static void only_what_is_repeatable_is_repeated_when_its_outcome_is_unknown(void **state)
{
    struct world *w = *state;
    w->servers[0].mood = HANGS_UP;
    assert_int_equal(call(w, once), ERR_UNKNOWN_OUTCOME);
    assert_asked(w, 1, 0, 0);
    open_server(&w->servers[0]);
    wait_connected(w, SERVERS);
    assert_int_equal(call(w, repeatable), ERR_OK);
    assert_asked(w, 2, 1, 0);
    w->servers[1].mood = SILENT;
    assert_int_equal(call(w, (struct peer_call_options){.attempt_us = ATTEMPT_US}), ERR_TIMEOUT);
    assert_int_equal(call(w, repeatable), ERR_OK);
    assert_asked(w, 2, 2, 1); /* the silent one is passed over by now */
}

static void slow_server_is_hedged_and_then_passed_over(void **state)
{
    struct world *w = *state;
    w->servers[0].mood = SILENT;
    assert_int_equal(call(w, hedged), ERR_OK);
    assert_asked(w, 1, 1, 0);
    assert_int_equal(w->metrics.hedges.value, 1);
    assert_int_equal(w->metrics.hedges_won.value, 1);
    assert_int_equal(w->metrics.suspected.value, 1);
    assert_int_equal(call(w, hedged), ERR_OK);
    assert_asked(w, 1, 2, 0);
    assert_int_equal(w->metrics.hedges.value, 1);
}

static void hedges_and_retries_end_with_their_budget(void **state)
{
    enum { CALLS = 400 };
    struct world *w = *state;
    for (int i = 0; i < SERVERS; i++)
        w->servers[i].mood = SILENT;
    unsigned ended = w->ended;
    uint64_t deadline_us = clock_boot_us() + 200000;
    for (int i = 0; i < CALLS; i++)
        begin(w, (struct peer_call_options){
                     .deadline_us = deadline_us, .hedge_us = HEDGE_US, .is_repeatable = true});
    run_until(w, ended + CALLS);
    assert_int_equal(w->err, ERR_TIMEOUT);
    uint64_t further = w->metrics.hedges.value + w->metrics.retries.value;
    assert_in_range(further, 100, 100 + CALLS / 10 + 10 * WAIT_US / 1000000);
    assert_int_not_equal(w->metrics.retries_refused.value, 0);
    assert_int_equal(w->metrics.attempts.value, CALLS + further);
}

static void server_that_only_fails_is_left_alone_until_its_breaker_lets_one_through(void **state)
{
    struct world *w = *state;
    const struct peer_call_options alone = {.attempt_us = ATTEMPT_US};
    hang_up(&w->servers[1]);
    hang_up(&w->servers[2]);
    wait_connected(w, 1);
    w->servers[0].mood = SILENT;
    unsigned ended = w->ended;
    for (unsigned i = 0; i < 5; i++)
        begin(w, alone);
    run_until(w, ended + 5);
    assert_int_equal(w->metrics.breaker_opened.value, 1);
    assert_int_equal(metric_value(&w->metrics.breakers_open), 1);
    unsigned asked = w->servers[0].asked;
    w->servers[0].mood = WELL;
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    unsigned refused = 0;
    while (call(w, alone) != ERR_OK) {
        assert_int_equal(w->err, ERR_UNAVAILABLE);
        assert_int_equal(w->servers[0].asked, asked);
        refused++;
        assert_true(clock_boot_us() < deadline_us);
    }
    assert_int_not_equal(refused, 0);
    assert_int_equal(metric_value(&w->metrics.breakers_open), 0);
}

static void new_connection_closes_the_breaker(void **state)
{
    struct world *w = *state;
    w->servers[0].mood = SILENT;
    unsigned ended = w->ended;
    for (unsigned i = 0; i < 5; i++)
        begin(w, (struct peer_call_options){.attempt_us = ATTEMPT_US});
    run_until(w, ended + 5);
    assert_int_equal(metric_value(&w->metrics.breakers_open), 1);
    hang_up(&w->servers[0]);
    wait_connected(w, SERVERS - 1);
    open_server(&w->servers[0]);
    wait_connected(w, SERVERS);
    assert_int_equal(metric_value(&w->metrics.breakers_open), 0);
}

static void dead_servers_cost_neither_time_nor_budget(void **state)
{
    enum { CALLS = 300 };
    struct world *w = *state;
    hang_up(&w->servers[0]);
    hang_up(&w->servers[1]);
    wait_connected(w, 1);
    for (unsigned i = 0; i < CALLS; i++)
        assert_int_equal(call(w, once), ERR_OK);
    assert_int_equal(w->metrics.attempts.value, CALLS);
    assert_int_equal(w->metrics.retries.value, 0);
}

static void sets_spread_themselves(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        peer_set_close(w->set, NULL, NULL);
        w->set = open_set(w, false);
        assert_int_equal(call(w, once), ERR_OK);
    }
    for (int i = 0; i < SERVERS; i++)
        assert_in_range(w->servers[i].asked, 1, 59);
}

static void turn_begins_at_another_server(void **state)
{
    struct world *w = *state;
    peer_set_close(w->set, NULL, NULL);
    w->set = open_set(w, false);
    wait_connected(w, SERVERS);
    for (unsigned turn = 0; turn < 2 * SERVERS; turn++)
        assert_int_equal(call(w, (struct peer_call_options){.turn = turn}), ERR_OK);
    assert_asked(w, 2, 2, 2);
}

static void closing_ends_calls_and_their_hedges(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < SERVERS; i++)
        w->servers[i].mood = SILENT;
    unsigned ended = w->ended;
    begin(w, hedged);
    begin(w, once);
    uint64_t deadline_us = clock_boot_us() + WAIT_US;
    while (w->metrics.hedges.value == 0) {
        assert_true(clock_boot_us() < deadline_us);
        loop_run_once(&w->loop, 5);
    }
    peer_set_close(w->set, NULL, NULL);
    run_until(w, ended + 2);
    assert_int_equal(w->err, ERR_CLOSED);
    w->set = open_set(w, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_not_done_moves_on_until_somebody_does_it),
        TEST(refusal_is_an_answer),
        TEST(only_what_is_repeatable_is_repeated_when_its_outcome_is_unknown),
        TEST(slow_server_is_hedged_and_then_passed_over),
        TEST(hedges_and_retries_end_with_their_budget),
        TEST(server_that_only_fails_is_left_alone_until_its_breaker_lets_one_through),
        TEST(new_connection_closes_the_breaker),
        TEST(dead_servers_cost_neither_time_nor_budget),
        TEST(sets_spread_themselves),
        TEST(turn_begins_at_another_server),
        TEST(closing_ends_calls_and_their_hedges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
