// SPDX-License-Identifier: BSD-2-Clause
/* Ports and device memory: who answers. */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"

#define DEVICES_MAX 32

struct range {
    uint64_t first, last;
    struct fake_device device;
};

struct ranges {
    struct range at[DEVICES_MAX];
    unsigned count;
};

static struct ranges ports, memory;

static void add(struct ranges *ranges, uint64_t first, uint64_t last,
                const struct fake_device *device)
{
    if (ranges->count == DEVICES_MAX || first > last)
        fake_misuse("a device at 0x%lx too many", (unsigned long)first);
    ranges->at[ranges->count++] = (struct range){first, last, *device};
}

static const struct fake_device *find(const struct ranges *ranges, uint64_t address)
{
    for (unsigned i = ranges->count; i-- > 0;) {
        if (address >= ranges->at[i].first && address <= ranges->at[i].last)
            return &ranges->at[i].device;
    }
    return NULL;
}

void fake_set_ports(uint16_t first, uint16_t last, const struct fake_device *device)
{
    add(&ports, first, last, device);
}

void fake_set_memory(uint64_t first, uint64_t last, const struct fake_device *device)
{
    add(&memory, first, last, device);
}

static uint32_t read_apic(void *context, uint64_t address, unsigned size)
{
    (void)context;
    (void)size;
    return fake_apic_read(fake_this(), (uint32_t)(address - FAKE_APIC_BASE));
}

static void write_apic(void *context, uint64_t address, unsigned size, uint32_t value)
{
    (void)context;
    (void)size;
    fake_apic_write(fake_this(), (uint32_t)(address - FAKE_APIC_BASE), value);
}

void fake_ports_begin(void)
{
    ports.count = memory.count = 0;
    fake_set_memory(FAKE_APIC_BASE, FAKE_APIC_BASE + 0xfff,
                    &(struct fake_device){.read = read_apic, .write = write_apic});
}

static uint32_t read_port(uint16_t port, unsigned size)
{
    const struct fake_device *device = find(&ports, port);

    fake_advance(1);
    return device == NULL || device->read == NULL ? UINT32_MAX
                                                  : device->read(device->context, port, size);
}

static void write_port(uint16_t port, unsigned size, uint32_t value)
{
    const struct fake_device *device = find(&ports, port);

    fake_advance(1);
    if (device != NULL && device->write != NULL)
        device->write(device->context, port, size, value);
}

uint8_t inb(uint16_t port)
{
    return (uint8_t)read_port(port, 1);
}

uint16_t inw(uint16_t port)
{
    return (uint16_t)read_port(port, 2);
}

uint32_t inl(uint16_t port)
{
    return read_port(port, 4);
}

void outb(uint16_t port, uint8_t value)
{
    write_port(port, 1, value);
}

void outw(uint16_t port, uint16_t value)
{
    write_port(port, 2, value);
}

void outl(uint16_t port, uint32_t value)
{
    write_port(port, 4, value);
}

static const struct fake_device *memory_at(uint64_t address)
{
    const struct fake_device *device = find(&memory, address);

    if (device == NULL || device->read == NULL || device->write == NULL)
        fake_misuse("no device is at 0x%lx", (unsigned long)address);
    return device;
}

uint32_t mmio_read32(uint64_t address)
{
    const struct fake_device *device = memory_at(address);

    return device->read(device->context, address, 4);
}

void mmio_write32(uint64_t address, uint32_t value)
{
    const struct fake_device *device = memory_at(address);

    device->write(device->context, address, 4, value);
}

void mmio_write8(uint64_t address, uint8_t value)
{
    const struct fake_device *device = memory_at(address);

    device->write(device->context, address, 1, value);
}
