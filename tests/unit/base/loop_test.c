#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "base/memory.h"
#include "base/random.h"

static char trace[64];

static char letter_a[] = "a", letter_b[] = "b", letter_c[] = "c", letter_d[] = "d", letter_t[] = "t";
static char answer[] = "forty-two";

static void note(char c)
{
    size_t length = strlen(trace);
    trace[length] = c;
    trace[length + 1] = '\0';
}

static void note_task(struct loop_task *task)
{
    note(*(const char *)task->data);
}

static struct loop *begin(void)
{
    struct loop *l = memory_zalloc(sizeof *l);
    trace[0] = '\0';
    assert_int_equal(loop_init(l), ERR_OK);
    return l;
}

static void end(struct loop *l)
{
    loop_deinit(l);
    memory_free(l);
}

static void deferred_calls_run_once_in_order_and_never_at_once(void **state)
{
    struct loop *l = begin();
    struct loop_task a = {.run = note_task, .data = letter_a}, b = {.run = note_task, .data = letter_b};
    struct loop_task c = {.run = note_task, .data = letter_c};
    loop_defer(l, &a);
    loop_defer(l, &b);
    loop_defer(l, &a);
    loop_defer(l, &c);
    loop_undefer(l, &b);
    assert_string_equal(trace, "");
    loop_run(l);
    assert_string_equal(trace, "ac");
    assert_false(loop_task_is_queued(&a));
    end(l);
}

struct again {
    struct loop *loop;
    int left;
};

static void defer_again(struct loop_task *task)
{
    struct again *again = task->data;
    note('t');
    if (--again->left > 0)
        loop_defer(again->loop, task);
}

static void count_hook(struct loop_hook *hook)
{
    ++*(int *)hook->data;
}

static void a_call_that_defers_itself_leaves_room_for_the_rest(void **state)
{
    struct loop *l = begin();
    struct again again = {l, 4};
    struct loop_task task = {.run = defer_again, .data = &again};
    int hooks = 0;
    struct loop_hook hook = {.run = count_hook, .data = &hooks};
    loop_hook_add(l, &hook);
    loop_defer(l, &task);
    loop_run(l);
    assert_string_equal(trace, "tttt");
    assert_true(hooks >= 4); /* between any two of them */
    loop_hook_remove(l, &hook);
    end(l);
}

/* Moves `piece` bytes of the loop's turn each time, `left` times. */
struct mover {
    struct loop *loop;
    struct loop_task task;
    char letter;
    int left;
    size_t piece;
};

static void move(struct loop_task *task)
{
    struct mover *m = task->data;
    note(m->letter);
    loop_turn_take(m->loop, m->piece);
    if (--m->left > 0)
        loop_defer_for_room(m->loop, task);
}

static void init_mover(struct mover *m, struct loop *l, char letter, int left, size_t piece)
{
    *m = (struct mover){.loop = l, .letter = letter, .left = left, .piece = piece};
    m->task = (struct loop_task){.run = move, .data = m};
}

/* Nothing but they keeps this loop alive or wakes it. */
static void those_who_wait_for_room_take_turns(void **state)
{
    struct loop *l = begin();
    struct mover a, b, c;
    init_mover(&a, l, 'a', 3, LOOP_TURN_BYTES_MAX);
    init_mover(&b, l, 'b', 3, LOOP_TURN_BYTES_MAX);
    init_mover(&c, l, 'c', 3, LOOP_TURN_BYTES_MAX);
    loop_defer_for_room(l, &a.task);
    loop_defer_for_room(l, &b.task);
    loop_defer_for_room(l, &c.task);
    loop_defer_for_room(l, &b.task); /* is there already */
    loop_undefer(l, &c.task);
    uint64_t turns = l->metrics.turns.value;
    loop_run(l);
    assert_string_equal(trace, "ababab");
    assert_in_range(l->metrics.turns.value - turns, 6, 9);
    end(l);
}

static void a_turn_moves_what_it_has_room_for_and_one_piece(void **state)
{
    enum { PIECES = 4 };
    struct loop *l = begin();
    struct mover movers[10];
    for (int i = 0; i < 10; i++) {
        init_mover(&movers[i], l, 'm', 1, LOOP_TURN_BYTES_MAX / PIECES + 1);
        loop_defer_for_room(l, &movers[i].task);
    }
    size_t moved = 0;
    while (moved < 10) {
        uint64_t turns = l->metrics.turns.value;
        loop_run_once(l, 0);
        if (l->metrics.turns.value == turns + 1)
            assert_in_range(strlen(trace) - moved, 0, PIECES);
        moved = strlen(trace);
    }
    loop_turn_take(l, LOOP_TURN_BYTES_MAX);
    assert_false(loop_turn_has_room(l));
    loop_run_once(l, 0);
    assert_true(loop_turn_has_room(l));
    end(l);
}

/* What is closed last may wait for room. */
static void a_loop_that_ends_runs_who_waits(void **state)
{
    struct loop *l = begin();
    struct mover a;
    init_mover(&a, l, 'a', 2, LOOP_TURN_BYTES_MAX);
    loop_defer_for_room(l, &a.task);
    end(l);
    assert_string_equal(trace, "aa");
}

static void note_timer(struct loop_timer *timer)
{
    note(*(const char *)timer->data);
}

static void timers_fire_in_order_of_their_time(void **state)
{
    struct loop *l = begin();
    struct loop_timer a = {.fire = note_timer, .data = letter_a}, b = {.fire = note_timer, .data = letter_b};
    struct loop_timer c = {.fire = note_timer, .data = letter_c}, d = {.fire = note_timer, .data = letter_d};
    uint64_t now_us = clock_boot_us();
    loop_timer_start(l, &c, now_us + 30000);
    loop_timer_start(l, &d, now_us + 20000);
    loop_timer_start(l, &b, now_us + 60000);
    loop_timer_start(l, &a, now_us + 10000);
    loop_timer_start(l, &b, now_us + 20000); /* moved */
    loop_timer_stop(l, &d);
    loop_run(l);
    assert_string_equal(trace, "abc");
    assert_true(clock_boot_us() - now_us >= 30000);
    end(l);
}

static void the_heap_gives_timers_in_order_whatever_is_removed(void **state)
{
    enum { COUNT = 500 };
    static struct loop_timer timers[COUNT];
    struct random random;
    random_init(&random, 11);
    for (int round = 0; round < 50; round++) {
        struct loop_timer *root = NULL;
        memset(timers, 0, sizeof timers);
        int left = 0;
        for (int i = 0; i < COUNT; i++) {
            timers[i].due_us = random_below(&random, 100);
            timer_heap_insert(&root, &timers[i]);
            left++;
            if (random_one_in(&random, 3)) {
                struct loop_timer *any = &timers[random_below(&random, (uint64_t)i + 1)];
                if (loop_timer_is_started(any)) {
                    timer_heap_remove(&root, any);
                    left--;
                }
            }
            if (random_one_in(&random, 5) && root != NULL) {
                timer_heap_remove(&root, root);
                left--;
            }
        }
        uint64_t last_us = 0;
        for (; root != NULL; left--) {
            assert_true(root->due_us >= last_us);
            last_us = root->due_us;
            timer_heap_remove(&root, root);
        }
        assert_int_equal(left, 0);
    }
}

static void be_slow(struct loop_task *task)
{
    uint64_t end_us = clock_boot_us() + 12000;
    while (clock_boot_us() < end_us)
        ;
}

static void slow_turns_are_counted_and_sleep_is_not(void **state)
{
    struct loop *l = begin();
    loop_run_once(l, 300);
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_max.value < 200000); /* on a busy machine a turn may well take 10 ms */
    uint64_t slow_count = l->metrics.turns_slow.value;
    struct loop_task slow = {.run = be_slow};
    loop_defer(l, &slow);
    loop_run(l);
    loop_run_once(l, 1);
    loop_run_once(l, 1);
    assert_true(l->metrics.turns_slow.value > slow_count);
    assert_true(l->metrics.turn_max.value >= 12000);
    end(l);
}

static void be_descheduled(struct loop_task *task)
{
    poll(NULL, 0, 15);
}

static void be_busy(struct loop_task *task)
{
    uint64_t end_us = clock_thread_cpu_us() + 12000;
    while (clock_thread_cpu_us() < end_us)
        ;
}

static void a_turn_without_a_processor_takes_no_cpu_time(void **state)
{
    struct loop *l = begin();
    struct loop_task busy = {.run = be_busy}, idle = {.run = be_descheduled};
    loop_defer(l, &idle);
    loop_run(l);
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_max.value >= 15000);
    assert_true(l->metrics.turn_cpu_max.value < 10000);
    assert_int_equal(l->metrics.turns_slow_cpu.value, 0);
    loop_defer(l, &busy);
    loop_run(l);
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_cpu_max.value >= 12000);
    assert_int_equal(l->metrics.turns_slow_cpu.value, 1);
    end(l);
}

static void recent_turns_are_forgotten(void **state)
{
    struct loop *l = begin();
    struct loop_task slow = {.run = be_slow};
    loop_defer(l, &slow);
    loop_run(l);
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_recent_max.value >= 12000);
    l->recent.until_us -= 1000000; /* a second has passed */
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_recent_max.value >= 12000);
    l->recent.until_us -= 1000000;
    loop_run_once(l, 1);
    assert_true(l->metrics.turn_recent_max.value < 12000);
    assert_true(l->metrics.turn_max.value >= 12000);
    end(l);
}

static void time_after_a_sleep_is_fresh(void **state)
{
    struct loop *l = begin();
    struct loop_timer t = {.fire = note_timer, .data = letter_t};
    uint64_t before_us = loop_now_us(l);
    loop_timer_start(l, &t, before_us + 20000);
    loop_run(l);
    assert_true(loop_now_us(l) >= before_us + 20000);
    end(l);
}

enum { SENDERS = 3, MESSAGES = 2000 };

struct numbered {
    struct mailbox_message message;
    int sender;
    int number;
};

static struct numbered numbered[SENDERS][MESSAGES];
static int next_of[SENDERS];
static int arrived;
static struct mailbox box;

static void on_numbered(struct mailbox_message *message)
{
    struct numbered *n = (struct numbered *)message;
    assert_int_equal(n->number, next_of[n->sender]++);
    arrived++;
}

static void *send_all(void *data)
{
    struct numbered *mine = data;
    for (int i = 0; i < MESSAGES; i++) {
        while (mailbox_post(&box, &mine[i].message) != ERR_OK) {
            struct timespec moment = {.tv_nsec = 10000};
            nanosleep(&moment, NULL);
        }
    }
    return NULL;
}

static void messages_of_many_threads_arrive_in_each_threads_order(void **state)
{
    struct loop *l = begin();
    assert_int_equal(mailbox_open(&box, l, 64), ERR_OK);
    pthread_t threads[SENDERS];
    for (int s = 0; s < SENDERS; s++) {
        for (int i = 0; i < MESSAGES; i++)
            numbered[s][i] = (struct numbered){.message.deliver = on_numbered, .sender = s, .number = i};
        pthread_create(&threads[s], NULL, send_all, numbered[s]);
    }
    while (arrived < SENDERS * MESSAGES)
        loop_run_once(l, 100);
    for (int s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    assert_int_equal(l->metrics.mailbox_messages.value, SENDERS * MESSAGES);
    mailbox_close(&box, NULL, NULL);
    end(l);
}

static void a_full_mailbox_refuses(void **state)
{
    struct loop *l = begin();
    struct mailbox small;
    assert_int_equal(mailbox_open(&small, l, 2), ERR_OK);
    memset(next_of, 0, sizeof next_of);
    struct numbered n[3];
    for (int i = 0; i < 3; i++) {
        n[i] = (struct numbered){.message.deliver = on_numbered, .number = i};
        assert_int_equal(mailbox_post(&small, &n[i].message), i < 2 ? ERR_OK : ERR_BUSY);
    }
    assert_int_equal(l->metrics.mailbox_refused.value, 1);
    mailbox_close(&small, NULL, NULL); /* delivers what waits */
    assert_int_equal(next_of[0], 2);
    end(l);
}

static void fill_with_answer(struct buffer *to, void *data)
{
    buffer_append_string(to, data);
}

struct asker {
    enum err err;
    struct buffer text;
    uint64_t timeout_us;
    bool is_done;
};

static void *ask(void *data)
{
    struct asker *a = data;
    a->err = mailbox_ask(&box, fill_with_answer, answer, a->timeout_us, &a->text);
    __atomic_store_n(&a->is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void another_thread_may_ask_and_gives_up_in_time(void **state)
{
    struct loop *l = begin();
    assert_int_equal(mailbox_open(&box, l, 8), ERR_OK);
    struct asker a = {.timeout_us = 5000000};
    buffer_init(&a.text, 100);
    pthread_t thread;
    pthread_create(&thread, NULL, ask, &a);
    while (!__atomic_load_n(&a.is_done, __ATOMIC_ACQUIRE))
        loop_run_once(l, 5);
    pthread_join(thread, NULL);
    assert_int_equal(a.err, ERR_OK);
    assert_true(slice_equal_string(buffer_view(&a.text), "forty-two"));
    buffer_deinit(&a.text);
    /* A loop that does not run. */
    buffer_init(&a.text, 100);
    a.timeout_us = 10000;
    pthread_create(&thread, NULL, ask, &a);
    pthread_join(thread, NULL);
    assert_int_equal(a.err, ERR_TIMEOUT);
    loop_run_once(l, 5); /* frees the question */
    mailbox_close(&box, NULL, NULL);
    end(l);
    buffer_deinit(&a.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferred_calls_run_once_in_order_and_never_at_once),
        cmocka_unit_test(a_call_that_defers_itself_leaves_room_for_the_rest),
        cmocka_unit_test(those_who_wait_for_room_take_turns),
        cmocka_unit_test(a_turn_moves_what_it_has_room_for_and_one_piece),
        cmocka_unit_test(a_loop_that_ends_runs_who_waits),
        cmocka_unit_test(timers_fire_in_order_of_their_time),
        cmocka_unit_test(the_heap_gives_timers_in_order_whatever_is_removed),
        cmocka_unit_test(slow_turns_are_counted_and_sleep_is_not),
        cmocka_unit_test(a_turn_without_a_processor_takes_no_cpu_time),
        cmocka_unit_test(recent_turns_are_forgotten),
        cmocka_unit_test(time_after_a_sleep_is_fresh),
        cmocka_unit_test(messages_of_many_threads_arrive_in_each_threads_order),
        cmocka_unit_test(a_full_mailbox_refuses),
        cmocka_unit_test(another_thread_may_ask_and_gives_up_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
