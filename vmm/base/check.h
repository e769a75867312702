// SPDX-License-Identifier: BSD-2-Clause
/* CHECK(condition): always compiled in. It fails only through a bug of ours, never through anything
 * that a guest, a file or a serial line does. */
#ifndef VMM_BASE_CHECK_H
#define VMM_BASE_CHECK_H

/* Prints the place and the condition, dumps and stops the machine; on the host, aborts. The monitor
 * and the tests each bring their own. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)

#endif
