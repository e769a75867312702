/* The commands of the monitor's prompt. */
#include "vmm/base/format.h"
#include "vmm/clock.h"
#include "vmm/console.h"
#include "vmm/console/command.h"
#include "vmm/loader/loader.h"
#include "vmm/monitor.h"

#include <string.h>

static const char *state_name(enum guest_state state)
{
    switch (state) {
    case GUEST_RUNNING: return "running";
    case GUEST_WANTS_RESET: return "resetting";
    case GUEST_POWERED_OFF: return "powered off";
    case GUEST_EXITED: return "exited";
    case GUEST_STOPPED: return "stopped";
    }
    return "unknown";
}

static bool no_guest(const struct monitor *monitor, const struct command_output *output)
{
    if (monitor->guest == NULL)
        command_print(output, "There is no guest.\n");
    return monitor->guest == NULL;
}

static enum command_result run_guests(void *context, const struct command_output *output, int argc,
                                      char *const argv[])
{
    const struct monitor *monitor = context;
    const struct boot_info *boot = monitor->environment.boot;

    (void)argc;
    (void)argv;
    command_print(output, "guest            format                 memory  state\n");
    for (size_t i = 0; i < boot->guest_count; i++) {
        const struct guest_config *config = &boot->guests[i];
        bool is_current = monitor->guest != NULL && i == monitor->guest_index;
        const char *state = is_current                 ? state_name(monitor->guest->end.kind)
                            : i < monitor->guest_index ? "ended"
                                                       : "waiting";

        command_print(output, "%-16s %-18s %6lu MiB  %s", config->name,
                      guest_format_name(guest_format(config->kernel)), config->memory_bytes / MIB,
                      state);
        if (is_current && monitor->guest->end.kind != GUEST_RUNNING)
            command_print(output, ": %s (exit code %lu)", monitor->guest->end.reason,
                          monitor->guest->end.exit_code);
        command_print(output, "\n");
    }
    return COMMAND_OK;
}

static enum command_result run_regs(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    const struct monitor *monitor = context;

    (void)argc;
    (void)argv;
    if (!no_guest(monitor, output))
        guest_dump(monitor->guest);
    return COMMAND_OK;
}

static enum command_result run_exits(void *context, const struct command_output *output, int argc,
                                     char *const argv[])
{
    const struct monitor *monitor = context;
    uint64_t total_count = 0, total_cycles = 0;

    if (argc == 2 && strcmp(argv[1], "clear") != 0)
        return COMMAND_USAGE;
    if (no_guest(monitor, output))
        return COMMAND_OK;
    struct vcpu *vcpu = &monitor->guest->vcpu;
    if (argc == 2) {
        memset(vcpu->exits, 0, sizeof(vcpu->exits));
        vcpu->unknown_exit_count = 0;
        return COMMAND_OK;
    }
    command_print(output, "reason                        exits          cycles  cycles/exit\n");
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        const struct exit_account *account = &vcpu->exits[i];
        if (account->count == 0)
            continue;
        command_print(output, "%-22s %12lu %15lu %12lu\n", exit_reason_name(i), account->count,
                      account->cycles, account->cycles / account->count);
        total_count += account->count;
        total_cycles += account->cycles;
    }
    if (vcpu->unknown_exit_count != 0)
        command_print(output, "%-22s %12lu\n", "unknown", vcpu->unknown_exit_count);
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

/* The unclaimed addresses, sorted: the bus gives them in no order. */
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
    const struct monitor *monitor = context;

    (void)argc;
    (void)argv;
    if (no_guest(monitor, output))
        return COMMAND_OK;
    print_bus(output, "ports", &monitor->guest->ports);
    print_bus(output, "MMIO", &monitor->guest->mmio);
    return COMMAND_OK;
}

static enum command_result run_reset(void *context, const struct command_output *output, int argc,
                                     char *const argv[])
{
    struct monitor *monitor = context;

    (void)argc;
    (void)argv;
    if (no_guest(monitor, output))
        return COMMAND_OK;
    monitor->request = REQUEST_RESET;
    console_ask_for_cpu();
    return COMMAND_OK;
}

static enum command_result run_quit(void *context, const struct command_output *output, int argc,
                                    char *const argv[])
{
    struct monitor *monitor = context;

    (void)output;
    (void)argc;
    (void)argv;
    monitor->request = REQUEST_QUIT;
    console_ask_for_cpu();
    return COMMAND_OK;
}

static const struct command commands[] = {
    {.name = "guests",
     .arguments = "",
     .what = "the guests and what became of them",
     .handler = run_guests},
    {.name = "regs",
     .arguments = "",
     .what = "the guest's registers, code and stack",
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
    {.name = "reset", .arguments = "", .what = "start the guest anew", .handler = run_reset},
    {.name = "quit",
     .arguments = "",
     .what = "end the guest and switch the machine off",
     .handler = run_quit},
};

void commands_install(struct monitor *monitor)
{
    console_set_commands(commands, ARRAY_COUNT(commands), monitor);
}
