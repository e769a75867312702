# SPDX-License-Identifier: BSD-2-Clause
"""The machine's end where something is wrong: a firmware whose ResetSystem strays, returns, faults or
hangs, and a monitor that meets a bug of its own, attended and not. In Bochs, whose log tells whether the
machine was switched off."""

import os
import re
import struct
import subprocess

# --- The firmware ---

CONFIGURATION = """\
[monitor]
on_last_exit = poweroff

[guest flat]
kernel = \\portcullis\\flat.bin
memory = 16M
"""
FLAT = bytes.fromhex("b0 00 e6 f4 fa f4")  # mov al, 0; out 0xf4, al; cli; hlt
SWITCHED_OFF = "soft power off"            # in Bochs' log
FEW_MIPS = "2"  # the seconds that a firmware is waited for pass quickly then
STILL_ON = "portcullis: the machine is still on: please switch it off by hand"
FIRMWARE_FAILS = r"portcullis: the firmware does not switch the machine off: ResetSystem "

# {what replaces ResetSystem: how the monitor says that it did not work; none: the machine is off}
RESET_SYSTEMS = {
    "strays": None,
    "returns": FIRMWARE_FAILS + "returned",
    "faults": FIRMWARE_FAILS + r"ended with #UD invalid opcode at 0x[0-9a-f]+, cr2 0x[0-9a-f]+",
    "hangs": FIRMWARE_FAILS + "was still at 0x[0-9a-f]+ after 10 seconds",
}


def is_off(boot, bench):
    """Whether Bochs ended as its machine was switched off."""
    with open(bench.path(f"{boot.name}.log"), encoding="ascii", errors="replace") as file:
        return SWITCHED_OFF in file.read()


def firmware_image(bench, name, configuration, files, monitor, reset_system):
    """An image with this monitor, started in a firmware whose ResetSystem is so replaced; None: is the
    firmware's own."""
    if reset_system is None:
        return bench.image(name, configuration, files, efi=monitor)
    files = {**files, "\\test\\monitor.efi": monitor,
             "\\test\\reset": bench.write(f"{name}.reset", reset_system)}
    return bench.image(name, configuration, files,
                       efi=os.path.join(bench.build, "firmware", "reset_system.efi"))


def run_firmware(bench, report):
    files = {"\\portcullis\\flat.bin": bench.write("flat.bin", FLAT)}
    monitor = os.path.join(bench.build, "BOOTX64.EFI")
    for reset_system, failure in RESET_SYSTEMS.items():
        name = f"ending-{reset_system}"
        image = firmware_image(bench, name, CONFIGURATION, files, monitor, reset_system)
        options = () if failure is None else ("--until", f"^{STILL_ON}$", "--mips", FEW_MIPS)
        boot = bench.boot(report, image, "--emulator", "bochs", *options, name=name)
        report.check(f"{name}: the guest ended",
                     re.search("^portcullis: machine off, exit code 1$", boot.text, re.M), boot.tail())
        report.equal(f"{name}: the machine is off", is_off(boot, bench), failure is None)
        if failure is not None:
            report.check(f"{name}: the monitor tells why it is not",
                         re.search(f"^{failure}$", boot.text, re.M) and STILL_ON in boot.text,
                         boot.tail())


# --- The monitor's own bugs ---

# Two guests, each on a processor of its own: the second one runs into the bug, while the first one is
# in its guest and the board of the second one is locked.
BROKEN_CONFIGURATION = """\
[monitor]
on_last_exit = {on_last_exit}

[guest busy]
kernel = \\portcullis\\busy.bin
memory = 16M

[guest writes]
kernel = \\portcullis\\writes.bin
memory = 16M
"""
BUSY = bytes.fromhex("eb fe")         # jmp $
WRITES = bytes.fromhex("b0 8f e6 70 e6 71")  # mov al, 0x8f; out 0x70, al; out 0x71, al
BROKEN = "mc146818_write"              # what that OUT has the monitor call

UNDEFINED = (bytes.fromhex("0f 0b"), 0, None)
# A failed CHECK: lea rdi, [FILE]; mov esi, 7; lea rdx, [CONDITION]; call check_failed. With it, where
# the CALL's displacement is, and what it calls.
FAILED_CHECK = (bytes.fromhex("48 8d 3d 11 00 00 00 be 07 00 00 00 48 8d 15 0b 00 00 00 e8 00 00 00 00")
                + b"rtc.c\0" + b"it fails\0", 20, "check_failed")
# What a poisoned heap does with damage: lea rdi, [TEXT]; call fatal_error.
DAMAGE = (bytes.fromhex("48 8d 3d 05 00 00 00 e8 00 00 00 00") + b"damage\0", 8, "fatal_error")

# mov rcx, ADDRESS; mov eax, [rcx]: page 0, and the other guest's RAM, where only that guest's
# processor has it (vmm/host/address_space.h).
WINDOW_FIRST = 1 << 46


def wild_read(address):
    """(code, 0, None): a read of the address; nothing is called."""
    return bytes.fromhex("48 b9") + struct.pack("<Q", address) + bytes.fromhex("8b 01"), 0, None


def error_unmapped(address):
    """The error, and the line of the dump that says why."""
    return (r"^portcullis: internal error: exception 14, #PF page fault$.*"
            rf"^  read of 0x{address:016x}: nothing mapped there$")


ERROR_TRAP = r"^portcullis: internal error: exception 6, #UD invalid opcode$"
ERROR_CHECK = r"^portcullis: internal error: rtc\.c:7: it fails does not hold$"
ERROR_DAMAGE = r"^portcullis: internal error: damage$"
BACKTRACE = r"^  0x[0-9a-f]+ .*\n"
OFF = r"^portcullis: the machine is switched off after this error \(on_last_exit = poweroff\)$"
BY_HAND = r"^portcullis: stopped after this error: reset the machine or switch it off by hand$"

RESET = rf"{OFF}\n{FIRMWARE_FAILS}returned\nportcullis: the machine is still on and is reset now$"

# (name, on_last_exit, what replaces ResetSystem, how the monitor breaks, what it says, what it says at
# last, whether the machine is off then)
BUGS = (
    ("trap", "poweroff", None, UNDEFINED, ERROR_TRAP, OFF, True),
    ("check", "poweroff", "strays", FAILED_CHECK, ERROR_CHECK, OFF, True),
    ("damage", "poweroff", None, DAMAGE, ERROR_DAMAGE, OFF, True),
    ("firmware-returns", "poweroff", "returns", UNDEFINED, ERROR_TRAP, RESET, False),
    ("page-0", "poweroff", None, wild_read(8), error_unmapped(8), OFF, True),
    ("other-guest", "poweroff", None, wild_read(WINDOW_FIRST + 0x7c00),
     error_unmapped(WINDOW_FIRST + 0x7c00), OFF, True),
    ("attended", "prompt", None, UNDEFINED, ERROR_TRAP, BY_HAND, False),
)


def symbols(elf):
    """{function: (address in the loaded image, bytes)}"""
    output = subprocess.run(["nm", "-S", elf], stdout=subprocess.PIPE, check=True, text=True).stdout
    return {name: (int(address, 16), int(size, 16)) for address, size, name in
            re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\S+)$", output, re.M)}


def file_offset(image, address):
    """Where the PE file has what is loaded at the address (PE format, "Section Table")."""
    header = struct.unpack_from("<I", image, 0x3c)[0]
    count, optional_bytes = struct.unpack_from("<H12xH", image, header + 6)
    for index in range(count):
        section = header + 24 + optional_bytes + 40 * index
        virtual_bytes, virtual, _, raw = struct.unpack_from("<4I", image, section + 8)
        if virtual <= address < virtual + virtual_bytes:
            return raw + address - virtual
    raise ValueError(f"no section of the image has {address:#x}")


def break_monitor(bench, name, code, call_offset, called):
    """A copy of the monitor in which code has the place of the function BROKEN; call_offset: where it
    has the displacement of a CALL of that function, 0: nowhere."""
    functions = symbols(os.path.join(bench.build, "portcullis.elf"))
    address, size = functions[BROKEN]
    if call_offset:
        displacement = functions[called][0] - (address + call_offset + 4)
        code = code[:call_offset] + struct.pack("<i", displacement) + code[call_offset + 4:]
    if len(code) > size:
        raise ValueError(f"{BROKEN} has {size} bytes, too few for {len(code)}")
    with open(os.path.join(bench.build, "BOOTX64.EFI"), "rb") as file:
        image = bytearray(file.read())
    offset = file_offset(image, address)
    image[offset:offset + len(code)] = code
    return bench.write(f"{name}.efi", image)


def run_bugs(bench, report):
    files = {"\\portcullis\\busy.bin": bench.write("busy.bin", BUSY),
             "\\portcullis\\writes.bin": bench.write("writes.bin", WRITES)}
    for name, on_last_exit, reset_system, breakage, error, last, ends_off in BUGS:
        name = f"ending-{name}"
        monitor = break_monitor(bench, name, *breakage)
        image = firmware_image(bench, name, BROKEN_CONFIGURATION.format(on_last_exit=on_last_exit),
                               files, monitor, reset_system)
        boot = bench.boot(report, image, "--emulator", "bochs", "--cpus", "2", name=name)
        end = re.search(f"{error}(.*){last}", boot.text, re.M | re.S)
        report.check(f"{name}: the error, a backtrace, and then what becomes of the machine",
                     end and re.search(BACKTRACE, end.group(1), re.M), boot.tail())
        report.equal(f"{name}: the machine is off", is_off(boot, bench), ends_off)


def run(bench, report):
    run_firmware(bench, report)
    run_bugs(bench, report)
