/* Updates: text to program to a new item (expression_case.h). */
#include "dataplane/expression/update.h"
#include "dataplane/item/item.h"
#include "tests/fuzz/expression_case.h"
#include "tests/fuzz/words.h"

static void check_result(const struct update_request *request, struct arena *arena)
{
    struct slice item, touched;
    struct error error = {.code = ERR_OK};
    enum err err = update_apply(request, arena, &item, &error);
    if (err != ERR_OK) {
        ASSERT(err == ERR_VALIDATION);
        fuzz_check_words(error.text);
        return;
    }
    ASSERT(item_check(item) == ERR_OK);
    ASSERT(update_view_touched(request->program, item, arena, &touched) == ERR_OK);
    ASSERT(item_check(touched) == ERR_OK);
}

void fuzz_input(struct slice input)
{
    /* {"pk":{"S":"p"}} */
    static const uint8_t key_item[] = {2, 'p', 'k', VALUE_S, 1, 'p'};
    struct arena arena;
    struct buffer bytes = fuzz_buffer();
    struct program program;
    arena_init(&arena, 1 << 16, FUZZ_BYTES_MAX);
    struct expression_case c = expression_case_read(input, &arena);
    if (expression_case_parse(&c, EXPRESSION_UPDATE, &arena, &bytes, &program)) {
        struct update_request request = {.program = &program,
                                         .key_item = slice_make(key_item, sizeof key_item)};
        check_result(&request, &arena);
        request.has_old = true;
        request.old_item = c.item;
        check_result(&request, &arena);
        (void)update_creates_item(&program);
    }
    buffer_deinit(&bytes);
    arena_deinit(&arena);
}
