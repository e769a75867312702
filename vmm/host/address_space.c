// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/host/address_space.h"

#include "vmm/base/bits.h"

/* Maps a range if the calls before have succeeded. */
static void map(struct page_table *table, uint64_t base, uint64_t size_bytes, unsigned flags,
                enum status *status)
{
    if (*status == STATUS_OK && size_bytes > 0)
        *status = page_table_map(table, base, size_bytes, flags);
}

static void map_registers(struct page_table *table, hpa_t base, enum status *status)
{
    map(table, align_down(base.value, PAGE_SIZE), PAGE_SIZE, PAGE_WRITE | PAGE_UNCACHED, status);
}

enum status address_space_create(struct page_table *table, const struct boot_info *boot,
                                 const struct address_space_machine *machine,
                                 const struct page_source *source)
{
    enum status status = page_table_init(table, machine->levels, machine->has_huge_pages, source);

    if (status != STATUS_OK)
        return status;
    map(table, boot->heap.value, boot->heap_bytes, PAGE_WRITE, &status);
    map(table, boot->image.value, boot->image_bytes, 0, &status);
    map(table, boot->text.value, boot->text_bytes, PAGE_EXECUTE, &status);
    map(table, boot->data.value, boot->data_bytes, PAGE_WRITE, &status);
    map_registers(table, machine->local_apic, &status);
    for (size_t i = 0; i < boot->acpi.ioapic_count; i++)
        map_registers(table, boot->acpi.ioapics[i].base, &status);
    if (status != STATUS_OK)
        table_tree_destroy(&table->tree);
    return status;
}

static uint64_t window_files_address(const struct guest_config *guest)
{
    return window_ram_address(guest) + WINDOW_RAM_BYTES;
}

/* Returns the whole pages that a file lies in. The boot stage gave it pages of its own. */
static struct memory_range pages_of(const struct blob *file)
{
    uint64_t base = align_down((uint64_t)file->data, PAGE_SIZE);

    return (struct memory_range){
        .base = HPA(base),
        .size_bytes = align_up((uint64_t)file->data + file->size_bytes, PAGE_SIZE) - base};
}

/* Returns where the window has a file whose pages it has from `address` on. */
static uint64_t address_in(uint64_t address, const struct blob *file)
{
    return address + ((uint64_t)file->data & (PAGE_SIZE - 1));
}

uint64_t window_ram_address(const struct guest_config *guest)
{
    return WINDOW_FIRST + guest->number * WINDOW_BYTES;
}

uint64_t window_kernel_address(const struct guest_config *guest)
{
    return address_in(window_files_address(guest), &guest->kernel);
}

uint64_t window_initrd_address(const struct guest_config *guest)
{
    return address_in(window_files_address(guest) + pages_of(&guest->kernel).size_bytes,
                      &guest->initrd);
}

static void map_ram(struct page_table *window, const struct guest_config *guest,
                    enum status *status)
{
    uint64_t address = window_ram_address(guest);

    for (size_t i = 0; i < guest->ram.count && *status == STATUS_OK; i++) {
        const struct ram_piece *piece = &guest->ram.piece[i];

        *status =
            page_table_map_at(window, address, piece->base.value, piece->size_bytes, PAGE_WRITE);
        address += piece->size_bytes;
    }
}

static void map_file(struct page_table *window, uint64_t address, const struct blob *file,
                     enum status *status)
{
    const struct memory_range pages = pages_of(file);

    if (*status == STATUS_OK && file->size_bytes > 0)
        *status = page_table_map_at(window, align_down(address, PAGE_SIZE), pages.base.value,
                                    pages.size_bytes, 0);
}

enum status window_create(struct page_table *window, const struct guest_config *guest,
                          const struct address_space_machine *machine,
                          const struct page_source *source)
{
    enum status status = page_table_init(window, machine->levels, machine->has_huge_pages, source);

    if (status != STATUS_OK)
        return status;
    map_ram(window, guest, &status);
    map_file(window, window_kernel_address(guest), &guest->kernel, &status);
    map_file(window, window_initrd_address(guest), &guest->initrd, &status);
    if (status != STATUS_OK)
        table_tree_destroy(&window->tree);
    return status;
}

void window_destroy(struct page_table *window)
{
    table_tree_destroy(&window->tree);
}

enum status address_space_enter(struct page_table *table, const struct page_table *window,
                                const struct guest_config *guest)
{
    enum status status = page_table_share(table, window, window_ram_address(guest));

    if (status != STATUS_OK)
        return status;
    status = page_table_share(table, window, window_files_address(guest));
    if (status != STATUS_OK)
        page_table_unshare(table, window_ram_address(guest));
    return status;
}

void address_space_leave(struct page_table *table, const struct guest_config *guest)
{
    page_table_unshare(table, window_ram_address(guest));
    page_table_unshare(table, window_files_address(guest));
}
