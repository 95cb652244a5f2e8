#include "base/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

/* Each daemon lives in a child process; its log comes back through a file. */
static char path[] = "/tmp/sluice-daemon-XXXXXX";
static char text[65536];

static struct {
    const char *name;
} settings;

static const struct setting_row rows[] = {
    {"name", SETTING_string, "text", "", "", "", "A name.", 0},
};

static bool must_fail, must_crash, never_drains, goes_down_itself;
static uv_timer_t handle;

static void on_never(uv_timer_t *timer)
{
}

static enum err on_start(struct daemon *d, void *data, struct error *error)
{
    if (must_fail)
        return error_set(error, ERR_IO, "start: as told");
    uv_timer_init(&d->loop.uv, &handle);
    uv_timer_start(&handle, on_never, 60000, 0);
    daemon_context("request 17");
    if (must_crash)
        ASSERT(!must_crash);
    daemon_ready(d);
    if (goes_down_itself)
        daemon_shut_down(d, 3);
    return ERR_OK;
}

static void on_drain(struct daemon *d, void *data)
{
    if (!never_drains)
        daemon_drained(d);
}

static void on_stop(struct daemon *d, void *data)
{
    uv_close((uv_handle_t *)&handle, NULL);
}

static const struct daemon_options options = {
    .name = "sluice-test",
    .sentence = "Tests.",
    .rows = rows,
    .row_count = 1,
    .settings = &settings,
    .start = on_start,
    .drain = on_drain,
    .stop = on_stop,
};

static const char *read_log(void)
{
    FILE *file = fopen(path, "r");
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static int set_up(void **state)
{
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    close(mkstemp(path));
    must_fail = must_crash = never_drains = goes_down_itself = false;
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    return 0;
}

static pid_t spawn(char *extra)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char name[] = "sluice-test", log[] = "--log-file", drain[] = "--drain-timeout=50ms";
        char *arguments[] = {name, log, path, drain, extra, NULL};
        (void)!freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        /* In place of the program, which is this test: it shows its pid and whether it has what was open. */
        char shell[] = "/bin/sh", command[] = "-c",
             script[] = "test -e /proc/$$/fd/77 && open=77; echo again pid=$$ open=$open >>$0";
        char *again[] = {shell, command, script, path, NULL};
        dup2(STDERR_FILENO, 77);
        _exit(daemon_finish(daemon_run(&options, extra == NULL ? 4 : 5, arguments), again));
    }
    return pid;
}

static void wait_for_line(const char *words)
{
    for (int i = 0; i < 5000 && strstr(read_log(), words) == NULL; i++)
        poll(NULL, 0, 1);
    assert_non_null(strstr(text, words));
}

static int status_of(pid_t pid)
{
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_daemon_gets_ready_drains_and_stops(void **state)
{
    pid_t pid = spawn(NULL);
    wait_for_line("info ready name=sluice-test version=");
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    read_log();
    const char *draining = strstr(text, "info draining");
    const char *stopping = strstr(text, "info stopping");
    const char *stopped = strstr(text, "info stopped status=0");
    assert_true(draining != NULL && draining < stopping && stopping < stopped);
}

static void a_daemon_starts_again_under_its_pid(void **state)
{
    char line[64];
    pid_t pid = spawn(NULL);
    wait_for_line("info ready");
    kill(pid, SIGUSR2);
    assert_int_equal(status_of(pid), 0);
    (void)snprintf(line, sizeof line, "again pid=%d open=\n", (int)pid);
    const char *stopped = strstr(read_log(), "info stopped");
    const char *again = strstr(text, line);
    assert_true(stopped != NULL && again != NULL && stopped < again);
}

static void a_daemon_that_goes_down_does_not_start_again(void **state)
{
    never_drains = true;
    pid_t pid = spawn(NULL);
    wait_for_line("info ready");
    kill(pid, SIGTERM);
    wait_for_line("info draining");
    kill(pid, SIGUSR2);
    assert_int_equal(status_of(pid), 0);
    assert_null(strstr(read_log(), "again"));
}

static void draining_is_bounded(void **state)
{
    never_drains = true;
    pid_t pid = spawn(NULL);
    wait_for_line("info ready");
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    assert_non_null(strstr(read_log(), "warn drain_timeout"));
}

static void it_may_go_down_by_itself_from_start(void **state)
{
    goes_down_itself = true;
    assert_int_equal(status_of(spawn(NULL)), 3);
    assert_non_null(strstr(read_log(), "info draining"));
}

static void a_start_that_fails_says_why(void **state)
{
    must_fail = true;
    assert_int_equal(status_of(spawn(NULL)), 1);
    assert_non_null(
        strstr(read_log(), "error start_failed name=sluice-test error=IO text=\"start: as told\""));
}

static void a_wrong_setting_exits_2(void **state)
{
    char wrong[] = "--nonsense=1";
    assert_int_equal(status_of(spawn(wrong)), 2);
    char level[] = "--log-level=shout";
    assert_int_equal(status_of(spawn(level)), 2);
}

static void questions_are_answered_without_starting(void **state)
{
    char help[] = "--help", version[] = "--version";
    assert_int_equal(status_of(spawn(help)), 0);
    assert_int_equal(status_of(spawn(version)), 0);
    assert_string_equal(read_log(), "");
}

static void a_crash_says_what_was_being_done(void **state)
{
    must_crash = true;
    assert_int_equal(status_of(spawn(NULL)), -SIGABRT);
    read_log();
    assert_non_null(strstr(text, "crash name=sluice-test"));
    assert_non_null(strstr(text, "context=\"request 17\""));
}

static void the_log_is_reopened_on_sighup(void **state)
{
    pid_t pid = spawn(NULL);
    wait_for_line("info ready");
    unlink(path);
    kill(pid, SIGHUP);
    for (int i = 0; i < 5000 && access(path, F_OK) != 0; i++)
        poll(NULL, 0, 1);
    kill(pid, SIGTERM);
    assert_int_equal(status_of(pid), 0);
    assert_non_null(strstr(read_log(), "info stopped"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_daemon_gets_ready_drains_and_stops),
        TEST(a_daemon_starts_again_under_its_pid),
        TEST(a_daemon_that_goes_down_does_not_start_again),
        TEST(draining_is_bounded),
        TEST(it_may_go_down_by_itself_from_start),
        TEST(a_start_that_fails_says_why),
        TEST(a_wrong_setting_exits_2),
        TEST(questions_are_answered_without_starting),
        TEST(a_crash_says_what_was_being_done),
        TEST(the_log_is_reopened_on_sighup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
