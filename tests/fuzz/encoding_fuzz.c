/* A line for Accept-Encoding, then a body that says it is gzip: once as it is, and once as a recipe - where to damage and
 * to cut what we make of the rest, as checksums keep random bytes out. */
#include "api/http/encoding.h"
#include "tests/fuzz/fuzz.h"

enum { CAP = 64 * 1024, RATIO_MAX = 1032 /* of deflate */ };

static bool decode(struct slice bytes, struct buffer *to)
{
    buffer_init(to, CAP);
    enum err err = http_decode_gzip(bytes, to);
    ASSERT(err == ERR_OK || err == ERR_SERIALIZATION || err == ERR_LIMIT);
    ASSERT(to->length <= CAP && to->length <= bytes.length * RATIO_MAX);
    return err == ERR_OK;
}

static void check_any(struct slice bytes)
{
    struct buffer plain;
    (void)decode(bytes, &plain); /* either is right */
    buffer_deinit(&plain);
}

/* Refused, or these: the checksum has it. */
static void check_is(struct slice bytes, struct slice first, struct slice second)
{
    struct buffer plain;
    if (decode(bytes, &plain)) {
        ASSERT(slice_starts_with(buffer_view(&plain), first));
        ASSERT(slice_equal(slice_from(buffer_view(&plain), first.length), second));
    }
    buffer_deinit(&plain);
}

/* Two members, one byte of which is another one, then without their end. */
static void check_made(struct slice recipe)
{
    uint8_t high = fuzz_byte(&recipe), low = fuzz_byte(&recipe), change = fuzz_byte(&recipe);
    size_t at = (size_t)high << 8 | low;
    struct buffer packed = fuzz_buffer(), plain;
    ASSERT(http_encode(HTTP_GZIP, recipe, &packed) == ERR_OK);
    size_t member = packed.length;
    ASSERT(http_encode(HTTP_GZIP, recipe, &packed) == ERR_OK);
    ASSERT(decode(buffer_view(&packed), &plain) && plain.length == 2 * recipe.length);
    buffer_deinit(&plain);
    at %= packed.length;
    packed.data[at] ^= change;
    check_is(buffer_view(&packed), recipe, recipe);
    packed.data[at] ^= change;
    buffer_cut(&packed, at);
    ASSERT(decode(buffer_view(&packed), &plain) == (at == member));
    buffer_deinit(&plain);
    buffer_deinit(&packed);
}

void fuzz_input(struct slice input)
{
    enum http_encoding wanted = http_encoding_wanted(fuzz_line(&input));
    ASSERT(http_encoding_name(wanted)[0] != '\0');
    check_any(input);
    if (input.length <= CAP / 2)
        check_made(input);
}
