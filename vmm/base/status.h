// SPDX-License-Identifier: BSD-2-Clause
/* The results of all functions that can fail. */
#ifndef VMM_BASE_STATUS_H
#define VMM_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,      /* an argument or a file's content breaks its rules */
    STATUS_OUT_OF_RANGE, /* well formed, but outside the allowed range */
    STATUS_NO_MEMORY,
    STATUS_CONFLICT, /* would overlap with something that exists */
    STATUS_NOT_FOUND,
    STATUS_UNSUPPORTED, /* the machine or this version cannot do this */
    STATUS_FAULT,       /* a guest address has no translation */
};

/* Returns the result's name in lower case ("no memory"), for messages. Never null. */
const char *status_name(enum status status);

#endif
