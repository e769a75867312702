// SPDX-License-Identifier: BSD-2-Clause
/* Ports that test suites use: QEMU's fw_cfg and pc-testdev, the PCI configuration ports of a
 * machine without PCI, the shutdown port. */
#include "tests/multiboot/suite.h"

/* --- fw_cfg (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device") --- */

enum { FW_CFG_SELECTOR = 0x510, FW_CFG_DATA = 0x511 };
enum { KEY_SIGNATURE = 0, KEY_ID = 1, KEY_RAM_SIZE = 3, KEY_NB_CPUS = 5, KEY_MAX_CPUS = 15 };

static uint64_t item(uint16_t key, unsigned bytes)
{
    uint64_t value = 0;

    outw(FW_CFG_SELECTOR, key);
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)inb(FW_CFG_DATA) << 8 * i;
    return value;
}

static uint64_t item_by_string(uint16_t key, unsigned bytes)
{
    uint64_t value = 0;

    outw(FW_CFG_SELECTOR, key);
    rep_inb(FW_CFG_DATA, &value, bytes);
    return value;
}

static void check_fw_cfg(void)
{
    const struct {
        const char *name;
        uint16_t key;
        uint8_t bytes;
        uint64_t want;
    } items[] = {
        {"fw_cfg: signature", KEY_SIGNATURE, 4, 0x554d4551},
        {"fw_cfg: signature, zeros behind it", KEY_SIGNATURE, 8, 0x554d4551},
        {"fw_cfg: ID", KEY_ID, 4, 1},
        {"fw_cfg: NB_CPUS", KEY_NB_CPUS, 2, suite.cpus},
        {"fw_cfg: NB_CPUS, zeros behind it", KEY_NB_CPUS, 8, suite.cpus},
        {"fw_cfg: MAX_CPUS", KEY_MAX_CPUS, 2, suite.cpus},
        {"fw_cfg: RAM_SIZE", KEY_RAM_SIZE, 8, suite.memory_mib * MIB},
        {"fw_cfg: an item that is not there", 0x7f, 8, 0},
    };
    uint64_t many[3];

    for (unsigned i = 0; i < ARRAY_COUNT(items); i++) {
        check(items[i].name, item(items[i].key, items[i].bytes), items[i].want);
        check(items[i].name, item_by_string(items[i].key, items[i].bytes), items[i].want);
    }
    (void)item(KEY_SIGNATURE, 2);
    check("fw_cfg: selecting starts anew", item(KEY_SIGNATURE, 4), 0x554d4551);
    outw(FW_CFG_SELECTOR, KEY_RAM_SIZE);
    rep_inb(FW_CFG_DATA, many, sizeof(many));
    check("fw_cfg: RAM_SIZE, read far beyond its end", many[0], suite.memory_mib * MIB);
    check("fw_cfg: what is there", many[1] | many[2], 0);
}

/* --- The latch, 0xe0-0xe3 --- */

enum { LATCH = 0xe0, FLUSH = 0xe4 };

static void check_latch(void)
{
    static const char text[] = "abcdefghijklmnop";
    static const uint16_t words[] = {0x1122, 0x3344, 0x5566};
    static const uint32_t dwords[] = {0x01020304, 0x89abcdef};
    static volatile uint64_t page_of_ours = 0x123456789abcdef0;
    uint32_t got[4];

    outl(LATCH, 0x44332211);
    check("latch: 4 bytes", inl(LATCH), 0x44332211);
    for (unsigned i = 0; i < 4; i++)
        check_at("latch: byte", i, inb((uint16_t)(LATCH + i)), 0x11 * (i + 1));
    check("latch: 2 bytes", inw(LATCH), 0x2211);
    check("latch: 2 bytes, high", inw(LATCH + 2), 0x4433);
    for (unsigned i = 0; i < 4; i++)
        outb((uint16_t)(LATCH + i), (uint8_t)(0xa0 + i));
    check("latch: written by bytes", inl(LATCH), 0xa3a2a1a0);
    outw(LATCH, 0xbeef);
    check("latch: 2 bytes written", inl(LATCH), 0xa3a2beef);
    outw(LATCH + 2, 0xdead);
    check("latch: 2 bytes written, high", inl(LATCH), 0xdeadbeef);

    rep_outb(LATCH, text, sizeof(text) - 1);
    check("latch: REP OUTSB, up", inb(LATCH), 'p');
    __asm__ volatile("std");
    rep_outb(LATCH, text + sizeof(text) - 2, sizeof(text) - 1);
    __asm__ volatile("cld");
    check("latch: REP OUTSB, down", inb(LATCH), 'a');
    rep_outw(LATCH, words, ARRAY_COUNT(words));
    check("latch: REP OUTSW", inw(LATCH), 0x5566);
    rep_outl(LATCH, dwords, ARRAY_COUNT(dwords));
    check("latch: REP OUTSD", inl(LATCH), 0x89abcdef);

    memset(got, 0, sizeof(got));
    rep_inl(LATCH, got, 3);
    check("latch: REP INSD", got[0] == got[1] && got[1] == got[2] ? got[2] : 0, 0x89abcdef);
    check("latch: REP INSD, no further", got[3], 0);
    memset(got, 0, sizeof(got));
    rep_inw(LATCH + 2, got, 2);
    check("latch: REP INSW", got[0], 0x89ab89ab);
    rep_inb(LATCH + 3, got, 4);
    check("latch: REP INSB", got[0], 0x89898989);

    outl(FLUSH, (uint32_t)(uint64_t)&page_of_ours);
    check("flush: the page keeps its content", page_of_ours, 0x123456789abcdef0);
    outl(FLUSH, 0xfee00000);
    check("flush: not the latch", inl(LATCH), 0x89abcdef);
}

/* --- Without testdev = on there is none of it --- */

static void check_absent(void)
{
    outl(LATCH, 0x44332211);
    check("without testdev: no latch", inl(LATCH), 0xffffffff);
    outw(FW_CFG_SELECTOR, KEY_SIGNATURE);
    check("without testdev: no fw_cfg", inb(FW_CFG_DATA), 0xff);
    check("without testdev: no memory", mmio_read(0xff000000), 0xffffffff);
}

/* --- PCI configuration: Intel 82371AB datasheet, "RC - Reset Control Register" is at 0xcf9 --- */

enum { PCI_ADDRESS = 0xcf8, RESET_CONTROL = 0xcf9, PCI_DATA = 0xcfc };

static void check_pci(void)
{
    outl(PCI_ADDRESS, 0x80000000);
    check("PCI: address", inl(PCI_ADDRESS), 0xffffffff);
    check("PCI: data", inl(PCI_DATA), 0xffffffff);
    check("PCI: data, 2 bytes", inw(PCI_DATA + 2), 0xffff);
    check("PCI: data, 1 byte", inb(PCI_DATA + 3), 0xff);
    for (uint32_t device = 0; device < 32; device++) {
        outl(PCI_ADDRESS, 0x80000000 | device << 11);
        if (inl(PCI_DATA) != 0xffffffff)
            check_at("PCI: no device", device, 1, 0);
    }
    /* The second byte of each would reset the guest where it reached the register. */
    outl(PCI_ADDRESS, 0x06060606);
    outl(PCI_ADDRESS, 0x8000060c);
    outl(PCI_ADDRESS, 0x80000e0c);
    outw(PCI_ADDRESS, 0x0606);
    outl(PCI_DATA, 0x06060606);
    check("PCI: a wide write at the reset register's place is none to it", inb(RESET_CONTROL) & 4,
          0);
}

/* --- The shutdown port ends the guest for the whole word only --- */

#define SHUTDOWN 0x8900

static void check_shutdown(void)
{
    static const char nearly[] = "ShutdowShutdowm shutdown hutdown";

    rep_outb(SHUTDOWN, nearly, sizeof(nearly) - 1);
    outl(SHUTDOWN, 0x74756853);
    check("shutdown port: half words are none", inb(SHUTDOWN), 0xff);
}

void check_ports(void)
{
    if (suite.testdev) {
        check_fw_cfg();
        check_latch();
    } else
        check_absent();
    check_pci();
    check_shutdown();
}
