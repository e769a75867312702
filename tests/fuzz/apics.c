// SPDX-License-Identifier: BSD-2-Clause
/* Three local APICs, their bus and an I/O APIC: registers, MSRs, IPIs, messages, pins and timers in
 * any order, one of the local APICs after the other. */
#include "tests/fuzz/input.h"
#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/i82093aa.h"

enum { COUNT = 3 };

static struct local_apic apics[COUNT];
static struct apic_bus bus;
static struct i82093aa ioapic;
static struct local_apic *running; /* who makes the access now */
static unsigned kicked;            /* a bit for each */
static unsigned messages;          /* of the I/O APIC, in one step */

static void kick(void *context, unsigned index)
{
    (void)context;
    EXPECT(index < COUNT);
    kicked |= 1u << index;
}

static bool is_own(struct local_apic *apic)
{
    return apic == running;
}

static void bus_eoi(void *context, uint8_t vector)
{
    (void)context;
    EXPECT(vector >= 16);
    i82093aa_eoi(&ioapic, vector);
}

static bool ioapic_send(void *context, const struct apic_message *message)
{
    (void)context;
    messages++;
    return apic_bus_send(&bus, message, NULL);
}

static int highest(const struct local_apic *apic, unsigned offset)
{
    for (int vector = 255; vector >= 0; vector--) {
        if (apic->page[offset / 4 + (unsigned)vector / 32 * 4] >> vector % 32 & 1)
            return vector;
    }
    return LOCAL_APIC_NO_VECTOR;
}

/* "Task and Processor Priorities": what is pending is the highest request, if its class is above
 * that of TPR and of what is in service. */
static void check_priorities(const struct local_apic *apic)
{
    int request = highest(apic, LOCAL_APIC_IRR_OFFSET);
    int in_service = highest(apic, LOCAL_APIC_ISR_OFFSET);
    int tpr = (int)apic->page[LOCAL_APIC_TPR_OFFSET / 4] & 0xff;
    int class = (in_service < 0 ? 0 : in_service) >> 4;
    int expected;

    if (class < tpr >> 4)
        class = tpr >> 4;
    expected = request >= 0 && request >> 4 > class ? request : LOCAL_APIC_NO_VECTOR;
    EXPECT(local_apic_pending_vector(apic) == expected);
    EXPECT(request == LOCAL_APIC_NO_VECTOR || request >= 16);
    EXPECT(in_service == LOCAL_APIC_NO_VECTOR || in_service >= 16);
    EXPECT(apic->in_service == in_service);
    EXPECT(local_apic_highest_request(apic) == request);
}

/* The vCPU's part before an entry. */
static void accept(struct local_apic *apic, bool takes)
{
    unsigned index = apic->index;

    for (unsigned round = 0; local_apic_needs_attention(apic); round++) {
        EXPECT(round < 4);
        if (local_apic_accept(apic)) {
            struct local_apic_events events = local_apic_take_events(apic);

            EXPECT(events.nmi <= 2);
            if (events.init)
                local_apic_init_signal(apic);
        }
    }
    kicked &= ~(1u << index);
    check_priorities(apic);
    if (takes) {
        int vector = local_apic_pending_vector(apic);
        uint8_t taken = local_apic_acknowledge(apic);

        EXPECT(vector == LOCAL_APIC_NO_VECTOR ? taken == (uint8_t)apic->svr : taken == vector);
        check_priorities(apic);
    }
    if (local_apic_extint_pending(apic))
        local_apic_extint_taken(apic);
}

static void use_registers(struct local_apic *apic, struct input *input, uint64_t now)
{
    uint8_t what = input_u8(input), reg = input_u8(input);
    uint64_t value;

    switch (what % 8) {
    case 0: (void)!local_apic_mmio_read(apic, reg % 64 * 16, 4, now, &value); break;
    case 1:
        (void)!local_apic_mmio_read(apic, input_u16(input) & 0xfff, 1u << (reg & 3), now, &value);
        break;
    case 2:
    case 3: (void)!local_apic_mmio_write(apic, reg % 64 * 16, 4, now, input_u32(input)); break;
    case 4: (void)!local_apic_read_msr(apic, 0x800u + reg, now, &value); break;
    case 5: {
        uint64_t written = input_u32(input);

        if (what & 0x80) /* only few bits are defined above */
            written |= (uint64_t)input_u32(input) << 32;
        (void)!local_apic_write_msr(apic, 0x800u + reg, now, written);
        break;
    }
    case 6:
        if (what & 0x80)
            (void)!local_apic_write_base(apic, input_u64(input));
        else
            (void)!local_apic_write_base(apic, (local_apic_base(apic) & ~UINT64_C(0xc00)) |
                                                   (uint64_t)(reg & 3) << 10);
        break;
    default:
        local_apic_write_cr8(apic, reg);
        EXPECT(local_apic_cr8(apic) == (reg & 15));
        break;
    }
}

static void use_ioapic(struct input *input)
{
    uint8_t what = input_u8(input), value = input_u8(input);

    messages = 0;
    switch (what % 4) {
    case 0:
        i82093aa_write(&ioapic, I82093AA_IOREGSEL, 4, value);
        i82093aa_write(&ioapic, I82093AA_IOWIN, 4, input_u32(input));
        break;
    case 1: i82093aa_set_line(&ioapic, value % I82093AA_PIN_COUNT, value >> 7); break;
    case 2: i82093aa_retry(&ioapic); break;
    default: apic_bus_set_lint(&bus, value & 1, value & 2); break;
    }
    EXPECT(messages <= I82093AA_PIN_COUNT);
}

static void use_timer(struct local_apic *apic, struct input *input, uint64_t now)
{
    uint8_t what = input_u8(input);

    switch (what % 4) {
    case 0: local_apic_write_tsc_deadline(apic, now + input_span_ns(input), now); break;
    case 1: (void)!local_apic_move_tsc_deadline(apic, now + input_span_ns(input), now); break;
    case 2:
        local_apic_signal(apic, what >> 2 & 1 ? LOCAL_APIC_LVT_CMCI : LOCAL_APIC_LVT_THERMAL);
        break;
    default:
        local_apic_run(apic, now);
        EXPECT(local_apic_next_deadline(apic) > now);
        break;
    }
}

static void set_up(void)
{
    const struct apic_bus_wires wires = {.kick = kick, .is_own = is_own, .eoi = bus_eoi};
    const struct i82093aa_wires ioapic_wires = {.send = ioapic_send};

    memset(apics, 0, sizeof(apics));
    kicked = 0;
    running = NULL;
    apic_bus_init(&bus, &wires);
    for (unsigned i = 0; i < COUNT; i++) {
        struct local_apic_config config = {.id = i * 5,
                                           .is_bsp = i == 0,
                                           .has_x2apic = true,
                                           .has_tsc_deadline = true,
                                           .physical_address_bits = 39};

        EXPECT(apic_bus_add(&bus, &apics[i], &config));
    }
    i82093aa_init(&ioapic, &ioapic_wires);
    local_apic_set_virtual_wire(&apics[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint64_t now = 0;

    set_up();
    while (input_left(&input)) {
        uint8_t what = input_u8(&input);

        running = &apics[(what >> 5) % COUNT];
        switch (what % 8) {
        case 0: now += input_span_ns(&input); break;
        case 1:
        case 2: use_registers(running, &input, now); break;
        case 3: accept(running, what >> 4 & 1); break;
        case 4: use_ioapic(&input); break;
        case 5: use_timer(running, &input, now); break;
        case 6: {
            uint64_t address = UINT64_C(0xfee00000) | input_u16(&input) << 4;

            (void)apic_bus_send_msi(&bus, address, input_u32(&input));
            break;
        }
        default: (void)local_apic_eoi(running, running->mode); break;
        }
        for (unsigned i = 0; i < COUNT; i++) /* nothing waits unseen */
            EXPECT(&apics[i] == running || (kicked >> i & 1) || !atomic_load(&apics[i].attention));
        accept(running, false);
    }
    return 0;
}
