/* sluice-load: signed load against a DynamoDB endpoint. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY come from
 * the environment, all else from load.def. Exits 1 when not one operation succeeded or a setting is wrong. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load_client.h"

static const struct setting_row rows[] = {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
    SETTING_ROW(struct load_options, name, kind, unit, initial, minimum, maximum, sentence)
#include "tests/bench/load.def"
#undef SETTING
};

static volatile bool should_stop;

static void on_signal(int number)
{
    should_stop = true;
}

static const char *environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? otherwise : value;
}

static int help(const struct settings_group *group)
{
    struct buffer text;
    buffer_init(&text, 65536);
    settings_help(group, 1, &text);
    printf("sluice-load: load against a DynamoDB endpoint\n%.*s", SLICE_PRINTF(buffer_view(&text)));
    buffer_deinit(&text);
    return 0;
}

static int run(const struct load_options *options)
{
    static struct load_stats stats;
    struct error error = {.code = ERR_OK};
    const struct load_identity identity = {
        .access_key_id = environment("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        .secret = environment("AWS_SECRET_ACCESS_KEY", "secret"),
    };
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (load_run(options, &identity, &should_stop, &stats, &error) != ERR_OK) {
        fprintf(stderr, "sluice-load: %s\n", error.text);
        return 1;
    }
    if (options->json)
        load_stats_print_json(&stats, stdout);
    else
        load_stats_print(&stats, stdout);
    return load_stats_ops(&stats) > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct load_options options;
    const struct settings_group group = {rows, sizeof rows / sizeof rows[0], &options};
    if (argc > 1 && slice_equal_string(slice_from_string(argv[1]), "--help"))
        return help(&group);
    struct arena arena;
    struct error error = {.code = ERR_OK};
    arena_init(&arena, 16384, 65536);
    int code = 1;
    if (settings_parse(&group, 1, argc, argv, &arena, &error) == ERR_OK)
        code = run(&options);
    else
        fprintf(stderr, "sluice-load: %s\n", error.text);
    arena_deinit(&arena);
    return code;
}
