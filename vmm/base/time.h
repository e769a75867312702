// SPDX-License-Identifier: BSD-2-Clause
/* Time as devices see it: nanoseconds on the guest's clock, which starts at 0 when the guest does.
 */
#ifndef VMM_BASE_TIME_H
#define VMM_BASE_TIME_H

#include <stdint.h>

#define NS_PER_SECOND UINT64_C(1000000000)

/* A deadline that never comes. */
#define TIME_NEVER UINT64_MAX

/* value * numerator / denominator, rounded down, without overflow in between. */
static inline uint64_t scale_u64(uint64_t value, uint64_t numerator, uint64_t denominator)
{
    /* (q*d + r) * n / d = q*n + r*n/d; r*n fits as long as both are below 2^32, as they are for
     * the frequencies used here. */
    uint64_t quotient = value / denominator;
    uint64_t remainder = value % denominator;
    return quotient * numerator + remainder * numerator / denominator;
}

#endif
