# SPDX-License-Identifier: BSD-2-Clause
"""A machine without a serial port at the usual places, but with a screen, a keyboard and a PCI serial
card. On QEMU without VT-x, with the message about that as the last one.

The firmware's shell starts the monitor with one configuration after the other, and writes what it
says on the screen into files on the volume.
"""

import os
import re
import shutil
import subprocess
import time

import firmware
from emulator import qemu

MEMORY_MIB = 512
TIMEOUT_SECONDS = 900
PAUSE_SECONDS = 2  # between two lines typed at QEMU's own console

PRESS_KEY = "sendkey spc"  # nothing but the monitor waits for one for long
WHERE_IS_THE_CARD = re.compile(r"Serial port: .*?BAR0: I/O at 0x([0-9a-f]{4}) ", re.S)

UNSEEN = ("there is no serial port at I/O port 0x3f8: guests run unseen, and the machine is switched "
          "off when the last has ended; for a console enable the port in the firmware's setup, or set "
          "console in [monitor] to one that exists")


def missing(port):
    return (f"portcullis.conf:2: there is no serial port at I/O port 0x{port:x}; enable it in the "
            "firmware's setup, set console to one that exists, or leave the line out to run guests "
            "unseen")


def cases(card):
    """{name: (the line `console`, or None; what is said behind what was read)}."""
    return {
        "none asked for": (None, [UNSEEN, firmware.NO_VTX]),
        "com2": ("com2", [missing(0x2f8)]),
        "the card": (f"0x{card:x}", [firmware.NO_VTX]),
        "beside the card": (f"0x{card + 8:x}", [missing(card + 8)]),
    }


def make_image(bench, texts):
    """The first configuration is also what the monitor is started with before the shell is."""
    script = ["@echo -off", "fs0:"]
    files = {"\\portcullis\\flat.bin": bench.write("flat.bin", b"\xfa\xf4")}
    for index, text in enumerate(texts):
        files[f"\\cases\\{index}.conf"] = bench.write(f"ports-{index}.conf", text)
        script += [f"cp -q \\cases\\{index}.conf \\portcullis\\portcullis.conf",
                   f"\\EFI\\BOOT\\BOOTX64.EFI >a \\said-{index}.txt"]
    files["\\startup.nsh"] = bench.write("ports.nsh", "\r\n".join([*script, "reset -s", ""]))
    return bench.image("ports", texts[0], files)


def configuration(console):
    monitor = "" if console is None else f"[monitor]\nconsole = {console}\n"
    return monitor + firmware.GOOD_GUEST


def converse(bench, image, command, answer=None):
    """Types the command at QEMU's own console time and again, until the machine switches itself off
    or the answer is there. (whether it did the former, the answer's match)."""
    code, variables = qemu.find_firmware()
    own_variables = bench.path("ports.vars")
    shutil.copyfile(variables, own_variables)
    process = bench.start([
        qemu.PROGRAM, "-machine", "q35,accel=tcg", "-cpu", "max", "-m", str(MEMORY_MIB),
        "-nodefaults", "-display", "none", "-vga", "std", "-no-reboot", "-serial", "none",
        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
        "-drive", f"if=pflash,format=raw,unit=1,file={own_variables}",
        *[word.format(image=image) for word in qemu.MEDIA["disk"]],
        "-chardev", "null,id=card", "-device", "pci-serial,chardev=card", "-monitor", "stdio"])
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    output, match = "", None
    try:
        while process.poll() is None and match is None and time.monotonic() < deadline:
            process.stdin.write(f"{command}\n".encode())
            process.stdin.flush()
            time.sleep(PAUSE_SECONDS)
            output += (process.stdout.read() or b"").decode("utf-8", "replace")
            match = answer.search(output) if answer else None
    except BrokenPipeError:
        process.wait()
    is_off = process.poll() == 0
    bench.end(process)
    return is_off, match


def read(image, name):
    """The text of a file that the shell wrote; empty where there is none."""
    result = subprocess.run(["mtype", "-i", f"{image}@@1M", f"::/{name}"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False)
    return result.stdout.decode("ascii", "replace").replace("\r\n", "\n")


def run(bench, report):
    image = make_image(bench, [firmware.GOOD_GUEST])
    _, match = converse(bench, image, "info pci", WHERE_IS_THE_CARD)
    if not report.check("the firmware gives the card a port", match):
        return
    wanted = cases(int(match.group(1), 16))
    image = make_image(bench, [configuration(console) for console, _ in wanted.values()])
    is_off, _ = converse(bench, image, PRESS_KEY)
    report.check("the script ran to its end", is_off)
    for index, (name, (_, want)) in enumerate(wanted.items()):
        said = [line for line in firmware.monitor_lines(read(image, f"said-{index}.txt"))
                if not line.startswith(("reading ", "guest ", firmware.BANNER))]
        report.equal(f"{name}: what is said on the screen", said, [*want, firmware.STILL_HERE])
