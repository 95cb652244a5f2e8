#include "tests/faults/disk_image.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512, PATH_BYTES = 128 };

/* A change of a file that no sync has covered yet. data NULL: only the size changes. */
struct change {
    uint64_t offset; /* or the new size */
    const uint8_t *data;
    uint32_t bytes;
};

struct file {
    uint8_t *synced;
    uint64_t synced_bytes;
    struct change *changes;
    size_t change_count, change_capacity;
};

struct name {
    char path[PATH_BYTES];
    uint32_t file; /* 0: a directory */
};

struct names {
    struct name *names;
    size_t count, capacity;
};

struct name_change {
    enum trace_op op;
    uint32_t file;
    char from[PATH_BYTES], to[PATH_BYTES];
};

struct disk_image {
    struct file *files;
    size_t file_count;
    struct names durable;
    struct name_change *pending;
    size_t pending_count, pending_capacity;
};

static void check(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "disk image: %s\n", what);
    abort();
}

static void *grown(void *array, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = 2 * *capacity + 16;
    array = realloc(array, *capacity * item_bytes);
    check(array != NULL, "no memory");
    return array;
}

struct disk_image *disk_image_create(void)
{
    struct disk_image *image = calloc(1, sizeof *image);
    check(image != NULL, "no memory");
    return image;
}

void disk_image_destroy(struct disk_image *image)
{
    for (size_t i = 0; i < image->file_count; i++) {
        free(image->files[i].synced);
        free(image->files[i].changes);
    }
    free(image->files);
    free(image->durable.names);
    free(image->pending);
    free(image);
}

/* ---- Files ---- */

static struct file *file_at(struct disk_image *image, uint32_t number)
{
    if (number >= image->file_count) {
        image->files = realloc(image->files, (number + 1) * sizeof *image->files);
        check(image->files != NULL, "no memory");
        memset(image->files + image->file_count, 0, (number + 1 - image->file_count) * sizeof *image->files);
        image->file_count = number + 1;
    }
    return &image->files[number];
}

static void add_change(struct file *file, struct change change)
{
    file->changes = grown(file->changes, &file->change_capacity, file->change_count, sizeof change);
    file->changes[file->change_count++] = change;
}

static uint64_t size_after(uint64_t size, const struct change *change)
{
    if (change->data == NULL)
        return change->offset;
    uint64_t end = change->offset + change->bytes;
    return end > size ? end : size;
}

static uint8_t *resized(uint8_t *bytes, uint64_t from, uint64_t to)
{
    bytes = realloc(bytes, to == 0 ? 1 : to);
    check(bytes != NULL, "no memory");
    if (to > from)
        memset(bytes + from, 0, to - from);
    return bytes;
}

static void sync_file(struct file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        uint64_t size = size_after(file->synced_bytes, change);
        if (size != file->synced_bytes)
            file->synced = resized(file->synced, file->synced_bytes, size);
        file->synced_bytes = size;
        if (change->data != NULL)
            memcpy(file->synced + change->offset, change->data, change->bytes);
    }
    file->change_count = 0;
}

/* ---- Names ---- */

static struct name *find_name(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].path, path) == 0)
            return &names->names[i];
    return NULL;
}

static void remove_name(struct names *names, const char *path)
{
    struct name *name = find_name(names, path);
    if (name != NULL)
        *name = names->names[--names->count];
}

static void set_name(struct names *names, const char *path, uint32_t file)
{
    remove_name(names, path);
    names->names = grown(names->names, &names->capacity, names->count, sizeof *names->names);
    struct name *name = &names->names[names->count++];
    *name = (struct name){.file = file};
    snprintf(name->path, sizeof name->path, "%s", path);
}

static void apply_name_change(struct names *names, const struct name_change *change)
{
    if (change->op == TRACE_UNLINK || change->op == TRACE_RMDIR || change->op == TRACE_RENAME)
        remove_name(names, change->from);
    if (change->op == TRACE_CREATE || change->op == TRACE_MKDIR)
        set_name(names, change->from, change->file);
    if (change->op == TRACE_RENAME || change->op == TRACE_LINK)
        set_name(names, change->to, change->file);
}

static void add_name_change(struct disk_image *image, const struct trace_header *header, const uint8_t *data)
{
    struct name_change change = {.op = (enum trace_op)header->op, .file = header->file};
    size_t from_bytes = strnlen((const char *)data, header->bytes);
    check(from_bytes < PATH_BYTES, "long path");
    memcpy(change.from, data, from_bytes);
    if (from_bytes < header->bytes) {
        check(header->bytes - from_bytes - 1 < PATH_BYTES, "long path");
        memcpy(change.to, data + from_bytes + 1, header->bytes - from_bytes - 1);
    }
    image->pending = grown(image->pending, &image->pending_capacity, image->pending_count, sizeof change);
    image->pending[image->pending_count++] = change;
}

static void sync_names(struct disk_image *image)
{
    for (size_t i = 0; i < image->pending_count; i++)
        apply_name_change(&image->durable, &image->pending[i]);
    image->pending_count = 0;
}

void disk_image_apply(struct disk_image *image, const struct trace_header *header, const uint8_t *data)
{
    switch ((enum trace_op)header->op) {
    case TRACE_WRITE:
        add_change(file_at(image, header->file), (struct change){header->a, data, header->bytes});
        return;
    case TRACE_SIZE:
        add_change(file_at(image, header->file), (struct change){header->a, NULL, 0});
        return;
    case TRACE_SYNC:
        sync_file(file_at(image, header->file));
        return;
    case TRACE_DIR_SYNC:
        sync_names(image);
        return;
    case TRACE_CREATE:
        file_at(image, header->file);
        add_name_change(image, header, data);
        return;
    case TRACE_RENAME:
    case TRACE_UNLINK:
    case TRACE_LINK:
    case TRACE_MKDIR:
    case TRACE_RMDIR:
        add_name_change(image, header, data);
        return;
    case TRACE_NOTE:
        return;
    default:
        check(0, "unknown operation");
    }
}

/* ---- The directory ---- */

/* How much of what was not synced survives, in sixteenths: nothing and everything among them. */
static unsigned pick_kept(struct random *random)
{
    static const unsigned kept[] = {0, 16, 8, 2, 14, 16, 0, 8};
    return kept[random_below(random, sizeof kept / sizeof kept[0])];
}

/* Bytes below synced_bytes are kept sector by sector, those behind it up to `size`. */
static void keep_sectors(uint8_t *bytes, uint64_t synced_bytes, uint64_t size, const struct change *change,
                         unsigned kept, struct random *random)
{
    for (uint64_t at = change->offset; at < change->offset + change->bytes && at < size;) {
        uint64_t end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        end = end < change->offset + change->bytes ? end : change->offset + change->bytes;
        end = end < size ? end : size;
        if (at < synced_bytes && end > synced_bytes)
            end = synced_bytes;
        if (at >= synced_bytes || random_below(random, 16) < kept)
            memcpy(bytes + at, change->data + (at - change->offset), end - at);
        at = end;
    }
}

/* Where the file ends: after any of its changes, or at a sector within the last of them. */
static uint64_t pick_size(const struct file *file, unsigned kept, struct random *random)
{
    size_t changes_kept = kept == 16 ? file->change_count : random_below(random, file->change_count + 1);
    uint64_t size = file->synced_bytes, before = size;
    for (size_t i = 0; i < changes_kept; i++) {
        before = size;
        size = size_after(size, &file->changes[i]);
    }
    if (kept == 16 || size <= before + SECTOR_BYTES)
        return size;
    uint64_t sectors = size / SECTOR_BYTES - before / SECTOR_BYTES;
    uint64_t cut = (before / SECTOR_BYTES + 1 + random_below(random, sectors)) * SECTOR_BYTES;
    return cut < size ? cut : size;
}

static uint8_t *outcome_of(const struct file *file, struct random *random, uint64_t *ret_size)
{
    unsigned kept = pick_kept(random);
    uint64_t size = pick_size(file, kept, random);
    uint8_t *bytes = resized(NULL, 0, size);
    uint64_t common = size < file->synced_bytes ? size : file->synced_bytes;
    if (common > 0)
        memcpy(bytes, file->synced, common);
    for (size_t i = 0; i < file->change_count; i++)
        if (file->changes[i].data != NULL)
            keep_sectors(bytes, file->synced_bytes, size, &file->changes[i], kept, random);
    *ret_size = size;
    return bytes;
}

static void write_file(const char *path, const struct file *file, struct random *random)
{
    uint64_t size;
    uint8_t *bytes = outcome_of(file, random, &size);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0, path);
    for (uint64_t at = 0; at < size;) {
        ssize_t written = write(fd, bytes + at, size - at);
        check(written > 0, "write");
        at += (uint64_t)written;
    }
    close(fd);
    free(bytes);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

void disk_image_materialize(const struct disk_image *image, const char *directory, struct random *random)
{
    struct names names = {0};
    size_t kept = random_below(random, image->pending_count + 1);
    if (random_one_in(random, 3))
        kept = image->pending_count;
    for (size_t i = 0; i < image->durable.count; i++)
        set_name(&names, image->durable.names[i].path, image->durable.names[i].file);
    for (size_t i = 0; i < kept; i++)
        apply_name_change(&names, &image->pending[i]);
    if (names.count > 0)
        qsort(names.names, names.count, sizeof *names.names,
              compare_names); /* directories before their files */
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", directory, names.names[i].path);
        if (names.names[i].file == 0)
            check(mkdir(path, 0700) == 0, path);
        else
            write_file(path, &image->files[names.names[i].file], random);
    }
    free(names.names);
}
