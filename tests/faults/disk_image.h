/* What a disk may hold after a power cut: a model fed with a trace, and a directory made from it.
 *
 * The model, at least as bad as ext4 with data=ordered on a disk that writes 512-byte sectors whole:
 *   data   What was written to a file before its last sync is there. Of what was written since, each 512-byte
 *          sector is there or not, independently; the file's size is that after any of those writes.
 *   names  Creations, renames, links and deletions happen in order, as in a journal. All up to the last sync of a
 *          directory are there; of the later ones, any number from the front. Syncing a file does not
 *          make its name durable (it does on ext4; other file systems differ). */
#pragma once

#include "base/error.h"
#include "base/random.h"
#include "tests/faults/trace.h"

struct disk_image;

struct disk_image *disk_image_create(void);
void disk_image_destroy(struct disk_image *image);
/* One operation of the trace; data stays valid for the image's life. Aborts on a trace that makes no sense. */
void disk_image_apply(struct disk_image *image, const struct trace_header *header, const uint8_t *data);
/* Fill an empty directory with one outcome of a power cut now. */
void disk_image_materialize(const struct disk_image *image, const char *directory, struct random *random);
