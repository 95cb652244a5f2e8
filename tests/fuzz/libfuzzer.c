/* libFuzzer calls this with every input; it is linked in by the `fuzz` preset only. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input(slice_make(data, size));
    return 0;
}
