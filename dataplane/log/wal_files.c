/* The log's directory: `<generation>.segment` files in use or prepared, and `<number>.spare` files to be used
 * again; both numbers as 16 hexadecimal digits. Whoever creates or renames syncs the directory. */
#include "dataplane/log/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { NAME_BYTES = 32, ZEROS_BYTES = 256 * 1024 };

static const uint8_t zeros[ZEROS_BYTES];

static enum err err_from_errno(void)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return ERR_NO_SPACE;
    return errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO;
}

static void segment_name(char name[NAME_BYTES], uint64_t generation)
{
    snprintf(name, NAME_BYTES, "%016llx.segment", (unsigned long long)generation);
}

static void spare_name(char name[NAME_BYTES], uint64_t number)
{
    snprintf(name, NAME_BYTES, "%016llx.spare", (unsigned long long)number);
}

static enum err directory_sync(struct wal *wal)
{
    return fsync(wal->directory_fd) == 0 ? ERR_OK : ERR_IO;
}

enum err wal_directory_open(struct wal *wal, struct error *error)
{
    const char *path = wal->options.directory;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(error, err_from_errno(), "create %s: %s", path, strerror(errno));
    wal->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (wal->directory_fd < 0)
        return error_set(error, ERR_IO, "open %s: %s", path, strerror(errno));
    if (flock(wal->directory_fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(error, ERR_IO, "lock %s: in use by another process", path);
    return ERR_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static enum err add_number(uint64_t **numbers, size_t *count, uint64_t number)
{
    uint64_t *grown = memory_resize(*numbers, (*count + 1) * sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    grown[(*count)++] = number;
    *numbers = grown;
    return ERR_OK;
}

static enum err list_name(struct wal_listing *listing, const char *name)
{
    if (name[0] == '.')
        return ERR_OK;
    char *end;
    uint64_t number = strtoull(name, &end, 16);
    if (end == name + 16 && strcmp(end, ".segment") == 0 && number > 0 && number < UINT32_MAX)
        return add_number(&listing->segments, &listing->segment_count, number);
    if (end == name + 16 && strcmp(end, ".spare") == 0)
        return add_number(&listing->spares, &listing->spare_count, number);
    return ERR_CORRUPT;
}

enum err wal_directory_list(struct wal *wal, struct wal_listing *ret_listing)
{
    struct wal_listing listing = {0};
    DIR *directory = opendir(wal->options.directory);
    if (directory == NULL)
        return err_from_errno();
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            break;
        err = list_name(&listing, entry->d_name);
    }
    if (err == ERR_OK && errno != 0)
        err = ERR_IO;
    closedir(directory);
    if (err != ERR_OK) {
        wal_listing_deinit(&listing);
        return err;
    }
    if (listing.segment_count > 0)
        qsort(listing.segments, listing.segment_count, sizeof *listing.segments, compare_numbers);
    *ret_listing = listing;
    return ERR_OK;
}

void wal_listing_deinit(struct wal_listing *listing)
{
    memory_free(listing->segments);
    memory_free(listing->spares);
}

static enum err file_create(int fd, uint64_t generation, uint32_t bytes, struct wal_file **ret_file)
{
    struct wal_file *file = memory_zalloc(sizeof *file);
    if (file == NULL)
        return ERR_NO_MEMORY;
    *file = (struct wal_file){.generation = generation, .bytes = bytes, .fd = fd};
    *ret_file = file;
    return ERR_OK;
}

void wal_file_close(struct wal_file *file)
{
    if (file == NULL)
        return;
    close(file->fd);
    memory_free(file);
}

enum err wal_file_open(struct wal *wal, uint64_t generation, struct wal_file **ret_file)
{
    char name[NAME_BYTES];
    struct stat status;
    segment_name(name, generation);
    int fd = openat(wal->directory_fd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno();
    enum err err = ERR_IO;
    if (fstat(fd, &status) == 0)
        err = status.st_size > UINT32_MAX ? ERR_CORRUPT
                                          : file_create(fd, generation, (uint32_t)status.st_size, ret_file);
    if (err != ERR_OK)
        close(fd);
    return err;
}

/* Blocks written once need no journal when they are written again: write zeros, do not just allocate. */
static enum err fill_with_zeros(int fd, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes;) {
        size_t part = bytes - at < ZEROS_BYTES ? bytes - at : ZEROS_BYTES;
        ssize_t written = pwrite(fd, zeros, part, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? ERR_IO : err_from_errno();
        at += (uint32_t)written;
    }
    return fdatasync(fd) == 0 ? ERR_OK : err_from_errno();
}

static enum err make_new(struct wal *wal, const char *name, uint32_t bytes, int *ret_fd)
{
    int fd = openat(wal->directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_from_errno();
    enum err err = fill_with_zeros(fd, bytes);
    if (err != ERR_OK) {
        close(fd);
        unlinkat(wal->directory_fd, name, 0); /* give the space back; a leftover would only be a spare */
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* A spare of the right size under its new name; ERR_NOT_FOUND: there is none. */
static enum err reuse_spare(struct wal *wal, const char *name, uint32_t bytes, int *ret_fd)
{
    char spare[NAME_BYTES];
    struct stat status;
    pthread_mutex_lock(&wal->mutex);
    uint64_t number = wal->spare_count > 0 ? wal->spare_numbers[--wal->spare_count] : 0;
    pthread_mutex_unlock(&wal->mutex);
    if (number == 0)
        return ERR_NOT_FOUND;
    spare_name(spare, number);
    int fd = openat(wal->directory_fd, spare, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno();
    if (fstat(fd, &status) != 0 || status.st_size != bytes) {
        close(fd);
        return unlinkat(wal->directory_fd, spare, 0) == 0 ? ERR_NOT_FOUND : err_from_errno();
    }
    if (renameat(wal->directory_fd, spare, wal->directory_fd, name) != 0) {
        close(fd);
        return err_from_errno();
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err wal_file_make(struct wal *wal, uint64_t generation, uint32_t bytes, struct wal_file **ret_file)
{
    char name[NAME_BYTES];
    int fd = -1;
    segment_name(name, generation);
    enum err err = reuse_spare(wal, name, bytes, &fd);
    if (err == ERR_NOT_FOUND)
        err = make_new(wal, name, bytes, &fd);
    if (err != ERR_OK)
        return err;
    err = directory_sync(wal);
    if (err == ERR_OK)
        err = file_create(fd, generation, bytes, ret_file);
    if (err != ERR_OK)
        close(fd);
    return err;
}

enum err wal_file_retire(struct wal *wal, uint64_t generation)
{
    char segment[NAME_BYTES], spare[NAME_BYTES];
    segment_name(segment, generation);
    spare_name(spare, generation);
    pthread_mutex_lock(&wal->mutex);
    bool is_wanted = wal->spare_count < WAL_SPARES_MAX;
    pthread_mutex_unlock(&wal->mutex);
    if (!is_wanted)
        return unlinkat(wal->directory_fd, segment, 0) == 0 ? ERR_OK : err_from_errno();
    if (renameat(wal->directory_fd, segment, wal->directory_fd, spare) != 0)
        return err_from_errno();
    pthread_mutex_lock(&wal->mutex);
    wal->spare_numbers[wal->spare_count++] = generation;
    pthread_mutex_unlock(&wal->mutex);
    return ERR_OK;
}

/* Step over `done` bytes of a vector. */
static void advance(struct iovec **iov, int *count, size_t done)
{
    while (*count > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (done > 0) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

enum err wal_file_append(struct wal_file *file, struct iovec *iov, int count, uint32_t offset)
{
    while (count > 0) {
        ssize_t written = pwritev(file->fd, iov, count, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return ERR_IO;
        offset += (uint32_t)written;
        advance(&iov, &count, (size_t)written);
    }
    return ERR_OK;
}

enum err wal_file_sync(struct wal_file *file)
{
    return fdatasync(file->fd) == 0 ? ERR_OK : ERR_IO;
}

enum err wal_file_read(const struct wal_file *file, uint8_t *to, size_t bytes, uint32_t offset)
{
    while (bytes > 0) {
        ssize_t got = pread(file->fd, to, bytes, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? ERR_TRUNCATED : ERR_IO;
        to += got;
        offset += (uint32_t)got;
        bytes -= (size_t)got;
    }
    return ERR_OK;
}

enum err wal_files_add(struct wal *wal, struct wal_file *file)
{
    if (wal->file_count == wal->file_capacity) {
        size_t capacity = wal->file_capacity == 0 ? 16 : 2 * wal->file_capacity;
        struct wal_file **files = memory_resize(wal->files, capacity * sizeof(*files));
        if (files == NULL)
            return ERR_NO_MEMORY;
        wal->files = files;
        wal->file_capacity = capacity;
    }
    wal->files[wal->file_count++] = file;
    return ERR_OK;
}

struct wal_file *wal_files_find(struct wal *wal, uint64_t generation)
{
    for (size_t i = 0; i < wal->file_count; i++)
        if (wal->files[i]->generation == generation)
            return wal->files[i];
    return NULL;
}
