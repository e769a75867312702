// SPDX-License-Identifier: BSD-2-Clause
/* Runs a flat guest program of bench/exits under Linux' KVM, as Portcullis would: real mode at
 * 0000:7c00, 16 MiB, PIC, PIT, I/O APIC and local APICs (KVM's own), debug console 0xe9, debug exit
 * 0xf4. A write to port 0xf1 asks for one set of doorbells; none but these are registered then,
 * which is the kindest to KVM: it searches them one by one.
 *
 *     kvm_host PROGRAM CPUS
 *
 * Needs /dev/kvm with unrestricted guest. Exit status 0 when the guest wrote 0 to port 0xf4. The
 * interfaces are those of Linux 6.1, Documentation/virt/kvm/api.rst. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_BYTES    (16u << 20)
#define ENTRY           0x7c00
#define PROGRAM_BYTES   0x90000
#define CPUS_MAX        2
#define CPUID_ENTRIES   256
#define TSS_ADDRESS     0xfffbd000 /* three pages that KVM wants for itself */
#define BELLS           200
#define DEBUG_CONSOLE   0xe9
#define SET_PORT        0xf1
#define DEBUG_EXIT      0xf4
#define TSC_DEADLINE    (1u << 24) /* CPUID.1:ECX */
#define X2APIC_ID_LEAF  0xb
#define CHANNEL_PIN     20 /* a pin of the I/O APIC */
#define CHANNEL_MESSAGE 21 /* straight to the local APIC */
#define MESSAGE_ADDRESS 0xfee00000
#define MESSAGE_VECTOR  0x41

enum { SET_NONE, SET_PIN = 7, SET_MESSAGE = 8, SET_COUNT };

/* count doorbells from address on, step bytes apart, or with data all on one address. */
struct bells {
    uint64_t address;
    uint32_t length; /* 0: any */
    unsigned count;
    bool is_port, has_data;
};

struct zone {
    uint64_t address;
    uint32_t size; /* 0: there is none */
    bool is_port;
};

/* What exits.asm rings while it has asked for the set. */
static const struct set {
    struct bells bells;
    struct zone zone;
} sets[SET_COUNT] = {
    [1] = {.bells = {.address = 0x6000, .length = 1, .count = BELLS, .is_port = true}},
    [2] = {.bells =
               {.address = 0x6100, .length = 1, .count = BELLS, .is_port = true, .has_data = true}},
    [3] = {.bells = {.address = 0xd0000000, .count = BELLS}},
    [4] = {.bells = {.address = 0xd0001000, .length = 4, .count = BELLS, .has_data = true}},
    [5] = {.zone = {.address = 0xe0, .size = 4, .is_port = true}},
    [6] = {.zone = {.address = 0xff000000, .size = 0x100}},
    [SET_PIN] = {.bells = {.address = 0x6200, .length = 1, .count = 1, .is_port = true}},
    [SET_MESSAGE] = {.bells = {.address = 0x6201, .length = 1, .count = 1, .is_port = true}},
};

struct cpu {
    struct vm *vm;
    unsigned index;
    int fd;
    struct kvm_run *run;
    struct kvm_coalesced_mmio_ring *ring;
    pthread_t thread;
};

struct vm {
    int kvm, fd;
    uint8_t *memory;
    unsigned cpu_count;
    struct cpu cpus[CPUS_MAX];
    unsigned set;
    int events[BELLS];
};

static void die(const char *what)
{
    printf("kvm_host: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

static int checked(int result, const char *what)
{
    if (result < 0)
        die(what);
    return result;
}

/* Doorbell number i of the set, registered or taken away again. */
static void bell_set(struct vm *vm, const struct bells *bells, unsigned i, uint32_t flags)
{
    struct kvm_ioeventfd bell = {.addr = bells->address + (bells->has_data ? 0 : i),
                                 .len = bells->length,
                                 .fd = vm->events[i],
                                 .datamatch = bells->has_data ? i : 0,
                                 .flags = flags};

    if (bells->is_port)
        bell.flags |= KVM_IOEVENTFD_FLAG_PIO;
    if (bells->has_data)
        bell.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    checked(ioctl(vm->fd, KVM_IOEVENTFD, &bell), "KVM_IOEVENTFD");
}

/* The doorbell's event raises this channel, which is a pin or a message. */
static void channel_set(struct vm *vm, uint32_t channel, uint32_t flags)
{
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry entry;
    } routes = {.head.nr = 1, .entry.gsi = channel};
    struct kvm_irqfd raise = {.fd = (uint32_t)vm->events[0], .gsi = channel, .flags = flags};

    if (channel == CHANNEL_PIN) {
        routes.entry.type = KVM_IRQ_ROUTING_IRQCHIP;
        routes.entry.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
        routes.entry.u.irqchip.pin = CHANNEL_PIN;
    } else {
        routes.entry.type = KVM_IRQ_ROUTING_MSI;
        routes.entry.u.msi.address_lo = MESSAGE_ADDRESS;
        routes.entry.u.msi.data = MESSAGE_VECTOR;
    }
    if (flags == 0)
        checked(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes), "KVM_SET_GSI_ROUTING");
    checked(ioctl(vm->fd, KVM_IRQFD, &raise), "KVM_IRQFD");
}

static void set_apply(struct vm *vm, unsigned number, bool is_leaving)
{
    const struct set *set = &sets[number];
    struct kvm_coalesced_mmio_zone zone = {
        .addr = set->zone.address, .size = set->zone.size, .pio = set->zone.is_port};
    bool has_channel = number == SET_PIN || number == SET_MESSAGE;
    uint32_t channel = number == SET_PIN ? CHANNEL_PIN : CHANNEL_MESSAGE;

    if (has_channel && is_leaving)
        channel_set(vm, channel, KVM_IRQFD_FLAG_DEASSIGN);
    for (unsigned i = 0; i < set->bells.count; i++)
        bell_set(vm, &set->bells, i, is_leaving ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0);
    if (has_channel && !is_leaving)
        channel_set(vm, channel, 0);
    if (zone.size != 0)
        checked(ioctl(vm->fd,
                      is_leaving ? KVM_UNREGISTER_COALESCED_MMIO : KVM_REGISTER_COALESCED_MMIO,
                      &zone),
                "coalesced zone");
}

static void set_change(struct vm *vm, unsigned number)
{
    set_apply(vm, vm->set, true);
    vm->set = number < SET_COUNT ? number : SET_NONE;
    set_apply(vm, vm->set, false);
}

/* What KVM supports, with this vCPU's APIC ID. */
static void cpuid_set(struct cpu *cpu)
{
    struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));

    if (cpuid == NULL)
        die("calloc");
    cpuid->nent = CPUID_ENTRIES;
    checked(ioctl(cpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    for (unsigned i = 0; i < cpuid->nent; i++) {
        struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

        if (entry->function == 1) {
            entry->ebx = (entry->ebx & 0x00ffffff) | cpu->index << 24;
            entry->ecx |= TSC_DEADLINE; /* left out of what is supported, as it needs the irqchip */
        }
        if (entry->function == X2APIC_ID_LEAF)
            entry->edx = cpu->index;
    }
    checked(ioctl(cpu->fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
}

/* The vCPUs' TSCs are the machine's, and so agree. */
static void tsc_set(struct cpu *cpu)
{
    uint64_t offset = 0;
    struct kvm_device_attr attribute = {
        .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset};

    checked(ioctl(cpu->fd, KVM_SET_DEVICE_ATTR, &attribute), "KVM_VCPU_TSC_OFFSET");
}

static void cpu_create(struct vm *vm, unsigned index)
{
    struct cpu *cpu = &vm->cpus[index];
    int run_bytes = checked(ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    int ring_page = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

    cpu->vm = vm;
    cpu->index = index;
    cpu->fd = checked(ioctl(vm->fd, KVM_CREATE_VCPU, index), "KVM_CREATE_VCPU");
    cpu->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    if (cpu->run == MAP_FAILED)
        die("mmap of a vCPU");
    cpu->ring = (void *)((char *)cpu->run + ring_page * getpagesize());
    cpuid_set(cpu);
    tsc_set(cpu);
}

static void vm_create(struct vm *vm, unsigned cpu_count)
{
    struct kvm_pit_config pit = {0};
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY_BYTES};

    vm->kvm = checked(open("/dev/kvm", O_RDWR), "/dev/kvm");
    vm->fd = checked(ioctl(vm->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    checked(ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS), "KVM_SET_TSS_ADDR");
    checked(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    checked(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
    vm->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (vm->memory == MAP_FAILED)
        die("mmap of the guest's memory");
    region.userspace_addr = (uintptr_t)vm->memory;
    checked(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    for (unsigned i = 0; i < BELLS; i++)
        vm->events[i] = checked(eventfd(0, EFD_NONBLOCK), "eventfd");
    vm->cpu_count = cpu_count;
    for (unsigned i = 0; i < cpu_count; i++)
        cpu_create(vm, i);
}

static void program_load(struct vm *vm, const char *path)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = ENTRY, .rsp = ENTRY, .rflags = 2};
    int file = checked(open(path, O_RDONLY), path);

    checked((int)read(file, vm->memory + ENTRY, PROGRAM_BYTES), path);
    close(file);
    checked(ioctl(vm->cpus[0].fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    checked(ioctl(vm->cpus[0].fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    checked(ioctl(vm->cpus[0].fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void io_exit(struct cpu *cpu)
{
    const struct kvm_run *run = cpu->run;
    const uint8_t *data = (const uint8_t *)run + run->io.data_offset;

    if (run->io.direction != KVM_EXIT_IO_OUT)
        return;
    switch (run->io.port) {
    case DEBUG_CONSOLE: putchar(*data); break;
    case SET_PORT: set_change(cpu->vm, *data); break;
    case DEBUG_EXIT: fflush(stdout); _exit(*data);
    default: break;
    }
}

/* Runs a vCPU until the guest ends everything. */
static void *cpu_run(void *argument)
{
    struct cpu *cpu = argument;

    for (;;) {
        if (ioctl(cpu->fd, KVM_RUN, 0) < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            die("KVM_RUN");
        }
        cpu->ring->first = cpu->ring->last; /* what a zone has queued is dropped */
        if (cpu->run->exit_reason == KVM_EXIT_IO) {
            io_exit(cpu);
        } else if (cpu->run->exit_reason != KVM_EXIT_MMIO) {
            printf("kvm_host: exit reason %u\n", cpu->run->exit_reason);
            fflush(stdout);
            _exit(1);
        }
    }
    return NULL;
}

/* A vCPU in a thread of its own that runs as soon as it can, also where all share one processor. */
static void cpu_start(struct cpu *cpu)
{
    struct sched_param parameter = {.sched_priority = 1};

    if (pthread_create(&cpu->thread, NULL, cpu_run, cpu) != 0)
        die("pthread_create");
    if (pthread_setschedparam(cpu->thread, SCHED_FIFO, &parameter) != 0)
        die("pthread_setschedparam");
}

int main(int argc, char **argv)
{
    static struct vm vm;
    unsigned cpu_count = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    if (cpu_count < 1 || cpu_count > CPUS_MAX) {
        fprintf(stderr, "usage: kvm_host PROGRAM CPUS; CPUS: 1 or 2\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    vm_create(&vm, cpu_count);
    program_load(&vm, argv[1]);
    for (unsigned i = 1; i < cpu_count; i++)
        cpu_start(&vm.cpus[i]);
    cpu_run(&vm.cpus[0]);
    return 0;
}
