#include "api/expression/reserved_words.h"

static const char *const WORDS[] = {
#define RESERVED_WORD(word) #word,
#include "api/expression/reserved_words.def"
#undef RESERVED_WORD
};

enum { WORD_BYTES_MAX = 24 };

static struct slice to_upper(struct slice word, uint8_t upper[WORD_BYTES_MAX])
{
    for (size_t i = 0; i < word.length; i++)
        upper[i] = (uint8_t)(word.data[i] - (word.data[i] >= 'a' && word.data[i] <= 'z' ? 'a' - 'A' : 0));
    return slice_make(upper, word.length);
}

bool word_is_reserved(struct slice word)
{
    uint8_t upper[WORD_BYTES_MAX];
    if (word.length > WORD_BYTES_MAX)
        return false;
    struct slice wanted = to_upper(word, upper);
    size_t low = 0, high = sizeof WORDS / sizeof *WORDS;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(slice_from_string(WORDS[middle]), wanted);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
