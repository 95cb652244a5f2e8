/* What a disk may hold after a power cut: a model fed with a trace, and a directory made from it.
 *
 * The model: a file system with an ordered journal (ext4, data=ordered) on a disk that writes 512-byte sectors whole.
 *   data   What was written to a file before its last sync is there. Of what was written since, over bytes that
 *          existed at that sync, each sector is there or not, independently: a later write may be there
 *          and an earlier one not. What was appended since is there up to some sector, and the file ends
 *          there (a size is not recorded before the data below it).
 *   names  Creations, renames, links and deletions happen in order. All up to the last sync of a directory are
 *          there; of the later ones, any number from the front. Syncing a file does not make its name durable
 *          (on ext4 it does; the model is the harder one). */
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
