// SPDX-License-Identifier: BSD-2-Clause
/* CHECK(condition) stops the monitor if the condition is false. Every build contains the checks. A
 * CHECK fails only through a bug of the monitor, never through anything that a guest, a file or a
 * serial line does. */
#ifndef VMM_BASE_CHECK_H
#define VMM_BASE_CHECK_H

/* Prints the place and the condition, dumps the state and stops the machine; on the host it aborts
 * the test. The monitor and the tests each bring their own function of this name. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)

#endif
