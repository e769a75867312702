// SPDX-License-Identifier: BSD-2-Clause
/* The configuration's parser on any file. */
#include "boot/config/config.h"
#include "tests/fuzz/input.h"
#include "vmm/base/bits.h"

static struct config config;

static void check_guest(const struct config_guest *guest, uint32_t cpu_count)
{
    EXPECT(guest->name[0] != '\0' && strlen(guest->name) < sizeof(guest->name));
    EXPECT(guest->kernel[0] == '\\' && strlen(guest->kernel) < sizeof(guest->kernel));
    EXPECT(guest->initrd[0] == '\0' || guest->initrd[0] == '\\');
    EXPECT(strlen(guest->initrd) < sizeof(guest->initrd));
    EXPECT(strlen(guest->cmdline) < sizeof(guest->cmdline));
    EXPECT(guest->memory_bytes >= 2 * MIB && guest->memory_bytes <= CONFIG_MEMORY_BYTES_MAX);
    EXPECT(guest->memory_bytes % (2 * MIB) == 0);
    EXPECT(guest->cpu_count >= 1 && guest->cpu_count <= GUEST_CPUS_MAX);
    EXPECT(guest->cpu_count <= cpu_count);
    EXPECT(guest->attachment_count <= GUEST_ATTACHMENTS_MAX);
    EXPECT(guest->attachment_first + guest->attachment_count <= config.attachment_count);
    for (size_t i = 0; i < guest->attachment_count; i++) {
        char message[ATTACHMENT_MESSAGE_BYTES];

        EXPECT(attachment_spec_check(&config.attachments[guest->attachment_first + i], message,
                                     sizeof(message)) == STATUS_OK);
    }
}

static void check_config(uint32_t cpu_count)
{
    EXPECT(config.guest_count >= 1 && config.guest_count <= BOOT_GUESTS_MAX);
    EXPECT(config.attachment_count <= CONFIG_ATTACHMENTS_MAX);
    EXPECT(config.console_baud >= CONFIG_CONSOLE_BAUD_MIN);
    EXPECT(CONFIG_CONSOLE_BAUD_CLOCK % config.console_baud == 0);
    EXPECT(config.console_irq <= CONSOLE_IRQ_MAX);
    for (size_t i = 0; i < config.guest_count; i++) {
        check_guest(&config.guests[i], cpu_count);
        for (size_t j = 0; j < i; j++)
            EXPECT(strcmp(config.guests[i].name, config.guests[j].name) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint32_t cpu_count = 1u + input_u8(&input) % 8;
    char message[CONFIG_MESSAGE_BYTES];
    size_t text_bytes;
    const char *text = (const char *)input_rest(&input, &text_bytes);
    enum status status;

    memset(&config, 0x5a, sizeof(config));
    memset(message, 'x', sizeof(message));
    status = config_parse(text, text_bytes, cpu_count, &config, message, sizeof(message));
    EXPECT(memchr(message, '\0', sizeof(message)) != NULL);
    if (status == STATUS_OK) {
        EXPECT(message[0] == '\0');
        check_config(cpu_count);
        return 0;
    }
    EXPECT(strncmp(message, CONFIG_FILE_NAME ":", strlen(CONFIG_FILE_NAME) + 1) == 0);
    for (const char *at = message; *at != '\0'; at++) /* fit to be shown on a screen */
        EXPECT(((unsigned char)*at >= ' ' && *at != 0x7f) || *at == '\t');
    return 0;
}
