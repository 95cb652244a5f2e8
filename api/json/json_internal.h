/* Shared by the scanner's files. */
#pragma once

#include "api/json/json.h"

/* Scan a string from behind its opening quote, checking UTF-8 and escapes. Returns the bytes up to and with
 * the closing quote, 0 when there is no such string. */
size_t json_string_scan(struct slice text, struct json_string *ret_string);
