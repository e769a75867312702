// SPDX-License-Identifier: BSD-2-Clause
/* The commands of the monitor's prompt. */
#include "vmm/monitor/commands.h"
#include "arch/x86/vmx.h"
#include "vmm/base/clock.h"
#include "vmm/base/format.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/loader/loader.h"
#include "vmm/vcpu/stop.h"

static const char *state_name(enum guest_state state)
{
    switch (state) {
    case GUEST_RUNNING: return "running";
    case GUEST_WANTS_RESET: return "resetting";
    case GUEST_POWERED_OFF: return "powered off";
    case GUEST_EXITED: return "exited";
    case GUEST_STOPPED: return "stopped";
    case GUEST_QUIT: return "ended";
    }
    return "unknown";
}

struct guest *command_guest(struct monitor *monitor, const struct command_output *output)
{
    struct guest *guest = monitor_selected(monitor)->guest;

    if (guest == NULL)
        command_print(output, "There is no guest.\n");
    return guest;
}

/* How much of its heap a guest uses, and has. */
static void print_heap(const struct command_output *output, struct guest *guest)
{
    struct heap_statistics heap;

    if (guest == NULL) {
        command_print(output, "%20s", "-");
        return;
    }
    heap = heap_measure(&guest->heap);
    command_print(output, "%6lu of %6lu KiB", heap.used_bytes / KIB, heap.total_bytes / KIB);
}

static void print_slot(const struct command_output *output, const struct guest_slot *slot)
{
    struct guest *guest = slot->guest;
    const char *state = guest != NULL                 ? state_name(guest->end.kind)
                        : slot->state == SLOT_WAITING ? "waiting"
                                                      : "ended";

    command_print(output, "%-16s %-18s %4u %6lu MiB ", slot->config->name,
                  slot->config->format_name, slot->config->cpu_count,
                  slot->config->memory_bytes / MIB);
    print_heap(output, slot->guest);
    command_print(output, "  %s", state);
    if (guest != NULL && guest->end.kind != GUEST_RUNNING)
        command_print(output, ": %s (exit code %lu)", guest->end.reason, guest->end.exit_code);
    command_print(output, "\n");
}

static enum command_result run_guests(void *context, const struct command_output *output, int argc,
                                      char *const argv[])
{
    struct monitor *monitor = context;
    const struct boot_info *boot = monitor->environment.boot;

    (void)argc;
    (void)argv;
    command_print(
        output,
        "guest            format             CPUs     memory    heap used of size  state\n");
    for (size_t i = 0; i < monitor->slot_count; i++)
        print_slot(output, &monitor->slots[i]);
    for (size_t i = 0; i < boot->left_out_count; i++)
        command_print(output, "%-16s left out: %s\n", boot->left_out[i].name,
                      boot->left_out[i].reason);
    return COMMAND_OK;
}

/* Returns the slot of the guest with this name. If there is none, prints that and returns null. */
static struct guest_slot *find_slot(struct monitor *monitor, const struct command_output *output,
                                    const char *name)
{
    for (size_t i = 0; i < monitor->slot_count; i++) {
        if (strcmp(monitor->slots[i].config->name, name) == 0)
            return &monitor->slots[i];
    }
    command_print(output, "There is no guest %s; 'guests' lists them.\n", name);
    return NULL;
}

static enum command_result run_select(void *context, const struct command_output *output, int argc,
                                      char *const argv[])
{
    struct monitor *monitor = context;
    struct guest_slot *slot = find_slot(monitor, output, argv[1]);

    (void)argc;
    if (slot == NULL)
        return COMMAND_OK;
    if (slot->guest == NULL) {
        command_print(output, "Guest %s is not there now.\n", argv[1]);
        return COMMAND_OK;
    }
    monitor->selected = (size_t)(slot - monitor->slots);
    console_select(&slot->guest->console);
    return COMMAND_OK;
}

/* Dumps a vCPU on its own processor, which answers within microseconds unless something is very
 * wrong. Waits a second at most. */
static void dump(struct vcpu *vcpu, const struct command_output *output)
{
    const uint64_t patience_ns = UINT64_C(1000000000);
    uint64_t end_tsc = rdtsc() + clock_ticks_from_ns(patience_ns);

    if (vcpu->notes.cpu == cpu_this()) {
        vmcs_load(vcpu->vmx.vmcs);
        vcpu_dump(vcpu);
        return;
    }
    if (!guest_is_running(vcpu->guest)) {
        command_print(output, "vcpu %u has left its processor with the guest's end.\n",
                      vcpu->index);
        return;
    }
    vcpu_notify(vcpu, ATTENTION_DUMP);
    while ((atomic_load_explicit(&vcpu->notes.attention, memory_order_acquire) & ATTENTION_DUMP) !=
           0) {
        if (rdtsc() > end_tsc) {
            command_print(output, "vcpu %u does not answer.\n", vcpu->index);
            return;
        }
        cpu_pause();
    }
}

static enum command_result run_regs(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    struct guest *guest = command_guest(context, output);
    uint64_t index = 0;

    if (guest == NULL)
        return COMMAND_OK;
    if (argc == 2 && command_number(argv[1], &index) != STATUS_OK)
        return COMMAND_USAGE;
    if (index >= guest->vcpu_count)
        command_print(output, "The guest has vCPUs 0 to %u.\n", guest->vcpu_count - 1);
    else
        dump(&guest->vcpus[index], output);
    return COMMAND_OK;
}

static void clear_exits(struct guest *guest)
{
    for (uint32_t i = 0; i < guest->vcpu_count; i++) {
        memset(guest->vcpus[i].exits, 0, sizeof(guest->vcpus[i].exits));
        guest->vcpus[i].unknown_exit_count = 0;
    }
}

/* Returns the exits of one reason, summed over all vCPUs. */
static struct exit_account sum_exits(const struct guest *guest, unsigned reason)
{
    struct exit_account sum = {0};

    for (uint32_t i = 0; i < guest->vcpu_count; i++) {
        sum.count += guest->vcpus[i].exits[reason].count;
        sum.cycles += guest->vcpus[i].exits[reason].cycles;
    }
    return sum;
}

static enum command_result run_exits(void *context, const struct command_output *output, int argc,
                                     char *const argv[])
{
    struct guest *guest;
    uint64_t total_count = 0, total_cycles = 0, unknown_count = 0;

    if (argc == 2 && strcmp(argv[1], "clear") != 0)
        return COMMAND_USAGE;
    guest = command_guest(context, output);
    if (guest == NULL)
        return COMMAND_OK;
    if (argc == 2) {
        clear_exits(guest);
        return COMMAND_OK;
    }
    command_print(output, "reason                        exits          cycles  cycles/exit\n");
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        struct exit_account account = sum_exits(guest, i);

        if (account.count == 0)
            continue;
        command_print(output, "%-22s %12lu %15lu %12lu\n", exit_reason_name(i), account.count,
                      account.cycles, account.cycles / account.count);
        total_count += account.count;
        total_cycles += account.cycles;
    }
    for (uint32_t i = 0; i < guest->vcpu_count; i++)
        unknown_count += guest->vcpus[i].unknown_exit_count;
    if (unknown_count != 0)
        command_print(output, "%-22s %12lu\n", "unknown", unknown_count);
    command_print(output, "%-22s %12lu %15lu   (TSC at %lu kHz)\n", "all", total_count,
                  total_cycles, clock_tsc_hz() / 1000);
    return COMMAND_OK;
}

static void print_range(void *context, const struct iobus_range_info *info)
{
    const struct command_output *output = context;
    uint64_t per_hit = info->hits == 0 ? 0 : info->cycles / info->hits;

    command_print(output, "  %8lx-%-8lx %-20s %10lu %15lu %8lu", info->first, info->last,
                  info->name, info->hits, info->cycles, per_hit);
    if (info->has_match && info->match.has_data)
        command_print(output, "  data %lx", info->match.data);
    command_print(output, "\n");
}

/* The unclaimed addresses in ascending order; the bus gives them in no order. */
struct unclaimed_list {
    size_t count;
    struct iobus_unclaimed_count entries[2 * IOBUS_UNCLAIMED_MAX];
};

static void collect_unclaimed(void *context, const struct iobus_unclaimed_count *count)
{
    struct unclaimed_list *list = context;
    size_t at = list->count;

    if (at == ARRAY_COUNT(list->entries))
        return;
    for (; at > 0 && list->entries[at - 1].address > count->address; at--)
        list->entries[at] = list->entries[at - 1];
    list->entries[at] = *count;
    list->count++;
}

static void print_unclaimed(const struct command_output *output, struct iobus *bus)
{
    struct unclaimed_list list = {.count = 0};
    struct iobus_unclaimed_count others = iobus_for_each_unclaimed(bus, collect_unclaimed, &list);
    uint64_t last_byte = bus->address_last > IOBUS_PORT_LAST ? IOBUS_UNCLAIMED_GRANULE - 1 : 0;

    for (size_t i = 0; i < list.count; i++)
        command_print(output, "  %8lx-%-8lx unclaimed: %lu reads, %lu writes\n",
                      list.entries[i].address, list.entries[i].address + last_byte,
                      list.entries[i].read_count, list.entries[i].write_count);
    if (others.read_count != 0 || others.write_count != 0)
        command_print(output, "  elsewhere         unclaimed: %lu reads, %lu writes\n",
                      others.read_count, others.write_count);
}

static void print_bus(const struct command_output *output, const char *title, struct iobus *bus)
{
    command_print(output,
                  "%-10s addresses device                     hits          cycles cycles/hit\n",
                  title);
    iobus_for_each_range(bus, print_range, (void *)(uintptr_t)output);
    print_unclaimed(output, bus);
}

static enum command_result run_bus(void *context, const struct command_output *output, int argc,
                                   char *const argv[])
{
    struct guest *guest = command_guest(context, output);

    (void)argc;
    (void)argv;
    if (guest == NULL)
        return COMMAND_OK;
    print_bus(output, "ports", &guest->ports);
    print_bus(output, "MMIO", &guest->mmio);
    return COMMAND_OK;
}

static enum command_result run_stop(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    struct guest_slot *slot = find_slot(context, output, argv[1]);

    (void)argc;
    if (slot == NULL)
        return COMMAND_OK;
    if (slot->guest != NULL && guest_is_running(slot->guest))
        dump(&slot->guest->vcpus[0], output);
    if (!schedule_stop(slot))
        command_print(output, "Guest %s does not run.\n", argv[1]);
    return COMMAND_OK;
}

static enum command_result run_start(void *context, const struct command_output *output, int argc,
                                     char *const argv[])
{
    struct guest_slot *slot = find_slot(context, output, argv[1]);

    (void)argc;
    if (slot == NULL)
        return COMMAND_OK;
    if (slot->state == SLOT_ENDED)
        schedule_restart(slot);
    else
        command_print(output, "Guest %s %s.\n", argv[1],
                      slot->state == SLOT_ACTIVE ? "has not ended" : "has not had its turn yet");
    return COMMAND_OK;
}

static enum command_result run_reset(void *context, const struct command_output *output, int argc,
                                     char *const argv[])
{
    struct monitor *monitor = context;

    (void)argc;
    (void)argv;
    if (command_guest(monitor, output) != NULL)
        schedule_restart(monitor_selected(monitor));
    return COMMAND_OK;
}

static enum command_result run_quit(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    (void)output;
    (void)argc;
    (void)argv;
    schedule_quit(context);
    return COMMAND_OK;
}

static const struct command commands[] = {
    {.name = "guests",
     .arguments = "",
     .what = "the guests, what they use of their heaps, and what became of them",
     .handler = run_guests},
    {.name = "select",
     .arguments = "GUEST",
     .what = "give the serial line to another guest; other commands are about it from then on",
     .arguments_min = 1,
     .arguments_max = 1,
     .handler = run_select},
    {.name = "regs",
     .arguments = "[VCPU]",
     .what = "the registers, code and stack of the guest's vCPU",
     .arguments_max = 1,
     .handler = run_regs},
    {.name = "exits",
     .arguments = "[clear]",
     .what = "VM exits by reason, and the cycles spent on them",
     .arguments_max = 1,
     .handler = run_exits},
    {.name = "bus",
     .arguments = "",
     .what = "ports and MMIO: devices, hits, unclaimed accesses",
     .handler = run_bus},
    {.name = "attachments",
     .arguments = "",
     .what = "doorbells, zones and triggers, and how often each was used",
     .handler = run_attachments},
    {.name = "doorbell",
     .arguments = "NAME port|mmio ADDRESS [width 1|2|4|8|any] [data VALUE] [count N] [line N] "
                  "[message ADDRESS DATA] [trigger NAME] [drain NAME] [trace]",
     .what = "count writes to an address, and tell whoever listens",
     .arguments_min = 3,
     .arguments_max = COMMAND_WORDS_MAX - 1,
     .handler = run_attach},
    {.name = "zone",
     .arguments = "NAME port|mmio ADDRESS LENGTH [ring N] [delay MICROSECONDS]",
     .what = "queue writes to a device and hand them over in batches",
     .arguments_min = 4,
     .arguments_max = COMMAND_WORDS_MAX - 1,
     .handler = run_attach},
    {.name = "trigger",
     .arguments = "NAME line N [level] | NAME message ADDRESS DATA",
     .what = "something that raises an interrupt line or sends a message",
     .arguments_min = 3,
     .arguments_max = COMMAND_WORDS_MAX - 1,
     .handler = run_attach},
    {.name = "raise",
     .arguments = "TRIGGER [COUNT]",
     .what = "raise a trigger's line, or send its message",
     .arguments_min = 1,
     .arguments_max = 2,
     .handler = run_raise},
    {.name = "remove",
     .arguments = "NAME",
     .what = "take a doorbell, zone or trigger away",
     .arguments_min = 1,
     .arguments_max = 1,
     .handler = run_remove},
    {.name = "reset", .arguments = "", .what = "start the guest anew", .handler = run_reset},
    {.name = "stop",
     .arguments = "GUEST",
     .what = "end a guest, with a dump of its first vCPU",
     .arguments_min = 1,
     .arguments_max = 1,
     .handler = run_stop},
    {.name = "start",
     .arguments = "GUEST",
     .what = "start a guest again that has ended; of a sequence, when the others have ended, too",
     .arguments_min = 1,
     .arguments_max = 1,
     .handler = run_start},
    {.name = "quit",
     .arguments = "",
     .what = "end the guest and switch the machine off",
     .handler = run_quit},
};

void commands_install(struct monitor *monitor)
{
    console_set_commands(commands, ARRAY_COUNT(commands), monitor);
}
