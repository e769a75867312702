// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/legacy_pic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/traps.h"

#define MASTER 0x20
#define SLAVE  0xa0

#define ICW1_INIT_ICW4  0x11
#define ICW3_MASTER     0x04 /* the slave is on input 2 */
#define ICW3_SLAVE      0x02
#define ICW4_8086       0x01
#define OCW1_ALL_MASKED 0xff

/* Writes a command. A separate 8259 chip needs time between commands; the write to the POST port
 * takes a bus cycle. */
static void command(uint16_t port, uint8_t value)
{
    outb(port, value);
    outb(0x80, 0);
}

void legacy_pic_disable(void)
{
    command(MASTER + 1, OCW1_ALL_MASKED);
    command(SLAVE + 1, OCW1_ALL_MASKED);
    command(MASTER, ICW1_INIT_ICW4);
    command(SLAVE, ICW1_INIT_ICW4);
    command(MASTER + 1, VECTOR_LEGACY_PIC);
    command(SLAVE + 1, VECTOR_LEGACY_PIC + 8);
    command(MASTER + 1, ICW3_MASTER);
    command(SLAVE + 1, ICW3_SLAVE);
    command(MASTER + 1, ICW4_8086);
    command(SLAVE + 1, ICW4_8086);
    /* The initialisation has cleared the masks. */
    command(MASTER + 1, OCW1_ALL_MASKED);
    command(SLAVE + 1, OCW1_ALL_MASKED);
}
