/* A preloaded layer that makes a process's disk slow: each fsync and fdatasync takes as many milliseconds longer as the file
 * SLOW_DISK says, in digits; none if it is not there. It is read each time, so that a test changes it while the process runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MS_MAX = 60 * 1000, NS_PER_MS = 1000 * 1000, MS_PER_S = 1000, DIGITS_MAX = 15 };

static long delay_ms(void)
{
    const char *path = getenv("SLOW_DISK");
    char digits[DIGITS_MAX + 1] = {0};
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, digits, DIGITS_MAX);
    close(fd);
    long ms = length > 0 ? strtol(digits, NULL, 10) : 0;
    return ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms;
}

static int slowly(long number, int fd)
{
    int before = errno;
    long ms = delay_ms();
    struct timespec left = {ms / MS_PER_S, ms % MS_PER_S * NS_PER_MS};
    while (ms > 0 && nanosleep(&left, &left) != 0)
        continue; /* a signal: the rest */
    errno = before;
    return (int)syscall(number, fd);
}

int fsync(int fd)
{
    return slowly(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return slowly(SYS_fdatasync, fd);
}
