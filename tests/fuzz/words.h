/* The words of a refusal go out as JSON. */
#pragma once

#include "dataplane/item/item.h"
#include "tests/fuzz/fuzz.h"

static inline void fuzz_check_words(const char *text)
{
    ASSERT(text[0] != '\0');
    ASSERT(utf8_is_valid(slice_from_string(text)));
}
