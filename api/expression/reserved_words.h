/* Words that may not stand as attribute names in an expression's text. */
#pragma once

#include "base/slice.h"

/* In any case of letters. */
bool word_is_reserved(struct slice word);
