#include "controlplane/bundle/cluster_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/assert.h"

enum { FILE_BYTES_MAX = 256 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct slice trim(struct slice text)
{
    while (text.length > 0 && is_space(text.data[0]))
        text = slice_from(text, 1);
    while (text.length > 0 && is_space(text.data[text.length - 1]))
        text.length--;
    return text;
}

static void derive(const uint8_t *master, const char *label, uint8_t *ret_key)
{
    unsigned length = 0;
    const void *done = HMAC(EVP_sha256(), master, CLUSTER_KEY_BYTES, (const uint8_t *)label, strlen(label),
                            ret_key, &length);
    ASSERT(done != NULL && length == CLUSTER_KEY_BYTES);
}

enum err cluster_key_parse(struct slice text, struct cluster_key *ret_key, struct error *error)
{
    uint8_t master[CLUSTER_KEY_BYTES];
    struct slice digits = trim(text);
    if (digits.length != 2 * sizeof master)
        return error_set(error, ERR_CONFIG, "a cluster key is 64 hex digits, this is %zu characters",
                         digits.length);
    for (size_t i = 0; i < sizeof master; i++) {
        int high = hex_digit(digits.data[2 * i]);
        int low = hex_digit(digits.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return error_set(error, ERR_CONFIG, "a cluster key is 64 hex digits, and this has others");
        master[i] = (uint8_t)(high << 4 | low);
    }
    derive(master, "sluice sealing 1", ret_key->sealing);
    derive(master, "sluice signing 1", ret_key->signing);
    OPENSSL_cleanse(master, sizeof master);
    return ERR_OK;
}

enum err cluster_key_load(const char *path, struct cluster_key *ret_key, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, ERR_CONFIG, "cluster key file %s: %s", path, strerror(errno));
    char text[FILE_BYTES_MAX];
    size_t length = fread(text, 1, sizeof text, file);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file); /* only read from */
    if (has_failed)
        return error_set(error, ERR_CONFIG, "cluster key file %s cannot be read", path);
    enum err err = cluster_key_parse(slice_make(text, length), ret_key, error);
    OPENSSL_cleanse(text, sizeof text);
    return err == ERR_OK ? ERR_OK : error_wrap(error, err, "cluster key file %s", path);
}
