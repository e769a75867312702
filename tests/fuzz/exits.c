// SPDX-License-Identifier: BSD-2-Clause
/* A hostile guest on the fake processor: any stream of exits with any registers, memory and
 * qualifications that a processor can give. After each exit no lock is held, nothing is allocated
 * outside of the guest's own heap, and another guest is as it was. What the monitor must not do to
 * the processor, the fake one finds itself. Several vCPUs are threads, so an input may need some runs
 * until it shows the same again. */
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/msr.h"
#include "tests/fuzz/input.h"
#include "tests/heart/heart.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"

#define CODE           UINT32_C(0x8000) /* where the instruction of a memory access stands */
#define TABLES         UINT32_C(0x100000)
#define APIC           UINT32_C(0xfee00000)
#define IOAPIC         UINT32_C(0xfec00000)
#define TEST_MEMORY    UINT32_C(0xff000000)
#define HOLE           UINT32_C(0xd0000000)
#define STARTS_MAX     4   /* a reset clears the RAM, which takes its time */
#define STEPS_MAX      400 /* of one vCPU */
#define VCPUS_MAX      2
#define RUN_TICKS_MAX  UINT64_C(2000000)
#define FLAGS_SETTABLE UINT64_C(0x00247ed5) /* without TF, RF and VM */

/* What one vCPU does. */
struct stream {
    struct input input;
    unsigned steps;
};

static struct stream streams[VCPUS_MAX];
static _Thread_local struct stream *self;
static struct guest *hostile, *victim;
static struct guest_config *config;
static uint64_t outer_bytes; /* of the monitor's heap, before the guest runs */

/* What the victim was like. */
static struct vcpu victim_vcpu;
static struct board *victim_board;
static uint8_t *victim_ram;

/* --- What holds after each exit --- */

static bool is_free(const struct spinlock *lock)
{
    return !atomic_load(&lock->is_held);
}

static void check_victim(void)
{
    EXPECT(memcmp(victim_ram, victim->ram, HEART_RAM_BYTES) == 0);
    EXPECT(memcmp(&victim_vcpu, &victim->vcpus[0], sizeof(victim_vcpu)) == 0);
    EXPECT(memcmp(victim_board, &victim->board, sizeof(*victim_board)) == 0);
    EXPECT(guest_is_running(victim));
}

static void check_locks(void)
{
    EXPECT(is_free(&hostile->board.lock) && is_free(&hostile->ports.lock));
    EXPECT(is_free(&hostile->mmio.lock) && is_free(&hostile->end_lock));
    EXPECT(is_free(&hostile->apic_pages_lock) && is_free(&hostile->attachments.lock));
    EXPECT(is_free(&hostile->heap.lock) && is_free(&heart_heap.lock));
}

/* With several vCPUs another one may hold a lock. */
static void check(void)
{
    EXPECT(heart_heap.used_bytes == outer_bytes);
    if (hostile->vcpu_count == 1)
        check_locks();
}

/* --- What the guest does --- */

static uint16_t any_port(void)
{
    static const uint16_t ports[] = {0x20,  0x21,  0x40,  0x43,  0x60,   0x61,  0x64, 0x70,
                                     0x71,  0x92,  0xa0,  0xa1,  0xb2,   0xe9,  0xf8, 0x3f8,
                                     0x4d0, 0x510, 0x600, 0xcf9, 0x2000, 0x9000};
    uint8_t choice = input_u8(&self->input);

    return choice & 0x80 ? input_u16(&self->input)
                         : (uint16_t)(ports[(choice >> 2) % ARRAY_COUNT(ports)] + (choice & 3));
}

static uint32_t any_device(void)
{
    static const uint32_t places[] = {APIC, IOAPIC, TEST_MEMORY, HOLE, 0xa0000, 0xfee10000};
    uint8_t choice = input_u8(&self->input);

    return places[choice % ARRAY_COUNT(places)] + (input_u16(&self->input) & 0xffff);
}

static void set_rip(struct fake_guest *guest)
{
    uint64_t base = fake_guest_field(guest, VMCS_GUEST_CS_BASE);

    if (base <= CODE)
        fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE - base);
}

/* Puts bytes of the input where the guest's RIP is. Returns how many. */
static unsigned put_code(struct fake_guest *guest)
{
    unsigned length = 1 + input_u8(&self->input) % 15;
    uint8_t *code;

    set_rip(guest);
    code = fake_guest_ram(guest, CODE);
    for (unsigned i = 0; i < 15; i++)
        code[i] = i < length ? input_u8(&self->input) : 0x90;
    return length;
}

/* An event that was being delivered when the exit came ("Information for VM Exits That Occur During
 * Event Delivery"). */
static uint32_t any_vectoring(uint8_t choice)
{
    static const uint32_t events[] = {
        (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, 0x20),
        (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI),
        (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_UD),
        (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_GP) |
            (uint32_t)INTERRUPTION_ERROR_CODE_VALID,
    };

    return choice & 0x80 ? events[choice % ARRAY_COUNT(events)] : 0;
}

static void access_device(struct fake_guest *guest)
{
    static const uint64_t kinds[] = {EXIT_EPT_READ, EXIT_EPT_WRITE, EXIT_EPT_FETCH,
                                     EXIT_EPT_READ | EXIT_EPT_WRITE};
    uint32_t address = any_device();
    uint8_t choice = input_u8(&self->input);
    unsigned length = put_code(guest);

    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_EPT_VIOLATION,
                         .instruction_length = length,
                         .qualification = kinds[choice & 3] | (choice & 4 ? 0 : BIT(7) | BIT(8)),
                         .linear_address = address,
                         .physical_address = address,
                         .idt_vectoring_info = any_vectoring(choice),
                     });
}

/* MOV between EAX and a device, with a 32-bit address, in code of 16 or 32 bits. One exit, whatever
 * the monitor makes of it: a processor would execute it again. */
static void move(struct fake_guest *guest, uint32_t address, unsigned size, bool is_store)
{
    bool is_32_bit = fake_guest_field(guest, VMCS_GUEST_CS_ACCESS_RIGHTS) & ACCESS_RIGHTS_D;
    unsigned length = 0;
    uint8_t *code;

    set_rip(guest);
    code = fake_guest_ram(guest, CODE);
    if (!is_32_bit)
        code[length++] = 0x67;
    if (size != 1 && is_32_bit != (size == 4))
        code[length++] = 0x66;
    code[length++] = (uint8_t)((is_store ? 0x88 : 0x8a) | (size != 1));
    code[length++] = 0x05;
    memcpy(code + length, &address, sizeof(address));
    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_EPT_VIOLATION,
                         .instruction_length = length + 4,
                         .qualification = (is_store ? EXIT_EPT_WRITE : EXIT_EPT_READ) |
                                          EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION,
                         .linear_address = address,
                         .physical_address = address,
                     });
}

static void store(struct fake_guest *guest, uint32_t address, uint32_t value)
{
    guest->gpr[GPR_RAX] = value;
    move(guest, address, 4, true);
}

static void string_io(struct fake_guest *guest)
{
    static const uint8_t opcodes[] = {0x6c, 0x6d, 0x6e, 0x6f};
    uint8_t choice = input_u8(&self->input), *code;
    bool is_in = !(choice & 2), has_rep = choice & 4;
    unsigned size = choice & 1 ? 2 : 1, length = has_rep ? 2 : 1;

    set_rip(guest);
    code = fake_guest_ram(guest, CODE);
    code[0] = has_rep ? 0xf3 : opcodes[choice & 3];
    code[1] = has_rep ? opcodes[choice & 3] : 0x90;
    guest->gpr[GPR_RCX] = choice & 8 ? input_u16(&self->input) : input_u8(&self->input);
    guest->gpr[GPR_RDX] = any_port();
    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_IO_INSTRUCTION,
                  .instruction_length = length,
                  .qualification = (size - 1) | (is_in ? EXIT_IO_IN : 0) | EXIT_IO_STRING |
                                   (has_rep ? BIT(5) : 0) | (guest->gpr[GPR_RDX] & 0xffff) << 16,
                  .instruction_info = (uint32_t)SEGMENT_DS << 15,
              });
}

static void use_msr(struct fake_guest *guest)
{
    static const uint32_t msrs[] = {IA32_APIC_BASE,
                                    IA32_EFER,
                                    IA32_TSC_DEADLINE,
                                    IA32_PAT,
                                    IA32_MISC_ENABLE,
                                    IA32_DEBUGCTL,
                                    0x10,
                                    0x800,
                                    0x830,
                                    0x200};
    uint8_t choice = input_u8(&self->input);
    uint32_t index = choice & 0x40 ? input_u32(&self->input)
                                   : msrs[choice % ARRAY_COUNT(msrs)] + (choice >> 4 & 3);
    uint64_t value;

    if (choice & 0x80)
        (void)exec_rdmsr(guest, index, &value);
    else
        (void)exec_wrmsr(guest, index, input_bytes(&self->input, 1 + (choice & 7)));
}

/* A change of these bits is the processor's work, which the fake one leaves to enter_long_mode. */
static uint64_t modes_of(unsigned number)
{
    return number == 0 ? CR0_PE | CR0_PG : number == 4 ? CR4_PAE | CR4_PCIDE : 0;
}

static void use_cr(struct fake_guest *guest)
{
    static const unsigned numbers[] = {0, 3, 4, 8};
    uint8_t choice = input_u8(&self->input);
    unsigned number = numbers[choice & 3];
    uint64_t now = exec_read_cr(guest, number), value = now ^ BIT(choice >> 4);

    if (choice & 4) /* not only one bit of the present value; the processor checks CR0 and CR3 */
        value = input_bytes(&self->input, choice & 8 ? (number == 4 ? 8 : 4) : 3);
    (void)exec_write_cr(guest, number, (value & ~modes_of(number)) | (now & modes_of(number)));
}

/* Identity tables of large pages at TABLES, then the steps that a kernel takes. With CR0.PG the
 * processor sets LMA and the entry control. */
static void enter_long_mode(struct fake_guest *guest)
{
    uint64_t *tables = (uint64_t *)fake_guest_ram(guest, TABLES), efer;

    tables[0] = (TABLES + PAGE_SIZE) | 7;
    for (uint64_t i = 0; i < 4; i++)
        tables[512 + i] = i * GIB | 0x87;
    exec_enter_protected_mode(guest);
    (void)exec_write_cr(guest, 4, exec_read_cr(guest, 4) | CR4_PAE);
    (void)exec_write_cr(guest, 3, TABLES);
    (void)exec_wrmsr(guest, IA32_EFER, EFER_LME);
    efer = fake_guest_field(guest, VMCS_GUEST_IA32_EFER);
    if (!(efer & EFER_LME) || !exec_write_cr(guest, 0, exec_read_cr(guest, 0) | CR0_PG))
        return;
    fake_guest_set_field(guest, VMCS_GUEST_IA32_EFER, efer | EFER_LMA);
    fake_guest_set_field(guest, VMCS_ENTRY_CONTROLS,
                         fake_guest_field(guest, VMCS_ENTRY_CONTROLS) | ENTRY_IA32E_MODE_GUEST);
    fake_guest_set_field(guest, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa09b);
}

static void plain_exit(struct fake_guest *guest)
{
    static const uint16_t reasons[] = {
        EXIT_REASON_INVD,     EXIT_REASON_WBINVD,  EXIT_REASON_RDPMC,  EXIT_REASON_GETSEC,
        EXIT_REASON_MONITOR,  EXIT_REASON_MWAIT,   EXIT_REASON_VMCALL, EXIT_REASON_VMXON,
        EXIT_REASON_INVEPT,   EXIT_REASON_XSETBV,  EXIT_REASON_VMREAD, EXIT_REASON_INTERRUPT_WINDOW,
        EXIT_REASON_SEAMCALL, EXIT_REASON_RDRAND,  EXIT_REASON_PAUSE,  EXIT_REASON_TRIPLE_FAULT,
        EXIT_REASON_TDCALL,   EXIT_REASON_INVVPID,
    };
    uint8_t choice = input_u8(&self->input);

    (void)exec_instruction(guest, reasons[choice % ARRAY_COUNT(reasons)], 1 + choice % 3);
}

static void exception(struct fake_guest *guest)
{
    uint8_t choice = input_u8(&self->input);
    bool is_db = choice & 1;

    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_EXCEPTION_OR_NMI,
                  .instruction_length = 1,
                  .qualification = is_db ? choice >> 1 & 0xf : 0,
                  .interruption_info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION,
                                                                   is_db ? VECTOR_DB : VECTOR_AC) |
                                       (is_db ? 0 : (uint32_t)INTERRUPTION_ERROR_CODE_VALID),
                  .idt_vectoring_info = any_vectoring(choice),
              });
}

static void task_switch(struct fake_guest *guest)
{
    uint8_t choice = input_u8(&self->input);

    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_TASK_SWITCH,
                         .instruction_length = 2,
                         .qualification = input_u16(&self->input) | (uint64_t)(choice & 3) << 30,
                         .idt_vectoring_info = any_vectoring(choice),
                     });
}

static void set_flags(struct fake_guest *guest)
{
    uint64_t rflags = fake_guest_field(guest, VMCS_GUEST_RFLAGS) & ~FLAGS_SETTABLE;

    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS,
                         rflags | (input_u32(&self->input) & FLAGS_SETTABLE));
}

static void set_memory(struct fake_guest *guest)
{
    uint32_t at = input_bytes(&self->input, 3) % (HEART_RAM_BYTES - 16);
    uint8_t *ram = fake_guest_ram(guest, at), count = input_u8(&self->input) % 16;

    for (unsigned i = 0; i < count && ram != NULL; i++)
        ram[i] = input_u8(&self->input);
}

/* Halts, with an NMI on its way that ends it. */
static void halt(struct fake_guest *guest)
{
    const struct apic_message nmi = {.destination = (uint32_t)(self - streams),
                                     .delivery = APIC_NMI};

    if (apic_bus_send(&hostile->board.apics, &nmi, NULL))
        (void)exec_hlt(guest);
}

static void step(struct fake_guest *guest)
{
    uint8_t what = input_u8(&self->input);
    unsigned size = 1u << what / 32 % 3;

    switch (what % 21) {
    case 0: (void)exec_in(guest, any_port(), size); break;
    case 1:
    case 2: (void)exec_out(guest, any_port(), size, input_u32(&self->input)); break;
    case 3: string_io(guest); break;
    case 4: (void)exec_cpuid(guest, input_u32(&self->input), what); break;
    case 5: use_msr(guest); break;
    case 6: use_cr(guest); break;
    case 7: plain_exit(guest); break;
    case 8: move(guest, any_device(), size, what & 0x20); break;
    case 9:
    case 10: store(guest, any_device() & ~3u, input_u32(&self->input)); break;
    case 11:
    case 12: access_device(guest); break;
    case 13: set_flags(guest); break;
    case 14: guest->gpr[input_u8(&self->input) % 16] = input_bytes(&self->input, 8); break;
    case 15: set_memory(guest); break;
    case 16: exec_run(guest, input_u32(&self->input) % RUN_TICKS_MAX); break;
    case 17:
        if (what & 0x80)
            enter_long_mode(guest);
        else
            exec_enter_protected_mode(guest);
        break;
    case 18: exception(guest); break;
    case 19: halt(guest); break;
    default: task_switch(guest); break;
    }
}

static void code(struct fake_guest *guest)
{
    self = guest->context;
    while (input_left(&self->input) && self->steps++ < STEPS_MAX) {
        step(guest);
        check();
    }
}

/* The first vCPU of several begins with a start-up message to the others. */
static void first_code(struct fake_guest *guest)
{
    exec_enter_protected_mode(guest);
    for (uint32_t command = 0x4500; command <= 0x4600 && hostile->vcpu_count > 1;
         command += 0x100) {
        store(guest, APIC + 0x310, 1u << 24);
        store(guest, APIC + 0x300, command | (command == 0x4600 ? CODE >> 12 : 0));
    }
    code(guest);
}

/* --- One guest --- */

/* On a processor of its own, behind those of the hostile guest. */
static void create_victim(void *context)
{
    (void)context;
    victim = heart_create(heart_guest("victim", 1));
    heart_start(victim);
    victim_ram = malloc(HEART_RAM_BYTES);
    victim_board = malloc(sizeof(*victim_board));
    memcpy(victim_ram, victim->ram, HEART_RAM_BYTES);
    memcpy(victim_board, &victim->board, sizeof(*victim_board));
    victim_vcpu = victim->vcpus[0];
}

/* A doorbell of each kind and a zone for the hostile guest. */
static void attach(void)
{
    static const struct {
        enum attachment_kind kind;
        const char *line;
    } lines[] = {
        {ATTACHMENT_TRIGGER, "t line 5 level"},
        {ATTACHMENT_ZONE, "z mmio 0xd0000000 0x100 ring 4 delay 100"},
        {ATTACHMENT_DOORBELL, "p port 0x9000 width 2 data 1 count 3 trigger t drain z trace"},
        {ATTACHMENT_DOORBELL, "m mmio 0xd0001000 count 4 message 0xfee00000 0x4041"},
        {ATTACHMENT_DOORBELL, "a port 0x9000 line 6"},
    };
    static struct attachment_spec specs[ARRAY_COUNT(lines)];
    char message[ATTACHMENT_MESSAGE_BYTES];

    for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
        EXPECT(attachment_spec_parse_line(lines[i].kind, lines[i].line, strlen(lines[i].line),
                                          &specs[i], message, sizeof(message)) == STATUS_OK);
    config->attachments = specs;
    config->attachment_count = ARRAY_COUNT(lines);
}

static void set_up(void)
{
    heart_begin(VCPUS_MAX + 1);
    cpus_call(VCPUS_MAX, create_victim, NULL);
    config = heart_guest("hostile", 1);
    config->has_testdev = true;
    attach();
}

/* Gives each vCPU its part of the input. */
static void begin_streams(struct input all)
{
    size_t part_bytes;

    config->cpu_count = 1 + input_u8(&all) % VCPUS_MAX;
    part_bytes = (size_t)(all.end - all.next) / config->cpu_count;
    for (unsigned i = 0; i < config->cpu_count; i++) {
        const uint8_t *from = all.next + i * part_bytes;

        streams[i] = (struct stream){.input = {from, from + part_bytes}};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static bool is_set_up;
    uint64_t blocks;

    if (!is_set_up)
        set_up();
    is_set_up = true;
    begin_streams((struct input){data, data + size_bytes});
    blocks = fake_heap_blocks();
    hostile = heart_create(config);
    outer_bytes = heart_heap.used_bytes;
    for (unsigned start = 0; start < STARTS_MAX; start++) {
        heart_start(hostile);
        fake_set_guest(0, first_code, &streams[0]);
        for (unsigned i = 1; i < config->cpu_count; i++)
            fake_set_guest(i, code, &streams[i]);
        guest_run(hostile);
        EXPECT(!guest_is_running(hostile));
        if (hostile->end.kind != GUEST_WANTS_RESET)
            break;
    }
    EXPECT(heart_heap.used_bytes == outer_bytes);
    check_locks();
    heart_destroy(hostile);
    EXPECT(fake_heap_blocks() == blocks);
    check_victim();
    fake_serial_forget();
    return 0;
}
