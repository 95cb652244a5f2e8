#include "controlplane/bundle/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

#include "base/crc32c.h"

/* magic(8) | format u32 | u32 reserved 0 | version u64 | count u64 | objects... | crc32c of all before u32 */
static const char magic[8] = "SLBUNDLE";
enum { FORMAT = 1, HEAD_BYTES = 32, TAIL_BYTES = 4, PATH_BYTES_MAX = 4096 };

static bool append_object(const struct bundle_object *object, void *data)
{
    bundle_object_append(data, object);
    return true;
}

void bundle_file_encode(struct buffer *to, const struct bundle_store *store)
{
    size_t start = to->length;
    buffer_append(to, slice_make(magic, sizeof magic));
    buffer_append_u32(to, FORMAT);
    buffer_append_u32(to, 0);
    buffer_append_u64(to, bundle_store_version(store));
    buffer_append_u64(to, bundle_store_count(store));
    bundle_store_walk(store, 0, append_object, to);
    buffer_append_u32(to, crc32c(0, slice_from(buffer_view(to), start)));
}

static enum err decode_objects(struct reader *r, uint64_t count, const struct cluster_key *key,
                               struct bundle_store *store, struct error *error)
{
    for (uint64_t i = 0; i < count; i++) {
        struct bundle_object object = bundle_object_read(r);
        if (reader_has_failed(r))
            return error_set(error, ERR_CORRUPT, "object %llu of %llu is malformed", (unsigned long long)i,
                             (unsigned long long)count);
        if (bundle_object_verify(key, &object) != ERR_OK)
            return error_set(error, ERR_CORRUPT, "object %llu of %llu is not signed by this cluster key",
                             (unsigned long long)i, (unsigned long long)count);
        enum err err = bundle_store_put(store, &object);
        if (err == ERR_NO_MEMORY)
            return err;
    }
    if (!reader_is_done(r))
        return error_set(error, ERR_CORRUPT, "bytes behind the last object");
    return ERR_OK;
}

enum err bundle_file_decode(struct slice bytes, const struct cluster_key *key, struct bundle_store *store,
                            struct error *error)
{
    if (bytes.length < HEAD_BYTES + TAIL_BYTES)
        return error_set(error, ERR_CORRUPT, "too short for a bundle file");
    struct slice covered = slice_make(bytes.data, bytes.length - TAIL_BYTES);
    struct reader tail;
    reader_init(&tail, slice_from(bytes, covered.length));
    if (reader_u32(&tail) != crc32c(0, covered))
        return error_set(error, ERR_CORRUPT, "wrong checksum");
    struct reader r;
    reader_init(&r, covered);
    struct slice found_magic = reader_bytes(&r, sizeof magic);
    uint32_t format = reader_u32(&r);
    (void)reader_u32(&r); /* reserved */
    uint64_t version = reader_u64(&r);
    uint64_t count = reader_u64(&r);
    if (!slice_equal(found_magic, slice_make(magic, sizeof magic)) || format != FORMAT)
        return error_set(error, ERR_CORRUPT, "not a bundle file of format %d", FORMAT);
    enum err err = decode_objects(&r, count, key, store, error);
    if (err == ERR_OK)
        bundle_store_advance(store, version);
    else
        bundle_store_clear(store);
    return err;
}

static enum err io_error(struct error *error, const char *what, const char *path)
{
    int number = errno;
    return error_set(error, number == ENOSPC ? ERR_NO_SPACE : ERR_IO, "%s %s: %s", what, path,
                     strerror(number));
}

static bool write_all(int file, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file, bytes.data, bytes.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes = slice_from(bytes, (size_t)written);
    }
    return true;
}

static enum err write_beside(const char *path, struct slice bytes, struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return io_error(error, "create", path);
    enum err err = ERR_OK;
    if (!write_all(file, bytes) || fdatasync(file) != 0)
        err = io_error(error, "write", path);
    if (close(file) != 0 && err == ERR_OK)
        err = io_error(error, "close", path);
    return err;
}

static enum err sync_directory_of(const char *path, struct error *error)
{
    char copy[PATH_BYTES_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path); /* its length was checked */
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return io_error(error, "open directory of", path);
    enum err err = fsync(directory) == 0 ? ERR_OK : io_error(error, "sync directory of", path);
    (void)close(directory); /* opened to sync only */
    return err;
}

enum err bundle_file_write(const char *path, struct slice bytes, struct error *error)
{
    char beside[PATH_BYTES_MAX];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside)
        return error_set(error, ERR_IO, "path too long");
    TRY(write_beside(beside, bytes, error));
    if (rename(beside, path) != 0)
        return io_error(error, "rename to", path);
    return sync_directory_of(path, error);
}

static enum err read_all(int file, const char *path, struct buffer *to, struct error *error)
{
    enum { PIECE_BYTES = 64 * 1024 };
    for (;;) {
        uint8_t *space = buffer_extend(to, PIECE_BYTES);
        if (space == NULL)
            return error_set(error, ERR_NO_MEMORY, "read %s: no memory, or too large", path);
        ssize_t got = read(file, space, PIECE_BYTES);
        to->length -= got > 0 ? PIECE_BYTES - (size_t)got : PIECE_BYTES;
        if (got == 0)
            return ERR_OK;
        if (got < 0 && errno != EINTR)
            return io_error(error, "read", path);
    }
}

enum err bundle_file_read(const char *path, struct buffer *to, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        return error_set(error, ERR_NOT_FOUND, "%s does not exist", path);
    if (file < 0)
        return io_error(error, "open", path);
    enum err err = read_all(file, path, to, error);
    (void)close(file); /* only read from */
    return err;
}
