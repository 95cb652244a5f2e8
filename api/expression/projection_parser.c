/* Projections: paths, with commas between. */
#include "api/expression/parser.h"

enum err parse_projection(struct parser *p)
{
    uint16_t *paths = arena_alloc(p->context->arena, sizeof *paths * (p->tokens.count + 1));
    uint32_t count = 0;
    if (paths == NULL)
        return ERR_NO_MEMORY;
    do {
        uint16_t path;
        TRY(parser_path(p, &path));
        parser_check_overlap(p, paths, count, path);
        paths[count++] = path;
        buffer_append_u16(&p->builder.code, path);
    } while (parser_accept(p, TOKEN_COMMA));
    return parser_expect(p, TOKEN_END);
}
