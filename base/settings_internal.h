/* What settings.c (where values come from) and settings_value.c (what a value is) share. */
#pragma once

#include "base/settings.h"

/* The number that the text stands for (strings: 0), within the row's bounds. ERR_CONFIG: it is none, or
 * outside. */
enum err setting_value_check(const struct setting_row *row, const char *text, uint64_t *ret_value) MUST_CHECK;
/* "a number", "a duration such as 10ms": for sentences. */
const char *setting_kind_words(enum setting_kind kind);
/* Its value is never shown. */
bool setting_is_secret(const struct setting_row *row);
