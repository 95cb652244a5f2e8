/* Bytes are written in the order in which they come; each name of an open M and each member of an open set
 * leaves an entry on a stack. `end` sorts a container's entries if they are not in order already, and then
 * writes the container's pieces anew in that order. Lengths go before bodies: one byte is kept free for a
 * container's, and the body moves up when it needs more. */
#include "dataplane/item/item_builder.h"

#include "base/assert.h"
#include "dataplane/item/number.h"

enum { INSERTION_SORT_MAX = 24, VARINT_BYTES_MAX = 5 };

/* A name or member, and the piece that moves with it. Offsets into bytes. */
struct entry {
    uint64_t prefix; /* the first eight bytes, big-endian: decides most comparisons */
    uint32_t start;
    uint32_t text;
    uint32_t text_bytes;
    uint32_t end; /* filled in by sorting */
};

static unsigned varint_bytes(size_t value)
{
    unsigned bytes = 1;
    for (; value > 0x7F; value >>= 7)
        bytes++;
    return bytes;
}

static void put_varint(uint8_t *to, size_t value)
{
    for (; value > 0x7F; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to = (uint8_t)value;
}

static struct entry *entries_of(const struct item_builder *b)
{
    return (struct entry *)(void *)b->entries.data;
}

static uint32_t entry_count(const struct item_builder *b)
{
    return (uint32_t)(b->entries.length / sizeof(struct entry));
}

static struct item_builder_frame *top(struct item_builder *b)
{
    return &b->frames[b->depth - 1];
}

void item_builder_init(struct item_builder *b, size_t bytes_max)
{
    ASSERT(bytes_max <= UINT32_MAX);
    memset(b, 0, sizeof(*b));
    buffer_init(&b->bytes, bytes_max);
    buffer_init(&b->scratch, bytes_max);
    buffer_init(&b->entries, bytes_max * sizeof(struct entry));
}

void item_builder_deinit(struct item_builder *b)
{
    buffer_deinit(&b->bytes);
    buffer_deinit(&b->scratch);
    buffer_deinit(&b->entries);
    item_builder_clear(b);
}

void item_builder_clear(struct item_builder *b)
{
    buffer_clear(&b->bytes);
    buffer_clear(&b->entries);
    buffer_clear(&b->scratch);
    b->depth = 0;
    b->has_failed = b->is_too_deep = b->is_over = b->has_name = false;
}

/* Lengthen the bytes; NULL on failure. */
static uint8_t *extend(struct item_builder *b, size_t bytes)
{
    if (b->has_failed)
        return NULL;
    if (bytes > b->bytes.length_max - b->bytes.length) {
        b->has_failed = b->is_over = true;
        return NULL;
    }
    uint8_t *to = buffer_extend(&b->bytes, bytes);
    if (to == NULL)
        b->has_failed = true;
    return to;
}

/* ---- entries ---- */

static uint64_t prefix_of(const uint8_t *text, size_t bytes)
{
    uint64_t word = 0;
    if (bytes >= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        return __builtin_bswap64(word);
    }
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)text[i] << (56 - 8 * i);
    return word;
}

STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "prefix_of swaps");

static int compare_entries(const struct item_builder *b, const struct entry *x, const struct entry *y)
{
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    return slice_compare(slice_make(b->bytes.data + x->text, x->text_bytes),
                         slice_make(b->bytes.data + y->text, y->text_bytes));
}

static void push_entry(struct item_builder *b, uint32_t start, uint32_t text, size_t text_bytes)
{
    struct item_builder_frame *frame = top(b);
    struct entry *entry = (struct entry *)(void *)buffer_extend(&b->entries, sizeof(*entry));
    if (entry == NULL) {
        b->has_failed = true;
        return;
    }
    *entry = (struct entry){.prefix = prefix_of(b->bytes.data + text, text_bytes),
                            .start = start,
                            .text = text,
                            .text_bytes = (uint32_t)text_bytes};
    if (frame->is_sorted && entry_count(b) > frame->entry + 1)
        frame->is_sorted = compare_entries(b, entry - 1, entry) < 0;
}

/* Ties in the order of writing, so that the last of equal names stays the last. */
static bool is_before(const struct item_builder *b, const struct entry *x, const struct entry *y)
{
    int order = compare_entries(b, x, y);
    return order != 0 ? order < 0 : x->start < y->start;
}

static void insertion_sort(const struct item_builder *b, struct entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct entry moving = entries[i];
        size_t at = i;
        for (; at > 0 && is_before(b, &moving, &entries[at - 1]); at--)
            entries[at] = entries[at - 1];
        entries[at] = moving;
    }
}

static void sift_down(const struct item_builder *b, struct entry *entries, size_t root, size_t count)
{
    struct entry moving = entries[root];
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && is_before(b, &entries[child], &entries[child + 1]))
            child++;
        if (!is_before(b, &moving, &entries[child]))
            break;
        entries[root] = entries[child];
        root = child;
    }
    entries[root] = moving;
}

/* A tenant chooses the order: the worst case must be n log n, without more memory. */
static void heap_sort(const struct item_builder *b, struct entry *entries, size_t count)
{
    for (size_t root = count / 2; root-- > 0;)
        sift_down(b, entries, root, count);
    for (size_t last = count; last-- > 1;) {
        struct entry largest = entries[0];
        entries[0] = entries[last];
        entries[last] = largest;
        sift_down(b, entries, 0, last);
    }
}

/* Put the container's pieces in order and drop what is there twice; returns how many were. */
static size_t sort_container(struct item_builder *b, const struct item_builder_frame *frame)
{
    struct entry *entries = entries_of(b) + frame->entry;
    size_t count = entry_count(b) - frame->entry, dropped = 0;
    for (size_t i = 0; i < count; i++)
        entries[i].end = i + 1 < count ? entries[i + 1].start : (uint32_t)b->bytes.length;
    if (count <= INSERTION_SORT_MAX)
        insertion_sort(b, entries, count);
    else
        heap_sort(b, entries, count);

    buffer_clear(&b->scratch);
    if (!buffer_reserve(&b->scratch, b->bytes.length - frame->body)) {
        b->has_failed = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_entries(b, &entries[i], &entries[i + 1]) == 0)
            dropped++;
        else
            buffer_append(&b->scratch,
                          slice_make(b->bytes.data + entries[i].start, entries[i].end - entries[i].start));
    }
    memcpy(b->bytes.data + frame->body, b->scratch.data, b->scratch.length);
    b->bytes.length = frame->body + b->scratch.length;
    return dropped;
}

/* ---- scalars and names ---- */

/* A value may come now: at the root once, in an M after its name. Otherwise it is our mistake. */
static void expect_value(struct item_builder *b)
{
    if (b->depth == 0) {
        ASSERT(b->bytes.length == 0);
        return;
    }
    struct item_builder_frame *frame = top(b);
    ASSERT(frame->tag == VALUE_M ? b->has_name : frame->tag == VALUE_L);
    b->has_name = false;
    frame->count++;
}

/* The level of a value that comes now; the root item itself is at none. */
static bool is_within_levels(struct item_builder *b)
{
    uint32_t level = b->depth > 0 && b->frames[0].tag == VALUE_M ? b->depth : b->depth + 1;
    if (level > VALUE_LEVELS_MAX)
        b->has_failed = b->is_too_deep = true;
    return !b->has_failed;
}

/* A varint's place and bytes_max behind it. */
static uint8_t *reserve_prefixed(struct item_builder *b, size_t bytes_max)
{
    unsigned width = varint_bytes(bytes_max);
    uint32_t start = (uint32_t)b->bytes.length;
    uint8_t *to = bytes_max > UINT32_MAX / 2 ? NULL : extend(b, width + bytes_max);
    if (to == NULL) {
        b->is_over |= !b->has_failed;
        b->has_failed = true;
        return NULL;
    }
    b->reserved = start;
    b->width = (uint8_t)width;
    return to + width;
}

/* Write the varint and give back what was not used; returns where the bytes are. */
static uint32_t commit_prefixed(struct item_builder *b, size_t bytes)
{
    unsigned width = varint_bytes(bytes);
    uint8_t *start = b->bytes.data + b->reserved;
    ASSERT(width <= b->width);
    if (width < b->width)
        memmove(start + width, start + b->width, bytes);
    put_varint(start, bytes);
    b->bytes.length = b->reserved + width + bytes;
    return b->reserved + width;
}

uint8_t *item_builder_reserve(struct item_builder *b, enum value_tag tag, size_t bytes_max)
{
    if (b->has_failed)
        return NULL;
    if (b->depth > 0 && value_is_set(top(b)->tag)) {
        ASSERT(tag == value_set_member_tag(top(b)->tag));
        return reserve_prefixed(b, bytes_max);
    }
    expect_value(b);
    if (!is_within_levels(b))
        return NULL;
    uint8_t *to = extend(b, 1);
    if (to == NULL)
        return NULL;
    *to = (uint8_t)tag;
    return reserve_prefixed(b, bytes_max);
}

void item_builder_commit(struct item_builder *b, size_t bytes)
{
    if (b->has_failed)
        return;
    uint32_t start = b->reserved;
    uint32_t text = commit_prefixed(b, bytes);
    if (b->depth > 0 && value_is_set(top(b)->tag))
        push_entry(b, start, text, bytes);
}

uint8_t *item_builder_reserve_name(struct item_builder *b, size_t bytes_max)
{
    if (b->has_failed)
        return NULL;
    ASSERT(b->depth > 0 && top(b)->tag == VALUE_M && !b->has_name);
    return reserve_prefixed(b, bytes_max);
}

void item_builder_commit_name(struct item_builder *b, size_t bytes)
{
    if (b->has_failed)
        return;
    uint32_t start = b->reserved;
    push_entry(b, start, commit_prefixed(b, bytes), bytes);
    b->has_name = true;
}

void item_builder_name(struct item_builder *b, struct slice name)
{
    uint8_t *to = item_builder_reserve_name(b, name.length);
    if (to == NULL)
        return;
    if (name.length > 0)
        memcpy(to, name.data, name.length);
    item_builder_commit_name(b, name.length);
}

static void add_bytes(struct item_builder *b, uint8_t tag, struct slice body)
{
    uint8_t *to = item_builder_reserve(b, (enum value_tag)tag, body.length);
    if (to == NULL)
        return;
    if (body.length > 0)
        memcpy(to, body.data, body.length);
    item_builder_commit(b, body.length);
}

void item_builder_scalar(struct item_builder *b, enum value_tag tag, struct slice body)
{
    ASSERT(b->depth == 0 || !value_is_set(top(b)->tag));
    add_bytes(b, (uint8_t)tag, body);
}

void item_builder_member(struct item_builder *b, struct slice member)
{
    if (b->has_failed)
        return;
    ASSERT(b->depth > 0 && value_is_set(top(b)->tag));
    add_bytes(b, value_set_member_tag(top(b)->tag), member);
}

void item_builder_number(struct item_builder *b, const struct number *n)
{
    item_builder_scalar(b, VALUE_N, number_view(n));
}

void item_builder_bool(struct item_builder *b, bool value)
{
    uint8_t byte = value;
    item_builder_scalar(b, VALUE_BOOL, slice_make(&byte, 1));
}

/* Levels inside a copied value, itself included. */
static uint32_t levels_of(struct value_view value, uint32_t levels_max)
{
    uint32_t deepest = 0;
    struct reader at;
    struct attribute_view attribute;
    struct value_view element;
    if (levels_max == 0 || (value.tag != VALUE_M && value.tag != VALUE_L))
        return 1;
    reader_init(&at, value.body);
    while (value.tag == VALUE_M ? item_next(&at, &attribute) : list_next(&at, &element)) {
        uint32_t levels = levels_of(value.tag == VALUE_M ? attribute.value : element, levels_max - 1);
        deepest = levels > deepest ? levels : deepest;
    }
    return 1 + deepest;
}

void item_builder_value(struct item_builder *b, struct value_view value)
{
    /* Containers may bring levels along that do not fit here. */
    if (!b->has_failed && (value.tag == VALUE_M || value.tag == VALUE_L)) {
        uint32_t base = b->depth > 0 && b->frames[0].tag == VALUE_M ? b->depth - 1 : b->depth;
        if (base + levels_of(value, VALUE_LEVELS_MAX) > VALUE_LEVELS_MAX)
            b->has_failed = b->is_too_deep = true;
    }
    item_builder_scalar(b, (enum value_tag)value.tag, value.body);
}

void item_builder_attribute(struct item_builder *b, struct slice name, struct value_view value)
{
    item_builder_name(b, name);
    item_builder_value(b, value);
}

/* ---- containers ---- */

void item_builder_begin(struct item_builder *b, enum value_tag tag)
{
    bool is_root_item = b->depth == 0 && tag == VALUE_M;
    if (b->has_failed)
        return;
    expect_value(b);
    if (!is_root_item && !is_within_levels(b))
        return;
    uint32_t start = (uint32_t)b->bytes.length;
    if (!is_root_item) {
        uint8_t *to = extend(b, 2); /* tag, and the length in the usual case */
        if (to == NULL)
            return;
        *to = (uint8_t)tag;
    }
    b->frames[b->depth++] = (struct item_builder_frame){.tag = (uint8_t)tag,
                                                        .is_sorted = true,
                                                        .start = start,
                                                        .body = (uint32_t)b->bytes.length,
                                                        .entry = entry_count(b)};
}

/* The body's length goes before it. */
static void close_body(struct item_builder *b, const struct item_builder_frame *frame)
{
    size_t bytes = b->bytes.length - frame->body;
    unsigned width = varint_bytes(bytes);
    if (width > 1) {
        if (extend(b, width - 1) == NULL)
            return;
        memmove(b->bytes.data + frame->body + width - 1, b->bytes.data + frame->body, bytes);
    }
    put_varint(b->bytes.data + frame->start + 1, bytes);
}

size_t item_builder_end(struct item_builder *b)
{
    size_t dropped = 0;
    if (b->has_failed)
        return 0;
    ASSERT(b->depth > 0 && !b->has_name);
    struct item_builder_frame *frame = top(b);
    if (!frame->is_sorted)
        dropped = sort_container(b, frame);
    b->entries.length = frame->entry * sizeof(struct entry);
    if (!b->has_failed && frame->body != frame->start)
        close_body(b, frame);
    b->depth--;
    return dropped;
}

size_t item_builder_count(const struct item_builder *b)
{
    if (b->depth == 0 || b->has_failed)
        return 0;
    const struct item_builder_frame *frame = &b->frames[b->depth - 1];
    return frame->tag == VALUE_L ? frame->count : entry_count(b) - frame->entry;
}

bool item_builder_has_failed(const struct item_builder *b)
{
    return b->has_failed;
}

bool item_builder_is_too_deep(const struct item_builder *b)
{
    return b->is_too_deep;
}

bool item_builder_is_over(const struct item_builder *b)
{
    return b->is_over;
}

struct slice item_builder_view(const struct item_builder *b)
{
    ASSERT(b->depth == 0 && !b->has_failed);
    return buffer_view(&b->bytes);
}
