# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Bochs 2.7 with OVMF as its firmware: a processor with VT-x where the host has none."""

import os
import re
import signal

PROGRAM = "bochs-bin"  # /usr/bin/bochs only wraps it
BOOT_HINT = "about 20 s until the firmware is through, a Linux guest's shell after 90 s"

OVMF_PARTS = ("/usr/share/OVMF/OVMF_VARS.fd", "/usr/share/OVMF/OVMF_CODE.fd")
NEEDED = OVMF_PARTS + ("/usr/share/bochs/VGABIOS-lgpl-latest",)

HOST_MIB_MAX = 2048  # Bochs holds so much in memory; what is more lies in a file

CONFIG = "bochsrc"
LOG = "bochs.log"
WORDS = "output"  # the file with what explains an end without a result
DEBUG_PORT = "output"  # the file with what came to I/O port 0xE9, in this case beside other text

# One instruction is one tick (clock: sync=none), {mips} million are a second. A CPU that halts costs
# no wall time: an idle guest's clock runs ahead of the host's. The unmapped plugin's port 0x8900 and
# 0xE9 serve bare test programs.
# COM1 in socket mode hands over a byte only when the chip has room: nothing is lost, unlike in
# mode=term, where a full receive FIFO drops what comes.
CONFIG_TEXT = """\
plugin_ctrl: unmapped=1, biosdev=1, speaker=0
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=firmware.fd, address=0xffe00000
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count={cpus}, ips={mips}000000, reset_on_triple_fault=0
memory: guest={memory_mib}, host={host_mib}
pci: enabled=1, chipset=i440fx
vga: extension=vbe
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
port_e9_hack: enabled=1
clock: sync=none, time0=local
{media}
boot: disk
log: {log}
panic: action=report
error: action=report
info: action=ignore
debug: action=ignore
"""

# The RTC shows UTC. Bochs 2.7 hands mktime() an uninitialised tm_isdst whenever the RTC is written,
# which firmware does; in plain UTC that can cost an hour, in a zone whose summer time is UTC too
# it cannot.
ENVIRONMENT = {"TZ": "UTC0DST0,M4.1.0,M10.1.0"}

MEDIA = {
    "disk": "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
            "ata0-master: type=disk, path={image}, mode=flat",
    "usb": "usb_ehci: enabled=1, companion=uhci, port1=disk, options1=\"path:{image}\"",
}

PANIC = re.compile(r"^.*>>PANIC<<.*$|^\d+p\[.*$", re.M)
# The chipset's S5 ends Bochs with a panic of this text: an ordinary power-off.
POWER_OFF = "soft power off"
# No processor is left that could go on.
DEADLY = re.compile(r"triple fault|3rd \(\d+\) exception", re.I)

LOG_TICK = re.compile(r"^(\d{11,})[a-z]\[", re.M)
BREAK_TICK = re.compile(r"^Next at t=(\d+)", re.M)


def lacks(exists=os.path.exists):
    """What has to be there and is not, as a message; None for nothing."""
    for path in NEEDED:
        if not exists(path):
            return f"{path} is missing: `make deps` installs it"
    return None


def prepare(directory, machine, port):
    """Writes what a run needs into its private directory; the command line to run there.

    machine: cpus, memory_mib, mips, media, image (a file in directory). port: where COM1 connects to.
    """
    with open(os.path.join(directory, "firmware.fd"), "wb") as firmware:
        for part in OVMF_PARTS:
            with open(part, "rb") as file:
                firmware.write(file.read())
    text = CONFIG_TEXT.format(cpus=machine.cpus, memory_mib=machine.memory_mib,
                              host_mib=min(machine.memory_mib, HOST_MIB_MAX), mips=machine.mips,
                              port=port, log=LOG,
                              media=MEDIA[machine.media].format(image=machine.image))
    with open(os.path.join(directory, CONFIG), "w", encoding="ascii") as file:
        file.write(text)
    with open(os.path.join(directory, "commands"), "w", encoding="ascii") as file:
        file.write("c\n")  # the debugger is compiled in and would wait
    return [PROGRAM, "-q", "-f", CONFIG, "-rc", "commands"]


# An interrupt takes Bochs to its debugger, which names the tick, meets the end of its input, quits.
STOP_SIGNAL = signal.SIGINT


def ticks(output_text, log_text):
    """Emulated ticks at the end of the run, from standard output and the log; None if unknown."""
    found = [int(tick) for tick in BREAK_TICK.findall(output_text)[-1:]]
    found += [int(tick) for tick in LOG_TICK.findall(log_text)[-1:]]
    return max(found, default=None)


def problems(log_text):
    """([panic lines worth showing], whether nothing can run on) in a piece of the log."""
    lines = [line for line in PANIC.findall(log_text) if POWER_OFF not in line]
    return lines, any(DEADLY.search(line) for line in lines)
