// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/port_61.h"

#define PORT_61_GATE_2  0x01
#define PORT_61_CONTROL 0x0f
#define PORT_61_REFRESH 0x10
#define PORT_61_OUT_2   0x20
#define REFRESH_CLK     18 /* PC/AT: counter 1 requests a refresh every 18 CLK pulses, 15.09 us */
#define COUNTER_SPEAKER 2

void port_61_reset(struct port_61 *port, uint64_t now_ns)
{
    port_61_write(port, 0, now_ns);
}

uint8_t port_61_read(const struct port_61 *port, uint64_t now_ns)
{
    uint8_t value = port->control;

    /* Computed from the time, not from counter 1, as in chip sets whose refresh does not need
     * counter 1. */
    if (i8254_clk_at(now_ns) / REFRESH_CLK & 1)
        value |= PORT_61_REFRESH;
    if (i8254_out(port->pit, COUNTER_SPEAKER, now_ns))
        value |= PORT_61_OUT_2;
    return value;
}

void port_61_write(struct port_61 *port, uint8_t value, uint64_t now_ns)
{
    port->control = value & PORT_61_CONTROL;
    i8254_set_gate(port->pit, COUNTER_SPEAKER, value & PORT_61_GATE_2, now_ns);
}
