// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/preemption_timer.h"

#include "vmm/base/types.h"

/* SDM vol. 2A, figure "Version Information Returned by CPUID in EAX". */
#define SIGNATURE_RESERVED 0xf000c000u

static const struct {
    uint32_t signature;
    const char *name;
} faulty[] = {
    {0x000106a0, "Core i7-900, Xeon 3500 (Nehalem)"},
    {0x000106a1, "Core i7-900, Xeon 3500 (Nehalem)"},
    {0x000106a4, "Core i7-900, Xeon 3500, 5500 (Nehalem)"},     /* AAJ124 */
    {0x000106a5, "Core i7-900, Xeon 3500, 5500 (Nehalem)"},     /* AAJ124, AAK139, AAM126 */
    {0x000106e5, "Core i7-700, i7-800, Xeon 3400 (Lynnfield)"}, /* AAN92, AAO95, AAP86 */
    {0x00020652, "Core i3, i5, i7 (Clarkdale, Arrandale)"},     /* AAT59, AAU65, AAX65 */
    {0x00020655, "Core i3, i5, i7 (Clarkdale, Arrandale)"},     /* AAU65 */
    {0x000206e6, "Xeon 7500 (Nehalem-EX)"},                     /* BA86 */
    {0x000306a8,
     "Core i7-3000, Xeon E3 v2 (Ivy Bridge, early)"}, /* no erratum number; on KVM's list */
};

const char *preemption_timer_errs_on(uint32_t signature)
{
    for (size_t i = 0; i < ARRAY_COUNT(faulty); i++) {
        if (faulty[i].signature == (signature & ~SIGNATURE_RESERVED))
            return faulty[i].name;
    }
    return NULL;
}
