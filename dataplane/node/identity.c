/* DATA_DIR/node_id: the id that control gave this node's name, how often it has started, and how many loops it has
 * (docs/formats/replica.md). Without it a node could not come back while control is away. Replaced as a whole: written
 * beside, synced, renamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/node/node_internal.h"

enum { PATH_BYTES = 4096 };

/* "3 17\n", or with more than one loop "3 17 4\n": releases that knew of one loop only do not start on that. */
static enum err parse(const char *text, struct identity *ret_identity)
{
    char *end;
    errno = 0;
    unsigned long id = strtoul(text, &end, 10);
    if (errno != 0 || *end != ' ' || id == 0 || id > UINT32_MAX)
        return ERR_CORRUPT;
    unsigned long incarnation = strtoul(end + 1, &end, 10);
    unsigned long loops = *end == ' ' ? strtoul(end + 1, &end, 10) : 1;
    if (errno != 0 || *end != '\n' || incarnation > UINT32_MAX || loops == 0 || loops > NODE_LOOPS_MAX)
        return ERR_CORRUPT;
    *ret_identity = (struct identity){(uint32_t)id, (uint32_t)incarnation, (uint32_t)loops};
    return ERR_OK;
}

enum err identity_read(const char *directory, struct identity *ret_identity)
{
    char path[PATH_BYTES], text[48];
    snprintf(path, sizeof path, "%s/node_id", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return ERR_CORRUPT;
    text[length] = '\0';
    return parse(text, ret_identity);
}

static bool sync_and_close(int fd)
{
    bool is_synced = fsync(fd) == 0;
    return close(fd) == 0 && is_synced;
}

enum err identity_write(const char *directory, const struct identity *identity)
{
    char path[PATH_BYTES], beside[PATH_BYTES], text[48];
    snprintf(path, sizeof path, "%s/node_id", directory);
    snprintf(beside, sizeof beside, "%s/node_id.new", directory);
    int length = snprintf(text, sizeof text, "%u %u", identity->node_id, identity->incarnation);
    if (identity->loops > 1)
        length += snprintf(text + length, sizeof text - (size_t)length, " %u", identity->loops);
    text[length++] = '\n';
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return ERR_IO;
    bool is_written = write(fd, text, (size_t)length) == length;
    if (!sync_and_close(fd) || !is_written || rename(beside, path) != 0)
        return ERR_IO;
    int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory_fd >= 0 && sync_and_close(directory_fd) ? ERR_OK : ERR_IO;
}
