#include "api/cli/transport_curl.h"

#include <curl/curl.h>

enum { CONNECT_TIMEOUT_S = 5, TOTAL_TIMEOUT_S = 30, TEXT_BYTES_MAX = 8192 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *data)
{
    struct buffer *reply = data;
    buffer_append(reply, slice_make(bytes, size * count));
    return buffer_has_failed(reply) ? 0 : size * count;
}

/* One option after the other; the first failure stays. */
#define SET(option, value)                                   \
    do {                                                     \
        if (*result == CURLE_OK)                             \
            *result = curl_easy_setopt(curl, option, value); \
    } while (0)

static void set_request(CURL *curl, const struct operator_call *call, const char *url, CURLcode *result)
{
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    SET(CURLOPT_TIMEOUT, (long)TOTAL_TIMEOUT_S);
    if (strcmp(call->method, "POST") != 0)
        return;
    SET(CURLOPT_POSTFIELDSIZE, (long)call->body.length);
    SET(CURLOPT_POSTFIELDS, call->body.length == 0 ? "" : (const char *)call->body.data);
}

static CURLcode perform(CURL *curl, const struct operator_call *call, const char *url,
                        struct curl_slist *headers, struct buffer *reply)
{
    CURLcode first = CURLE_OK;
    CURLcode *result = &first;
    set_request(curl, call, url, result);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, reply);
    return first == CURLE_OK ? curl_easy_perform(curl) : first;
}

static enum err send_with(CURL *curl, const struct operator_access *access, const struct operator_call *call,
                          const char *url, struct curl_slist *headers, long *ret_status, struct buffer *reply,
                          struct error *error)
{
    CURLcode result = perform(curl, call, url, headers, reply);
    if (result == CURLE_WRITE_ERROR && buffer_has_failed(reply))
        return error_set(error, ERR_LIMIT, "%s answers with more than we can take", access->url);
    if (result != CURLE_OK)
        return error_set(error, ERR_UNAVAILABLE, "cannot reach control at %s: %s", access->url,
                         curl_easy_strerror(result));
    if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status) != CURLE_OK)
        return error_set(error, ERR_UNAVAILABLE, "no status from %s", access->url);
    return ERR_OK;
}

/* NULL, and the list freed, without memory. */
static struct curl_slist *add_header(struct curl_slist *list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(list, text);
    if (longer == NULL)
        curl_slist_free_all(list);
    return longer;
}

static struct curl_slist *make_headers(const struct operator_access *access)
{
    struct buffer line;
    buffer_init(&line, TEXT_BYTES_MAX);
    buffer_append_format(&line, "Authorization: Bearer %s", access->token);
    buffer_append_u8(&line, 0);
    struct curl_slist *list =
        buffer_has_failed(&line) ? NULL : curl_slist_append(NULL, (const char *)line.data);
    buffer_deinit(&line);
    return list == NULL ? NULL : add_header(list, "Content-Type: application/json");
}

static enum err send_call(void *data, const struct operator_access *access, const struct operator_call *call,
                          long *ret_status, struct buffer *reply, struct error *error)
{
    enum err err = error_set(error, ERR_NO_MEMORY, "no memory, or the address or token is too long");
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = make_headers(access);
    struct buffer url;
    buffer_init(&url, TEXT_BYTES_MAX);
    buffer_append_format(&url, "%s%s", access->url, call->path);
    buffer_append_u8(&url, 0);
    if (curl != NULL && headers != NULL && !buffer_has_failed(&url))
        err = send_with(curl, access, call, (const char *)url.data, headers, ret_status, reply, error);
    buffer_deinit(&url);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return err;
}

struct operator_transport transport_curl(void)
{
    return (struct operator_transport){.send = send_call};
}
