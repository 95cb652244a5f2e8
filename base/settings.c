#include "base/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/settings_internal.h"

enum { FILE_BYTES_MAX = 1024 * 1024 };

/* Where a value came from; later ones win, the same twice is a mistake. */
enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_COMMAND_LINE };

struct parse {
    const struct settings_group *groups;
    size_t group_count;
    struct arena *arena;
    uint8_t *sources; /* enum source, one for each row of all groups */
    const char *config_path;
    struct error *error;
};

static size_t row_count(const struct settings_group *groups, size_t group_count)
{
    size_t count = 0;
    for (size_t g = 0; g < group_count; g++)
        count += groups[g].count;
    return count;
}

/* Names are written with '-' on the command line and with '_' in the table; either is taken. */
static bool is_name(const char *name, struct slice text)
{
    size_t i = 0;
    for (; i < text.length && name[i] != '\0'; i++) {
        char c = text.data[i] == '-' ? '_' : (char)text.data[i];
        if (c != name[i])
            return false;
    }
    return i == text.length && name[i] == '\0';
}

struct found {
    const struct setting_row *row;
    void *field;
    uint8_t *source;
};

static bool find(const struct parse *p, struct slice name, struct found *ret_found)
{
    size_t index = 0;
    for (size_t g = 0; g < p->group_count; g++) {
        const struct settings_group *group = &p->groups[g];
        for (size_t i = 0; i < group->count; i++, index++) {
            if (!is_name(group->rows[i].name, name))
                continue;
            *ret_found = (struct found){
                .row = &group->rows[i],
                .field = (uint8_t *)group->values + group->rows[i].offset,
                .source = &p->sources[index],
            };
            return true;
        }
    }
    return false;
}

static enum err bad_value(const struct parse *p, const struct setting_row *row, const char *text)
{
    char bounds[80] = "";
    if (row->minimum[0] != '\0' && row->maximum[0] != '\0')
        snprintf(bounds, sizeof bounds, " from %.32s to %.32s", row->minimum, row->maximum);
    else if (row->minimum[0] != '\0')
        snprintf(bounds, sizeof bounds, " of at least %.32s", row->minimum);
    else if (row->maximum[0] != '\0')
        snprintf(bounds, sizeof bounds, " of at most %.32s", row->maximum);
    return error_set(p->error, ERR_CONFIG, "setting %s: '%.40s' is not %s%s", row->name,
                     setting_is_secret(row) ? "***" : text, setting_kind_words(row->kind), bounds);
}

static enum err store(const struct parse *p, const struct found *f, const char *text)
{
    const struct setting_row *row = f->row;
    uint64_t value = 0;
    if (setting_value_check(row, text, &value) != ERR_OK)
        return bad_value(p, row, text);
    if (row->kind == SETTING_string) {
        char *copy = arena_string(p->arena, slice_from_string(text));
        if (copy == NULL)
            return ERR_NO_MEMORY;
        *(const char **)f->field = copy;
    } else if (row->kind == SETTING_bool) {
        *(bool *)f->field = value != 0;
    } else {
        *(uint64_t *)f->field = value;
    }
    return ERR_OK;
}

static enum err set(struct parse *p, enum source source, struct slice name, const char *text)
{
    struct found f;
    if (!find(p, name, &f))
        return error_set(p->error, ERR_CONFIG, "there is no setting '%.*s'",
                         (int)(name.length < 60 ? name.length : 60), (const char *)name.data);
    if (*f.source == source)
        return error_set(p->error, ERR_CONFIG, "setting %s is given twice", f.row->name);
    if (*f.source > source)
        return ERR_OK;
    *f.source = (uint8_t)source;
    return store(p, &f, text);
}

/* Defaults are ours, but they go the way of all values: a wrong one is found by the first test. An empty
 * default that the bounds refuse means "must be given" and is checked at the end. */
static enum err set_defaults(struct parse *p)
{
    size_t bytes = row_count(p->groups, p->group_count);
    p->sources = arena_zalloc(p->arena, bytes);
    if (p->sources == NULL)
        return ERR_NO_MEMORY;
    for (size_t g = 0; g < p->group_count; g++) {
        const struct settings_group *group = &p->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const struct setting_row *row = &group->rows[i];
            void *field = (uint8_t *)group->values + row->offset;
            if (row->kind == SETTING_string && row->initial[0] == '\0') {
                *(const char **)field = "";
                continue;
            }
            struct found f = {.row = row, .field = field};
            TRY(store(p, &f, row->initial));
        }
    }
    return ERR_OK;
}

static enum err check_given(const struct parse *p)
{
    for (size_t g = 0; g < p->group_count; g++) {
        const struct settings_group *group = &p->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const struct setting_row *row = &group->rows[i];
            const void *field = (const uint8_t *)group->values + row->offset;
            uint64_t ignored;
            if (row->kind == SETTING_string &&
                setting_value_check(row, *(const char *const *)field, &ignored) != ERR_OK)
                return error_set(p->error, ERR_CONFIG, "setting %s must be given: %s", row->name,
                                 row->sentence);
        }
    }
    return ERR_OK;
}

static struct slice trim(struct slice s)
{
    while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.length > 0 && strchr(" \t\r", s.data[s.length - 1]) != NULL)
        s.length--;
    return s;
}

static enum err set_line(struct parse *p, struct slice line, unsigned number)
{
    line = trim(line);
    if (line.length == 0 || line.data[0] == '#')
        return ERR_OK;
    const uint8_t *equals = memchr(line.data, '=', line.length);
    if (equals == NULL)
        return error_set(p->error, ERR_CONFIG, "line %u of the settings file is not 'name = value'", number);
    struct slice name = trim(slice_make(line.data, (size_t)(equals - line.data)));
    char *value = arena_string(p->arena, trim(slice_from(line, (size_t)(equals - line.data) + 1)));
    if (value == NULL)
        return ERR_NO_MEMORY;
    enum err err = set(p, SOURCE_FILE, name, value);
    return err == ERR_CONFIG ? error_wrap(p->error, err, "settings file, line %u", number) : err;
}

static enum err set_from_file(struct parse *p, struct slice text)
{
    for (unsigned number = 1; text.length > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.length);
        size_t length = end == NULL ? text.length : (size_t)(end - text.data);
        TRY(set_line(p, slice_make(text.data, length), number));
        text = slice_from(text, length + 1);
    }
    return ERR_OK;
}

/* One argument, and the next when the value stands there. */
static enum err set_argument(struct parse *p, int argc, char *const *argv, int *at)
{
    const char *text = argv[*at];
    if (strncmp(text, "--", 2) != 0)
        return error_set(p->error, ERR_CONFIG, "'%.60s' is not an option: settings are --name value", text);
    text += 2;
    const char *equals = strchr(text, '=');
    struct slice name = equals == NULL ? slice_from_string(text) : slice_make(text, (size_t)(equals - text));
    const char *value = equals == NULL ? NULL : equals + 1;
    struct found f;
    bool is_flag = find(p, name, &f) && f.row->kind == SETTING_bool &&
                   (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0);
    if (value == NULL && is_flag)
        value = "true";
    if (value == NULL && *at + 1 >= argc)
        return error_set(p->error, ERR_CONFIG, "--%.60s: there is no value behind it", text);
    if (value == NULL)
        value = argv[++*at];
    if (slice_equal_string(name, "config")) {
        p->config_path = value;
        return ERR_OK;
    }
    return set(p, SOURCE_COMMAND_LINE, name, value);
}

static enum err read_file(struct parse *p, struct slice *ret_text)
{
    FILE *file = fopen(p->config_path, "re");
    if (file == NULL)
        return error_set(p->error, ERR_IO, "open settings file %.100s: %s", p->config_path, strerror(errno));
    enum err err = ERR_OK;
    char *text = arena_alloc(p->arena, FILE_BYTES_MAX);
    size_t length = text == NULL ? 0 : fread(text, 1, FILE_BYTES_MAX, file);
    if (text == NULL)
        err = ERR_NO_MEMORY;
    else if (ferror(file) || length == FILE_BYTES_MAX)
        err = error_set(p->error, ERR_IO, "read settings file %.100s: an error, or 1 MiB and more",
                        p->config_path);
    fclose(file);
    if (err == ERR_OK)
        *ret_text = slice_make(text, length);
    return err;
}

enum err settings_parse(const struct settings_group *groups, size_t group_count, int argc, char *const *argv,
                        struct arena *arena, struct error *error)
{
    struct parse p = {.groups = groups, .group_count = group_count, .arena = arena, .error = error};
    TRY(set_defaults(&p));
    for (int at = 1; at < argc; at++)
        TRY(set_argument(&p, argc, argv, &at));
    struct slice text = SLICE_EMPTY;
    if (p.config_path != NULL)
        TRY(read_file(&p, &text));
    TRY(set_from_file(&p, text));
    return check_given(&p);
}

enum err settings_parse_text(const struct settings_group *groups, size_t group_count, struct slice file_text,
                             struct arena *arena, struct error *error)
{
    struct parse p = {.groups = groups, .group_count = group_count, .arena = arena, .error = error};
    TRY(set_defaults(&p));
    TRY(set_from_file(&p, file_text));
    return check_given(&p);
}
