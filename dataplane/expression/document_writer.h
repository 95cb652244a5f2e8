/* Writes encoded documents front to back into memory of a size known beforehand.
 *
 * A container's length is known only after its content. Room for the longest length is left open and closed
 * up when the container ends; so the memory must have WRITER_OPEN_BYTES to spare for each open container.
 * Writing beyond the memory is our mistake in computing it, and asserted. */
#pragma once

#include "dataplane/item/item.h"

enum { WRITER_OPEN_BYTES = 6 /* tag, and a length below 2^32 */ };

struct document_writer {
    uint8_t *next;
    /* Leave alone. */
    uint8_t *end;
};

void writer_init(struct document_writer *w, uint8_t *memory, size_t bytes);
void writer_put(struct document_writer *w, struct slice bytes);
/* varint length, then the name. */
void writer_put_name(struct document_writer *w, struct slice name);
void writer_put_value(struct document_writer *w, struct value_view value);
/* Returns what writer_close needs. */
uint8_t *writer_open(struct document_writer *w, uint8_t tag);
void writer_close(struct document_writer *w, uint8_t *opened);
/* Encoded bytes of a value with a body of this length. */
size_t value_encoded_bytes(size_t body_bytes);
