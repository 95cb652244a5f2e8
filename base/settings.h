/* Settings: a table per daemon, from which come the struct, the parser, the bounds and --help.
 *
 * DIR/main/settings.def lists them, everything as text:
 *
 *     SETTING(name, kind, unit, default, minimum, maximum, sentence)
 *     SETTING(heartbeat_interval, duration, us, "200ms", "10ms", "5s", "Between two heartbeats to control.")
 *     SETTING(data_dir, string, path, "", "1", "", "Where the node keeps its data.")
 *
 * and the daemon builds its struct and rows from it:
 *
 *     struct node_settings {
 *     #define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
 *     #include "dataplane/node/main/settings.def"
 *     #undef SETTING
 *     };
 *     static const struct setting_row rows[] = {
 *     #define SETTING(name, kind, unit, initial, minimum, maximum, sentence) \
 *         SETTING_ROW(struct node_settings, name, kind, unit, initial, minimum, maximum, sentence)
 *     #include "dataplane/node/main/settings.def"
 *     #undef SETTING
 *     };
 *
 * kind      field                    text
 * u64       uint64_t name            "1024"
 * duration  uint64_t name_us         "90us" "10ms" "2s" "5min" "1h" "7d"
 * bytes     uint64_t name_bytes      "4096" "64KiB" "512MiB" "2GiB"
 * bool      bool name                "true" "false" (or --name alone)
 * string    const char *name         minimum and maximum bound the length: "1" means must be given
 *
 * On the command line a setting is --heartbeat-interval 200ms or --heartbeat-interval=200ms; in a file
 * (--config) it is heartbeat_interval = 200ms, one a line, # begins a comment. The command line wins over the
 * file, the file over the default. An unknown name, a value out of bounds, a setting given twice in one
 * place: ERR_CONFIG, with words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"

enum setting_kind { SETTING_u64, SETTING_duration, SETTING_bytes, SETTING_bool, SETTING_string };

struct setting_row {
    const char *name;
    enum setting_kind kind;
    const char *unit;
    const char *initial;
    const char *minimum; /* "" = none */
    const char *maximum;
    const char *sentence;
    size_t offset;
};

#define SETTING_FIELD_u64(name) uint64_t name;
#define SETTING_FIELD_duration(name) uint64_t name##_us;
#define SETTING_FIELD_bytes(name) uint64_t name##_bytes;
#define SETTING_FIELD_bool(name) bool name;
#define SETTING_FIELD_string(name) const char *name;
#define SETTING_OFFSET_u64(set, name) offsetof(set, name)
#define SETTING_OFFSET_duration(set, name) offsetof(set, name##_us)
#define SETTING_OFFSET_bytes(set, name) offsetof(set, name##_bytes)
#define SETTING_OFFSET_bool(set, name) offsetof(set, name)
#define SETTING_OFFSET_string(set, name) offsetof(set, name)
#define SETTING_ROW(set, name, kind, unit, initial, minimum, maximum, sentence) \
    {#name, SETTING_##kind, #unit, initial, minimum, maximum, sentence, SETTING_OFFSET_##kind(set, name)},

/* <stdbool.h> makes `bool` a macro, which an argument of SETTING_ROW has become by then. */
#define SETTING__Bool SETTING_bool
#define SETTING_OFFSET__Bool SETTING_OFFSET_bool

/* A table and the struct that it fills. */
struct settings_group {
    const struct setting_row *rows;
    size_t count;
    void *values;
};

/* Fill all groups from defaults, then from the file that --config names (if any), then from the arguments
 * (argv[0] is skipped). Strings live in `arena`. On failure the structs' contents are undefined.
 * ERR_CONFIG, with words that name the setting and the bounds; ERR_IO: the file cannot be read;
 * ERR_NO_MEMORY. */
enum err settings_parse(const struct settings_group *groups, size_t group_count, int argc, char *const *argv,
                        struct arena *arena, struct error *error) MUST_CHECK;
/* The same without a command line: for tests and tools. file_text may be empty. */
enum err settings_parse_text(const struct settings_group *groups, size_t group_count, struct slice file_text,
                             struct arena *arena, struct error *error) MUST_CHECK;
/* --help: each setting with its kind, default, bounds and sentence. */
void settings_help(const struct settings_group *groups, size_t group_count, struct buffer *to);
/* name=value of every setting, for the log's first lines and /debug/settings. Names that contain "secret",
 * "password", "token" or "key" and database addresses ("dsn") show as "***". */
void settings_show(const struct settings_group *groups, size_t group_count, struct buffer *to);

/* One value's text. ERR_CONFIG: not of this kind, or over 2^63. */
enum err setting_parse_u64(const char *text, enum setting_kind kind, uint64_t *ret_value) MUST_CHECK;
