// SPDX-License-Identifier: BSD-2-Clause
/* Switching on the PCI device that an I/O port belongs to, with made-up configuration spaces. */
#include "tests/unit/unit.h"

#include "boot/pci_port.c"

#include <string.h>

#define DEVICES 3

struct fake_device {
    EFI_PCI_IO_PROTOCOL protocol; /* first: the protocol is its address */
    uint8_t space[64];
    bool is_mute;
};

static struct fake_device devices[DEVICES];
static EFI_HANDLE handles[DEVICES] = {&devices[0], &devices[1], &devices[2]};
static unsigned pools;

static EFI_STATUS EFIAPI config_read(EFI_PCI_IO_PROTOCOL *protocol, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, void *buffer)
{
    struct fake_device *device = (struct fake_device *)protocol;

    if (device->is_mute)
        return EFI_DEVICE_ERROR;
    memcpy(buffer, device->space + offset, count << width);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI config_write(EFI_PCI_IO_PROTOCOL *protocol,
                                      EFI_PCI_IO_PROTOCOL_WIDTH width, UINT32 offset, UINTN count,
                                      void *buffer)
{
    struct fake_device *device = (struct fake_device *)protocol;

    memcpy(device->space + offset, buffer, count << width);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_handles(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *protocol, void *key,
                                        UINTN *count, EFI_HANDLE **buffer)
{
    (void)protocol;
    (void)key;
    assert_int_equal(type, ByProtocol);
    *count = DEVICES;
    *buffer = handles;
    pools++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_none(EFI_LOCATE_SEARCH_TYPE type, EFI_GUID *protocol, void *key,
                                     UINTN *count, EFI_HANDLE **buffer)
{
    (void)type;
    (void)protocol;
    (void)key;
    (void)count;
    (void)buffer;
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI handle_protocol(EFI_HANDLE handle, EFI_GUID *protocol, void **interface)
{
    (void)protocol;
    *interface = handle;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(void *buffer)
{
    assert_ptr_equal(buffer, handles);
    pools--;
    return EFI_SUCCESS;
}

static EFI_BOOT_SERVICES boot_services;
static struct uefi uefi = {.services = &boot_services};

static void put(unsigned device, unsigned offset, uint32_t value, size_t size_bytes)
{
    memcpy(devices[device].space + offset, &value, size_bytes);
}

static unsigned command(unsigned device)
{
    return devices[device].space[4] | devices[device].space[5] << 8;
}

/* A bridge whose numbers look like a range at 0x6000, and two cards, the first with memory decoding
 * on. */
static int set_up(void **state)
{
    (void)state;
    boot_services = (EFI_BOOT_SERVICES){.LocateHandleBuffer = locate_handles,
                                        .HandleProtocol = handle_protocol,
                                        .FreePool = free_pool};
    memset(devices, 0, sizeof(devices));
    for (unsigned i = 0; i < DEVICES; i++)
        devices[i].protocol.Pci = (EFI_PCI_IO_PROTOCOL_CONFIG_ACCESS){config_read, config_write};
    put(0, 0x0e, 1, 1);
    put(0, 0x18, 0x6061, 4);
    put(1, 0x0e, 0x80, 1);
    put(1, 0x04, 0x0142, 2);
    put(1, 0x14, 0x6001, 4);
    put(2, 0x10, 0x6041, 4);
    pools = 0;
    return 0;
}

static void expect(uint16_t port, unsigned first, unsigned second)
{
    pci_port_enable(&uefi, port);
    assert_int_equal(command(0), 0);
    assert_int_equal(command(1), first);
    assert_int_equal(command(2), second);
    assert_int_equal(pools, 0);
}

static void test_owner_answers(void **state)
{
    (void)state;
    expect(0x3f8, 0x0142, 0);
    expect(0x6008, 0x0143, 0);
    expect(0x6060, 0x0143, 1);
}

static void test_mute_devices(void **state)
{
    (void)state;
    devices[2].is_mute = true;
    expect(0x6040, 0x0143, 0); /* the next that may have it */
    boot_services.LocateHandleBuffer = locate_none;
    expect(0x6040, 0x0143, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_owner_answers, set_up),
        cmocka_unit_test_setup(test_mute_devices, set_up),
    };
    return cmocka_run_group_tests_name("boot_pci_port", tests, NULL, NULL);
}
