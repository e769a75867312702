// SPDX-License-Identifier: BSD-2-Clause
/* What a guest may write to XCR0. Intel SDM vol. 1 (Sep 2023), "Enabling the XSAVE Feature Set and
 * XSAVE-Enabled Features". */
#ifndef VMM_POLICY_XCR0_H
#define VMM_POLICY_XCR0_H

#include "vmm/base/bits.h"
#include "vmm/base/types.h"

#define XCR0_X87       BIT(0)
#define XCR0_SSE       BIT(1)
#define XCR0_AVX       BIT(2)
#define XCR0_OPMASK    BIT(5)
#define XCR0_ZMM_HI256 BIT(6)
#define XCR0_HI16_ZMM  BIT(7)
#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)
#define XCR0_PKRU      BIT(9)

/* Returns whether XCR0 may hold value. mask (see xcr0_allowed_mask) has the supported bits. Bit 0
 * is always set, AVX needs SSE, the three AVX-512 states are set together and need AVX. */
bool xcr0_is_valid(uint64_t value, uint64_t mask);

#endif
