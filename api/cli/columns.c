#include "api/cli/columns.h"

#include <stdio.h>

#include "base/assert.h"

enum { GAP = 2 };

/* Characters of UTF-8: every byte that does not continue one. */
static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

void columns_init(struct columns *c, const char *const *titles, size_t count)
{
    ASSERT(count > 0);
    ASSERT(count <= COLUMNS_MAX);
    *c = (struct columns){.titles = titles, .count = count};
    buffer_init(&c->cells, COLUMNS_TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        c->widths[i] = characters(titles[i]);
}

void columns_deinit(struct columns *c)
{
    buffer_deinit(&c->cells);
}

void columns_text(struct columns *c, const char *text)
{
    if (text == NULL || text[0] == '\0')
        text = "-";
    size_t column = c->cell_count % c->count;
    size_t width = characters(text);
    for (const char *at = text; *at != '\0'; at++) {
        bool is_control = (unsigned char)*at < ' ' || *at == 0x7f;
        buffer_append_u8(&c->cells, is_control ? '?' : (uint8_t)*at);
    }
    buffer_append_u8(&c->cells, 0);
    if (width > c->widths[column])
        c->widths[column] = width;
    c->cell_count++;
}

void columns_number(struct columns *c, long long number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", number); /* fits */
    c->is_number[c->cell_count % c->count] = true;
    columns_text(c, text);
}

static void write_spaces(struct buffer *to, size_t count)
{
    for (; count > 0; count--)
        buffer_append_u8(to, ' ');
}

static void write_cell(const struct columns *c, size_t column, const char *text, struct buffer *to)
{
    size_t padding = c->widths[column] - characters(text);
    bool is_last = column + 1 == c->count;
    if (c->is_number[column])
        write_spaces(to, padding);
    buffer_append_string(to, text);
    if (!c->is_number[column] && !is_last)
        write_spaces(to, padding);
    if (is_last)
        buffer_append_u8(to, '\n');
    else
        write_spaces(to, GAP);
}

void columns_write(const struct columns *c, struct buffer *to)
{
    if (buffer_has_failed(&c->cells)) {
        to->has_failed = true;
        return;
    }
    for (size_t i = 0; i < c->count; i++)
        write_cell(c, i, c->titles[i], to);
    const char *cell = (const char *)c->cells.data;
    for (size_t i = 0; i < c->cell_count - c->cell_count % c->count; i++) {
        write_cell(c, i % c->count, cell, to);
        cell += strlen(cell) + 1;
    }
}
