// SPDX-License-Identifier: BSD-2-Clause
/* Process 1 of make bench-boot: says at which tick of the TSC it began, and stays busy without any
 * system call, so that nothing more happens than the kernel's own timer. */
#include <stdint.h>
#include <stdio.h>

int main(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    printf("\nbench-boot: init at tick %llu\n", (unsigned long long)high << 32 | low);
    fflush(stdout);
    for (;;)
        __asm__ volatile("pause");
}
