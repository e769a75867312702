// SPDX-License-Identifier: BSD-2-Clause
/* Files that are no kernels but are given as one: compressed kernels, initial RAM file systems,
 * archives, programs for something else, texts; used only inside vmm/loader. Without this they
 * would pass as flat binaries, whose content can be anything. */
#ifndef VMM_LOADER_FOREIGN_H
#define VMM_LOADER_FOREIGN_H

#include "vmm/loader/format.h"

struct foreign_kind {
    const char *what;   /* for a message: "a file compressed with gzip" */
    const char *remedy; /* "unpack it first, with gunzip" */
};

/* Returns what the file is; null: nothing known, it may be a flat binary. Reads at most the first
 * 64 KiB; no side effects. The magic numbers are those of RFC 1952 (gzip) and RFC 8878 (zstd), of
 * the formats' own descriptions, and of file(1). */
const struct foreign_kind *foreign_find(struct blob file);

#endif
