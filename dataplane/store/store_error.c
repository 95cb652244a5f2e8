/* RocksDB's C API reports errors as text; its first words are the status code's name. */
#include "dataplane/store/store_internal.h"

static bool begins(const char *message, const char *with)
{
    return strncmp(message, with, strlen(with)) == 0;
}

bool store_is_incomplete(const char *message)
{
    return message != NULL && begins(message, "Result incomplete");
}

static enum err code_of(const char *message)
{
    if (begins(message, "Corruption"))
        return ERR_CORRUPT;
    if (begins(message, "IO error: No space") || strstr(message, "No space left on device") != NULL ||
        begins(message, "Operation aborted: Space limit"))
        return ERR_NO_SPACE;
    if (begins(message, "Result incomplete"))
        return ERR_BUSY;
    if (begins(message, "Shutdown in progress"))
        return ERR_CLOSED;
    if (begins(message, "Invalid argument") && strstr(message, "does not exist") != NULL)
        return ERR_NOT_FOUND;
    return ERR_IO;
}

enum err store_error(char *message, struct error *error)
{
    if (message == NULL)
        return ERR_OK;
    enum err err = error_set(error, code_of(message), "%s", message);
    rocksdb_free(message);
    return err;
}
