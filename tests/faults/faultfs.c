/* The preloaded half of the fault layer. One lock is held around each call and its trace record, so that the
 * trace's order is the order in which things happened. It must not use stdio or malloc on files below the
 * directory, and it does not include <fcntl.h>'s fortified declarations. */
#undef _FORTIFY_SOURCE /* its inlines would stand where ours must */
#include "tests/faults/faultfs.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/trace.h"

/* From <fcntl.h>, whose prototypes of open would clash with ours. */
enum { O_CREAT_FLAG = 0100, O_TRUNC_FLAG = 01000, AT_CWD = -100, AT_REMOVEDIR_FLAG = 0x200 };
enum { FALLOC_KEEP_SIZE = 1, O_TMPFILE_FLAG = 020000000 };

enum { FDS_MAX = 4096, FILES_MAX = 65536 };

struct tracked {
    bool is_used, is_directory;
    uint32_t file;
    char path[128]; /* relative */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX];
static size_t directory_length;
static int trace_fd = -1;
static struct tracked fds[FDS_MAX];
static char *paths[FILES_MAX]; /* of file number */
static uint32_t file_count;
static enum faultfs_kind armed;
static uint64_t armed_n, counted;
static bool has_fired;
static char only[64];

/* ---- The real calls ---- */

static long real(long number, long a, long b, long c, long d, long e)
{
    return syscall(number, a, b, c, d, e, 0);
}

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("FAULTFS_DIRECTORY"), *trace = getenv("FAULTFS_TRACE");
    if (where == NULL)
        return;
    directory_length = strlen(where);
    memcpy(directory, where, directory_length + 1);
    if (trace != NULL)
        trace_fd = (int)real(SYS_openat, AT_CWD, (long)trace, 01 | O_CREAT_FLAG | O_TRUNC_FLAG, 0600, 0);
}

/* ---- The trace ---- */

static void write_all(const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        long written = real(SYS_write, trace_fd, (long)at, (long)bytes, 0, 0);
        if (written <= 0)
            abort();
        at += written;
        bytes -= (size_t)written;
    }
}

static void record_head(enum trace_op op, uint32_t file, uint64_t a, size_t bytes)
{
    struct trace_header header = {.op = (uint8_t)op, .file = file, .a = a, .bytes = (uint32_t)bytes};
    write_all(&header, sizeof header);
}

static void record(enum trace_op op, uint32_t file, uint64_t a, const void *data, size_t bytes)
{
    if (trace_fd < 0)
        return;
    record_head(op, file, a, bytes);
    write_all(data, bytes);
}

static void record_two(enum trace_op op, uint32_t file, const char *from, const char *to)
{
    char both[512];
    size_t first = strlen(from) + 1, second = strlen(to);
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    record(op, file, 0, both, first + second);
}

void faultfs_note(const void *data, size_t bytes)
{
    pthread_mutex_lock(&lock);
    record(TRACE_NOTE, 0, 0, data, bytes);
    pthread_mutex_unlock(&lock);
}

/* ---- Faults ---- */

void faultfs_arm(enum faultfs_kind kind, uint64_t n)
{
    pthread_mutex_lock(&lock);
    armed = kind;
    armed_n = n;
    counted = 0;
    has_fired = false;
    pthread_mutex_unlock(&lock);
}

void faultfs_only(const char *prefix)
{
    pthread_mutex_lock(&lock);
    strncpy(only, prefix, sizeof only - 1);
    pthread_mutex_unlock(&lock);
}

int faultfs_has_fired(void)
{
    pthread_mutex_lock(&lock);
    bool fired = has_fired;
    pthread_mutex_unlock(&lock);
    return fired;
}

/* Is this call, which belongs to `kind`, the one to fail? */
static bool must_fail(enum faultfs_kind kind, const char *path)
{
    if (armed == FAULTFS_NONE || kind != armed || strncmp(path, only, strlen(only)) != 0)
        return false;
    counted++;
    bool hits = counted == armed_n || (armed == FAULTFS_ENOSPC_FROM && counted > armed_n);
    has_fired = has_fired || hits;
    return hits;
}

/* errno for a changing call, 0: let it pass. */
static int change_error(bool needs_space, const char *path)
{
    if (must_fail(FAULTFS_EIO, path))
        return EIO;
    if (needs_space && (must_fail(FAULTFS_ENOSPC, path) || must_fail(FAULTFS_ENOSPC_FROM, path)))
        return ENOSPC;
    return 0;
}

static long fail_with(int code)
{
    errno = code;
    pthread_mutex_unlock(&lock);
    return -1;
}

/* ---- Whose files ---- */

static const struct tracked *tracked_fd(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fds[fd].is_used ? &fds[fd] : NULL;
}

/* The path relative to our directory; false: not below it. */
static bool relative(int at_fd, const char *path, char *ret_path)
{
    const char *rest = path, *above = "";
    ret_path[0] = 0;
    if (directory_length == 0)
        return false;
    if (path[0] == '/') {
        if (strncmp(path, directory, directory_length) != 0 ||
            (path[directory_length] != '/' && path[directory_length] != 0))
            return false;
        rest = path + directory_length;
    } else {
        const struct tracked *at = tracked_fd(at_fd);
        if (at == NULL)
            return false;
        above = at->path;
    }
    while (*rest == '/')
        rest++;
    size_t above_length = strlen(above), rest_length = strlen(rest);
    if (above_length + 1 + rest_length >= sizeof fds[0].path)
        abort();
    memmove(ret_path, above, above_length);
    if (above_length > 0)
        ret_path[above_length++] = '/';
    memcpy(ret_path + above_length, rest, rest_length + 1);
    size_t length = above_length + rest_length;
    while (length > 0 && ret_path[length - 1] == '/')
        ret_path[--length] = 0;
    return true;
}

static uint32_t file_of(const char *path)
{
    for (uint32_t i = file_count; i > 0; i--)
        if (paths[i] != NULL && strcmp(paths[i], path) == 0)
            return i;
    return 0;
}

static uint32_t file_add(const char *path)
{
    if (++file_count >= FILES_MAX)
        abort();
    paths[file_count] = strdup(path);
    return file_count;
}

static void file_move(uint32_t file, const char *to)
{
    uint32_t replaced = to == NULL ? 0 : file_of(to);
    if (replaced != 0) {
        free(paths[replaced]);
        paths[replaced] = NULL;
    }
    free(paths[file]);
    paths[file] = to == NULL ? NULL : strdup(to);
}

/* ---- open, close ---- */

static void track_open(int fd, const char *path, int flags)
{
    struct stat status;
    if (fd >= FDS_MAX || real(SYS_newfstatat, fd, (long)"", (long)&status, 0x1000, 0) != 0)
        abort();
    struct tracked *t = &fds[fd];
    *t = (struct tracked){.is_used = true, .is_directory = (status.st_mode & 0170000) == 0040000};
    memcpy(t->path, path, strlen(path) + 1);
    if (t->is_directory)
        return;
    t->file = file_of(path);
    if (t->file == 0) {
        t->file = file_add(path);
        record(TRACE_CREATE, t->file, 0, path, strlen(path));
    } else if (flags & O_TRUNC_FLAG) {
        record(TRACE_SIZE, t->file, 0, NULL, 0);
    }
}

static int open_any(int at_fd, const char *path, int flags, unsigned mode)
{
    char ours[sizeof fds[0].path * 2];
    pthread_mutex_lock(&lock);
    if (!relative(at_fd, path, ours)) {
        pthread_mutex_unlock(&lock);
        return (int)real(SYS_openat, at_fd, (long)path, flags, mode, 0);
    }
    bool creates = flags & O_CREAT_FLAG && real(SYS_faccessat, at_fd, (long)path, 0, 0, 0) != 0;
    errno = 0;
    int error = creates || flags & O_TRUNC_FLAG ? change_error(true, ours) : 0;
    if (error != 0)
        return (int)fail_with(error);
    int fd = (int)real(SYS_openat, at_fd, (long)path, flags, mode, 0);
    if (fd >= 0)
        track_open(fd, ours, flags);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_FROM_ARGUMENTS(last)                 \
    unsigned mode = 0;                            \
    if (last & (O_CREAT_FLAG | O_TMPFILE_FLAG)) { \
        va_list arguments;                        \
        va_start(arguments, last);                \
        mode = va_arg(arguments, unsigned);       \
        va_end(arguments);                        \
    }

int open(const char *path, int flags, ...);
int open64(const char *path, int flags, ...);
int openat(int at_fd, const char *path, int flags, ...);
int openat64(int at_fd, const char *path, int flags, ...);
int creat(const char *path, mode_t mode);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at_fd, const char *path, int flags);

int open(const char *path, int flags, ...)
{
    MODE_FROM_ARGUMENTS(flags)
    return open_any(AT_CWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_FROM_ARGUMENTS(flags)
    return open_any(AT_CWD, path, flags, mode);
}

int openat(int at_fd, const char *path, int flags, ...)
{
    MODE_FROM_ARGUMENTS(flags)
    return open_any(at_fd, path, flags, mode);
}

int openat64(int at_fd, const char *path, int flags, ...)
{
    MODE_FROM_ARGUMENTS(flags)
    return open_any(at_fd, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_any(AT_CWD, path, 01 | O_CREAT_FLAG | O_TRUNC_FLAG, mode);
}

int __open_2(const char *path, int flags)
{
    return open_any(AT_CWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return open_any(AT_CWD, path, flags, 0);
}

int __openat_2(int at_fd, const char *path, int flags)
{
    return open_any(at_fd, path, flags, 0);
}

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (tracked_fd(fd) != NULL)
        fds[fd].is_used = false;
    int result = (int)real(SYS_close, fd, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- Writing ---- */

static void record_iov(uint32_t file, uint64_t offset, const struct iovec *iov, int count, size_t bytes)
{
    if (trace_fd < 0)
        return;
    record_head(TRACE_WRITE, file, offset, bytes);
    for (int i = 0; i < count && bytes > 0; i++) {
        size_t part = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;
        write_all(iov[i].iov_base, part);
        bytes -= part;
    }
}

/* Half of the vector: a short write must be resumed by the caller. */
static int halve(const struct iovec *iov, int count, struct iovec *half)
{
    if (count == 1) {
        half[0] = (struct iovec){iov[0].iov_base, (iov[0].iov_len + 1) / 2};
        return 1;
    }
    int kept = count / 2 < 16 ? count / 2 : 16;
    memcpy(half, iov, (size_t)kept * sizeof *half);
    return kept;
}

/* offset < 0: at the descriptor's position. */
static ssize_t write_any(int fd, const struct iovec *iov, int count, int64_t offset)
{
    struct iovec half[16];
    pthread_mutex_lock(&lock);
    const struct tracked *t = tracked_fd(fd);
    int error = t == NULL ? 0 : change_error(true, t->path);
    if (error != 0)
        return fail_with(error);
    if (t != NULL && must_fail(FAULTFS_SHORT_WRITE, t->path)) {
        count = halve(iov, count, half);
        iov = half;
    }
    int64_t at = offset >= 0 ? offset : real(SYS_lseek, fd, 0, SEEK_CUR, 0, 0);
    ssize_t written = offset >= 0 ? real(SYS_pwritev, fd, (long)iov, count, offset, 0)
                                  : real(SYS_writev, fd, (long)iov, count, 0, 0);
    if (t != NULL && written > 0)
        record_iov(t->file, (uint64_t)at, iov, count, (size_t)written);
    pthread_mutex_unlock(&lock);
    return written;
}

static struct iovec one(const void *data, size_t bytes)
{
    struct iovec iov = {.iov_len = bytes};
    memcpy(&iov.iov_base, &data, sizeof data);
    return iov;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset);
ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset);

ssize_t write(int fd, const void *data, size_t bytes)
{
    struct iovec iov = one(data, bytes);
    return write_any(fd, &iov, 1, -1);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct iovec iov = one(data, bytes);
    return write_any(fd, &iov, 1, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    struct iovec iov = one(data, bytes);
    return write_any(fd, &iov, 1, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return write_any(fd, iov, count, -1);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    return write_any(fd, iov, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
    return write_any(fd, iov, count, offset);
}

static int resize(int fd, int64_t size)
{
    pthread_mutex_lock(&lock);
    const struct tracked *t = tracked_fd(fd);
    int error = t == NULL ? 0 : change_error(true, t->path);
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_ftruncate, fd, size, 0, 0, 0);
    if (t != NULL && result == 0)
        record(TRACE_SIZE, t->file, (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t size);
int ftruncate(int fd, off_t size)
{
    return resize(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return resize(fd, size);
}

static int allocate(int fd, int mode, int64_t offset, int64_t bytes)
{
    struct stat status;
    pthread_mutex_lock(&lock);
    const struct tracked *t = tracked_fd(fd);
    int error = t == NULL ? 0 : change_error(true, t->path);
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_fallocate, fd, mode, offset, bytes, 0);
    bool grows = t != NULL && result == 0 && !(mode & FALLOC_KEEP_SIZE) &&
                 real(SYS_newfstatat, fd, (long)"", (long)&status, 0x1000, 0) == 0;
    if (grows)
        record(TRACE_SIZE, t->file, (uint64_t)status.st_size, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t bytes);
int fallocate64(int fd, int mode, off64_t offset, off64_t bytes);
int posix_fallocate(int fd, off_t offset, off_t bytes);

int fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    return allocate(fd, mode, offset, bytes);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t bytes)
{
    return allocate(fd, mode, offset, bytes);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    return allocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

/* ---- Syncing ---- */

static int sync_any(int fd, long number)
{
    pthread_mutex_lock(&lock);
    const struct tracked *t = tracked_fd(fd);
    if (t != NULL && (must_fail(FAULTFS_SYNC, t->path) || must_fail(FAULTFS_EIO, t->path)))
        return (int)fail_with(EIO);
    int result = (int)real(number, fd, 0, 0, 0, 0);
    if (t != NULL && result == 0 && t->is_directory)
        record(TRACE_DIR_SYNC, 0, 0, t->path, strlen(t->path));
    else if (t != NULL && result == 0)
        record(TRACE_SYNC, t->file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

/* ---- Names ---- */

static int rename_any(int from_fd, const char *from, int to_fd, const char *to)
{
    char ours_from[sizeof fds[0].path * 2], ours_to[sizeof fds[0].path * 2];
    pthread_mutex_lock(&lock);
    bool is_ours = relative(from_fd, from, ours_from) && relative(to_fd, to, ours_to);
    int error = is_ours ? change_error(false, ours_from) : 0;
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_renameat, from_fd, (long)from, to_fd, (long)to, 0);
    uint32_t file = is_ours && result == 0 ? file_of(ours_from) : 0;
    if (file != 0) {
        file_move(file, ours_to);
        record_two(TRACE_RENAME, file, ours_from, ours_to);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to);
int renameat(int from_fd, const char *from, int to_fd, const char *to);

int rename(const char *from, const char *to)
{
    return rename_any(AT_CWD, from, AT_CWD, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return rename_any(from_fd, from, to_fd, to);
}

static int unlink_any(int at_fd, const char *path, int flags)
{
    char ours[sizeof fds[0].path * 2];
    pthread_mutex_lock(&lock);
    bool is_ours = relative(at_fd, path, ours);
    int error = is_ours ? change_error(false, ours) : 0;
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_unlinkat, at_fd, (long)path, flags, 0, 0);
    uint32_t file = is_ours && result == 0 ? file_of(ours) : 0;
    if (file != 0) {
        file_move(file, NULL);
        record(TRACE_UNLINK, file, 0, ours, strlen(ours));
    } else if (is_ours && result == 0 && flags & AT_REMOVEDIR_FLAG) {
        record(TRACE_RMDIR, 0, 0, ours, strlen(ours));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    return unlink_any(AT_CWD, path, 0);
}

int unlinkat(int at_fd, const char *path, int flags)
{
    return unlink_any(at_fd, path, flags);
}

int rmdir(const char *path)
{
    return unlink_any(AT_CWD, path, AT_REMOVEDIR_FLAG);
}

int link(const char *from, const char *to)
{
    char ours_from[sizeof fds[0].path * 2], ours_to[sizeof fds[0].path * 2];
    pthread_mutex_lock(&lock);
    bool is_ours = relative(AT_CWD, from, ours_from) && relative(AT_CWD, to, ours_to);
    int error = is_ours ? change_error(true, ours_from) : 0;
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_linkat, AT_CWD, (long)from, AT_CWD, (long)to, 0);
    if (is_ours && result == 0)
        record_two(TRACE_LINK, file_of(ours_from), ours_from, ours_to);
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    char ours[sizeof fds[0].path * 2];
    pthread_mutex_lock(&lock);
    bool is_ours = relative(AT_CWD, path, ours);
    int error = is_ours ? change_error(true, ours) : 0;
    if (error != 0)
        return (int)fail_with(error);
    int result = (int)real(SYS_mkdirat, AT_CWD, (long)path, mode, 0, 0);
    if (is_ours && result == 0)
        record(TRACE_MKDIR, 0, 0, ours, strlen(ours));
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- Reading ---- */

static bool read_must_fail(int fd)
{
    pthread_mutex_lock(&lock);
    const struct tracked *t = tracked_fd(fd);
    bool fails = t != NULL && must_fail(FAULTFS_READ, t->path);
    pthread_mutex_unlock(&lock);
    if (fails)
        errno = EIO;
    return fails;
}

ssize_t pread64(int fd, void *to, size_t bytes, off64_t offset);

ssize_t read(int fd, void *to, size_t bytes)
{
    return read_must_fail(fd) ? -1 : real(SYS_read, fd, (long)to, (long)bytes, 0, 0);
}

ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    return read_must_fail(fd) ? -1 : real(SYS_pread64, fd, (long)to, (long)bytes, offset, 0);
}

ssize_t pread64(int fd, void *to, size_t bytes, off64_t offset)
{
    return read_must_fail(fd) ? -1 : real(SYS_pread64, fd, (long)to, (long)bytes, offset, 0);
}
