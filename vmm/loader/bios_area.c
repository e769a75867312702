// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/loader/bios_area.h"

#include "vmm/loader/format.h"
#include "vmm/loader/memory_layout.h"

/* The chips. */

enum port {
    PIC_MASTER = 0x20,
    PIC_MASTER_DATA = 0x21,
    PIT_COUNTER_0 = 0x40,
    PIT_COUNTER_1 = 0x41,
    PIT_CONTROL = 0x43,
    KBC_DATA = 0x60,
    KBC_COMMAND = 0x64,
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    PIC_SLAVE = 0xa0,
    PIC_SLAVE_DATA = 0xa1,
    RESET_CONTROL = 0xcf9,
};

#define OCW2_EOI        0x20 /* 8259A, "Operation Command Words": non-specific EOI */
#define RTC_REGISTER_C  0x0c /* MC146818A, "Register C": a read clears the interrupt flags */
#define KBC_PULSE_RESET 0xfe

const struct bios_port_write bios_port_writes[] = {
    {PIC_MASTER, 0x11},                               /* ICW1: edge, cascaded, ICW4 follows */
    {PIC_MASTER_DATA, 0x08},                          /* ICW2: vectors 0x08-0x0f */
    {PIC_MASTER_DATA, 0x04},                          /* ICW3: slave at IR2 */
    {PIC_MASTER_DATA, 0x01},                          /* ICW4: 8086 mode, normal EOI */
    {PIC_SLAVE, 0x11},       {PIC_SLAVE_DATA, 0x70},  /* ICW2: vectors 0x70-0x77 */
    {PIC_SLAVE_DATA, 0x02},                           /* ICW3: identity 2 */
    {PIC_SLAVE_DATA, 0x01},  {PIC_MASTER_DATA, 0xf8}, /* OCW1: unmasks timer, keyboard, cascade */
    {PIC_SLAVE_DATA, 0xff},  {PIT_CONTROL, 0x36},     /* counter 0, low byte first, mode 3 */
    {PIT_COUNTER_0, 0x00},   {PIT_COUNTER_0, 0x00},   /* 0 means 65536 */
    {PIT_CONTROL, 0x54},                              /* counter 1, low byte only, mode 2 */
    {PIT_COUNTER_1, 0x12},
};
const size_t bios_port_write_count = ARRAY_COUNT(bios_port_writes);

/* BIOS data area: address, size in bytes, value. */

#define KEYBOARD_BUFFER     0x1e /* offsets in segment 0040 */
#define KEYBOARD_BUFFER_END 0x3e
#define EQUIPMENT           (1 << 1 /* FPU */ | 1 << 9 /* one serial port */)
#define TICK_COUNT          0x46c
#define TICK_COUNT_HIGH     0x46e
#define TICK_OVERFLOW       0x470
#define TICKS_PER_DAY       UINT32_C(0x1800b0)

static const struct {
    uint16_t gpa;
    uint8_t size_bytes; /* 1 or 2 */
    uint16_t value;
} bios_data[] = {
    {0x400, 2, 0x3f8}, /* COM1 */
    {0x40e, 2, GUEST_EXTENDED_BIOS_DATA >> 4},
    {0x410, 2, EQUIPMENT},
    {0x413, 2, GUEST_EXTENDED_BIOS_DATA / 1024}, /* KiB of low memory */
    {0x41a, 2, KEYBOARD_BUFFER},                 /* where the next key is read */
    {0x41c, 2, KEYBOARD_BUFFER},                 /* where the next key is put: the buffer is
                                                    empty */
    {0x449, 1, 3},                               /* video mode: text, 80 x 25 */
    {0x44a, 2, 80},
    {0x47c, 1, 1}, /* COM1's time-out */
    {0x480, 2, KEYBOARD_BUFFER},
    {0x482, 2, KEYBOARD_BUFFER_END},
    {0x484, 1, 25 - 1}, /* rows, minus one */
    {0x485, 2, 16},     /* points of a character */
};

/* The handlers: instructions as the processor reads them, 16-bit (SDM vol. 2). */

#define LOW(word)          ((word)&0xff), ((word) >> 8 & 0xff) /* little-endian */
#define CLI                0xfa
#define HLT                0xf4
#define IRET               0xcf
#define PUSH_AX            0x50
#define PUSH_DX            0x52
#define PUSH_BP            0x55
#define PUSH_DS            0x1e
#define POP_AX             0x58
#define POP_DX             0x5a
#define POP_BP             0x5d
#define POP_DS             0x1f
#define MOV_AL(value)      0xb0, (value)
#define MOV_AH(value)      0xb4, (value)
#define MOV_DX(word)       0xba, LOW(word)
#define MOV_DS_AX          0x8e, 0xd8
#define MOV_BP_SP          0x89, 0xe5
#define XOR_AX_AX          0x31, 0xc0
#define IN_AL(port)        0xe4, (port)
#define OUT_AL(port)       0xe6, (port)
#define OUT_DX_AL          0xee
#define LOAD_AX(at)        0xa1, LOW(at)
#define STORE_AX(at)       0xa3, LOW(at)
#define STORE_BYTE(at, v)  0xc6, 0x06, LOW(at), (v)
#define INC_WORD(at)       0xff, 0x06, LOW(at)
#define CMP_WORD8(at, v)   0x83, 0x3e, LOW(at), (v)
#define CMP_WORD(at, word) 0x81, 0x3e, LOW(at), LOW(word)
#define OR_BP_BYTE(at, v)  0x80, 0x4e, (at), (v) /* byte [bp + at] */
#define JB(bytes)          0x72, (bytes)         /* jumps forward over this many bytes */
#define JNZ(bytes)         0x75, (bytes)
#define JUMP_BACK(bytes)   0xeb, 0x100 - (bytes) /* jumps to this many bytes before its own end */
#define INT(vector)        0xcd, (vector)
#define JUMP_FAR(seg, off) 0xea, LOW(off), LOW(seg)
#define EOI_MASTER         MOV_AL(OCW2_EOI), OUT_AL(PIC_MASTER)
#define EOI_BOTH           MOV_AL(OCW2_EOI), OUT_AL(PIC_SLAVE), OUT_AL(PIC_MASTER)

#define VECTOR_USER_TICK 0x1c
#define STATUS_FLAGS_AT  6 /* offset of the caller's FLAGS from BP, after the push of BP */
#define FLAGS_CF         1
#define UNSUPPORTED_CODE 0x86

enum routine {
    ROUTINE_RETURN = 0,
    ROUTINE_TIMER,
    ROUTINE_KEYBOARD,
    ROUTINE_MASTER_LINE,
    ROUTINE_RTC,
    ROUTINE_MOUSE,
    ROUTINE_SLAVE_LINE,
    ROUTINE_EQUIPMENT,
    ROUTINE_MEMORY_SIZE,
    ROUTINE_UNSUPPORTED,
    ROUTINE_RESET,
    ROUTINE_COUNT,
};

#define ROUTINE_BYTES_MAX 64

static const uint8_t routines[ROUTINE_COUNT][ROUTINE_BYTES_MAX] = {
    [ROUTINE_RETURN] = {IRET},
    /* Counts the tick. At midnight the count begins again and the overflow byte is set. Then calls
     * the user's handler. */
    [ROUTINE_TIMER] = {PUSH_DS, PUSH_DX, PUSH_AX, XOR_AX_AX, MOV_DS_AX,
                       /* count */
                       INC_WORD(TICK_COUNT), JNZ(4), INC_WORD(TICK_COUNT_HIGH),
                       /* midnight? */
                       CMP_WORD8(TICK_COUNT_HIGH, TICKS_PER_DAY >> 16), JNZ(19),
                       CMP_WORD(TICK_COUNT, TICKS_PER_DAY), JB(11),
                       /* yes */
                       STORE_AX(TICK_COUNT), STORE_AX(TICK_COUNT_HIGH),
                       STORE_BYTE(TICK_OVERFLOW, 1),
                       /* both */
                       INT(VECTOR_USER_TICK), EOI_MASTER, POP_AX, POP_DX, POP_DS, IRET},
    [ROUTINE_KEYBOARD] = {PUSH_AX, IN_AL(KBC_DATA), EOI_MASTER, POP_AX, IRET},
    [ROUTINE_MASTER_LINE] = {PUSH_AX, EOI_MASTER, POP_AX, IRET},
    [ROUTINE_RTC] = {PUSH_AX, MOV_AL(RTC_REGISTER_C), OUT_AL(RTC_INDEX), IN_AL(RTC_DATA), EOI_BOTH,
                     POP_AX, IRET},
    [ROUTINE_MOUSE] = {PUSH_AX, IN_AL(KBC_DATA), EOI_BOTH, POP_AX, IRET},
    [ROUTINE_SLAVE_LINE] = {PUSH_AX, EOI_BOTH, POP_AX, IRET},
    [ROUTINE_EQUIPMENT] = {PUSH_DS, XOR_AX_AX, MOV_DS_AX, LOAD_AX(0x410), POP_DS, IRET},
    [ROUTINE_MEMORY_SIZE] = {PUSH_DS, XOR_AX_AX, MOV_DS_AX, LOAD_AX(0x413), POP_DS, IRET},
    [ROUTINE_UNSUPPORTED] = {PUSH_BP, MOV_BP_SP, OR_BP_BYTE(STATUS_FLAGS_AT, FLAGS_CF), POP_BP,
                             MOV_AH(UNSUPPORTED_CODE), IRET},
    /* Resets the PC in both ways that it has. The guest does not return, whichever way the board
     * supports. */
    [ROUTINE_RESET] = {CLI, MOV_DX(RESET_CONTROL), MOV_AL(0x02), OUT_DX_AL, MOV_AL(0x06), OUT_DX_AL,
                       MOV_AL(KBC_PULSE_RESET), OUT_AL(KBC_COMMAND), HLT, JUMP_BACK(3)},
};

/* The routine of each vector. A vector that is not listed has ROUTINE_RETURN. */
static const uint8_t vectors[256] = {
    [0x08] = ROUTINE_TIMER,
    [0x09] = ROUTINE_KEYBOARD,
    [0x0a ... 0x0f] = ROUTINE_MASTER_LINE,
    [0x11] = ROUTINE_EQUIPMENT,
    [0x12] = ROUTINE_MEMORY_SIZE,
    [0x13] = ROUTINE_UNSUPPORTED, /* disks */
    [0x15] = ROUTINE_UNSUPPORTED, /* system services */
    [0x18 ... 0x19] = ROUTINE_RESET,
    [0x70] = ROUTINE_RTC,
    [0x71 ... 0x73] = ROUTINE_SLAVE_LINE,
    [0x74] = ROUTINE_MOUSE,
    [0x75 ... 0x77] = ROUTINE_SLAVE_LINE,
};

/* Segment f000. */

#define BIOS_SEGMENT (GUEST_BIOS_AREA >> 4)
#define ROUTINES     GUEST_BIOS_TABLES_BYTES
#define RESET_VECTOR 0xfff0
#define DATE         0xfff5
#define MODEL        0xfffe
#define MODEL_AT     0xfc

static const char date[8] = "01/01/26"; /* mm/dd/yy, no NUL */

static uint16_t routine_offset(enum routine routine)
{
    return (uint16_t)(ROUTINES + routine * ROUTINE_BYTES_MAX);
}

void bios_area_write(uint8_t *ram)
{
    uint8_t *bios = ram + GUEST_BIOS_AREA;
    const uint8_t reset[] = {JUMP_FAR(BIOS_SEGMENT, routine_offset(ROUTINE_RESET))};

    for (size_t vector = 0; vector < ARRAY_COUNT(vectors); vector++) {
        store_u16(ram + vector * 4, routine_offset(vectors[vector]));
        store_u16(ram + vector * 4 + 2, BIOS_SEGMENT);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bios_data); i++)
        memcpy(ram + bios_data[i].gpa, &bios_data[i].value, bios_data[i].size_bytes);
    ram[GUEST_EXTENDED_BIOS_DATA] = (GUEST_LOW_HOLE - GUEST_EXTENDED_BIOS_DATA) / 1024;
    memcpy(bios + ROUTINES, routines, sizeof(routines));
    memcpy(bios + RESET_VECTOR, reset, sizeof(reset));
    memcpy(bios + DATE, date, sizeof(date));
    bios[MODEL] = MODEL_AT;
}
