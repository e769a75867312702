// SPDX-License-Identifier: BSD-2-Clause
/* One set of results for everything that can fail. */
#ifndef VMM_BASE_STATUS_H
#define VMM_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,      /* an argument or a file's content breaks its rules */
    STATUS_OUT_OF_RANGE, /* well formed, but outside what is allowed here */
    STATUS_NO_MEMORY,
    STATUS_CONFLICT, /* it would overlap with something that exists */
    STATUS_NOT_FOUND,
    STATUS_UNSUPPORTED, /* the machine or this version cannot do it */
    STATUS_FAULT,       /* a guest address that does not translate */
};

/* The result's name in lower case ("no memory"), for messages. Never null. */
const char *status_name(enum status status);

#endif
