// SPDX-License-Identifier: BSD-2-Clause
/* Time as devices see it: nanoseconds on the guest's clock, which is 0 when the guest starts. */
#ifndef VMM_BASE_TIME_H
#define VMM_BASE_TIME_H

#include <stdint.h>

#define NS_PER_SECOND UINT64_C(1000000000)

/* A deadline that is never reached. */
#define TIME_NEVER UINT64_MAX

/* Returns value * numerator / denominator, rounded down. The product in between does not
 * overflow. */
static inline uint64_t scale_u64(uint64_t value, uint64_t numerator, uint64_t denominator)
{
    /* (q*d + r) * n / d = q*n + r*n/d. r*n fits because both are below 2^32 for the frequencies
     * that the callers use. */
    uint64_t quotient = value / denominator;
    uint64_t remainder = value % denominator;
    return quotient * numerator + remainder * numerator / denominator;
}

#endif
