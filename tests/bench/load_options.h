/* The load generator's settings: load.def as a struct. */
#pragma once

#include "base/settings.h"

struct load_options {
#define SETTING(name, kind, unit, initial, minimum, maximum, sentence) SETTING_FIELD_##kind(name)
#include "tests/bench/load.def"
#undef SETTING
};
