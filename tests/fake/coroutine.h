// SPDX-License-Identifier: BSD-2-Clause
/* Runs a function on a stack of its own, in pieces. The sanitisers are told of each switch. */
#ifndef TESTS_FAKE_COROUTINE_H
#define TESTS_FAKE_COROUTINE_H

struct fake_coroutine;

/* Makes a coroutine that has not begun. */
struct fake_coroutine *fake_coroutine_new(void (*function)(void *context), void *context);

/* Runs it until it calls fake_coroutine_pause, or its function returns, on the calling thread, which
 * may be another one each time. */
void fake_coroutine_resume(struct fake_coroutine *coroutine);

/* Goes back to the caller of fake_coroutine_resume. Called in the coroutine. */
void fake_coroutine_pause(struct fake_coroutine *coroutine);

/* Gives it back, wherever it is. Null is allowed. */
void fake_coroutine_delete(struct fake_coroutine *coroutine);

#endif
