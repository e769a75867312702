#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stands in for Bochs: reads its configuration, connects COM1, and plays a guest that obeys words.

The guest prints firmware clutter, a first line, and a prompt. What is typed is echoed, each line obeyed:
    exit N     the monitor's last line with code N, then power off
    hang N     the same line, but the emulator stays
    spoof      that line with code 0, and further output after it
    dump       an internal error and its backtrace, in two pieces; the emulator stays
    slow N     that line, then three pieces to the debug port, 4 s apart; power off
    trap N     an exception's dump, then the last line with code N, then power off
    refuse     the boot stage's refusal; the firmware goes on and the emulator stays
    die        the emulator ends without a result
    panic      a panic in the log, then as die
    where      says the private directory
    memory     answers with what the configuration says of memory
Anything else is answered with "got" and what was typed, bytes as hexadecimal.
"""

import os
import re
import signal
import socket
import sys
import time


def end(status, tick=123456789012):
    with open("bochs.log", "a", encoding="ascii") as log:
        log.write(f"{tick:011d}p[ACPI  ] >>PANIC<< ACPI control: soft power off\n")
    sys.exit(status)


def interrupted(*_):
    print("Next at t=4242", flush=True)
    sys.exit(0)


def main():
    signal.signal(signal.SIGINT, interrupted)
    with open("bochsrc", encoding="ascii") as file:
        text = file.read()
    port = int(re.search(r"^com1:.*dev=127\.0\.0\.1:(\d+)", text, re.M).group(1))
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: loading\r\n\r\nportcullis: hello\r\n> ")
    typed = b""
    while True:
        data = line.recv(4096)
        if not data:
            return
        typed += data
        line.sendall(data.replace(b"\r", b"\r\n"))
        while b"\r" in typed:
            words, typed = typed.split(b"\r", 1)
            last = b"\r\nportcullis: machine off, exit code %s\r\n"
            if words.startswith(b"exit "):
                line.sendall(last % words[5:])
                end(1)
            elif words.startswith(b"hang "):
                line.sendall(last % words[5:])
            elif words.startswith(b"slow "):
                line.sendall(last % words[5:])
                for piece in ("one ", "two ", "three\n"):
                    print(piece, end="", flush=True)
                    time.sleep(4 if piece != "three\n" else 0)
                end(1)
            elif words == b"spoof":
                line.sendall(last % b"0" + b"still here\r\n> ")
            elif words == b"dump":
                line.sendall(b"\r\nportcullis: internal error: ./vmm/a.c:7: b does not hold\r\n")
                time.sleep(1)
                line.sendall(b"backtrace:\r\n  0x0000000000001234 main+0x4\r\n")
            elif words.startswith(b"trap "):
                line.sendall(b"\r\nportcullis: internal error: exception 13, #GP\r\n  rip    0\r\n")
                line.sendall(last % words[5:])
                end(1)
            elif words == b"refuse":
                line.sendall(b"\r\nportcullis: vt-x: this processor has no VT-x\r\n"
                             b"portcullis: nothing was started; back to the firmware\r\nShell> ")
            elif words == b"die":
                sys.exit(1)
            elif words == b"panic":
                with open("bochs.log", "a", encoding="ascii") as log:
                    log.write("00000000077p[CPU0  ] >>PANIC<< exception(): 3rd (13) exception\n")
                time.sleep(0.5)
                sys.exit(1)
            elif words == b"where":
                line.sendall(os.getcwd().encode() + b" %d\r\n> " % os.getpid())
            elif words == b"memory":
                memory = re.search(r"^memory: (.*)", text, re.M).group(1)
                line.sendall(b"got " + memory.encode().hex().encode() + b"\r\n> ")
            else:
                line.sendall(b"got " + words.hex().encode() + b"\r\n> ")


main()
