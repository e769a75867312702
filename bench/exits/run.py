#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What one VM exit costs, operation by operation: Portcullis beside Linux' KVM, the same guest
programs in both, all in Bochs, where a tick is an instruction.

Prints a table and writes BUILD/bench-exits.json and .svg. VMREADs and VMWRITEs are counted in a run
of their own, by Bochs' debugger; and of these, with all else that exits, what exits to KVM where the
monitor runs in a virtual machine itself. --record puts the medians into bench/exits/budgets.json,
which `make test` compares with. --emulator nested measures both as guests of KVM (docs/nested.md):
the figures contain that KVM's work, and go to BUILD/bench-nested.json. --only portcullis leaves out
KVM (two boots of Linux; one as KVM's guest), --only table prints what the last run has left, --only
outer, as JSON, what of each operation exits to such a KVM. --profile OPERATION shows what one
operation executes, by function."""

import argparse
import collections
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
import exit_trace  # noqa: E402
import linux_kvm  # noqa: E402
import vmcs_fields  # noqa: E402
from operations import (BUDGETS, LOOP_TICKS, OPERATIONS, ROOT, costs, keys,  # noqa: E402
                        read_figures, write_budgets)

CPUS = {"exits": 1, "ipi": 2}  # of the machine that a guest program runs on
TIMEOUT_SECONDS = {"bochs": 1800, "qemu": 1800, "nested": 7200}
# Column of the JSON: what the kernel's command line has for it.
KVM = {"kvm": "mitigations=off", "kvm_default": ""}
# The Linux that is a guest of KVM in Bochs knows nothing of Bochs' TSC.
KVM_NESTED = {"kvm": "mitigations=off tsc_early_khz=50000"}


class Bench:
    """Where everything lies, and on what it runs."""

    def __init__(self, build, emulator):
        self.build = build
        self.directory = os.path.join(build, "bench", "exits")
        self.emulator = emulator

    def path(self, name):
        """A file of the benchmark's own."""
        return os.path.join(self.directory, name)

    def machine(self, name, image, *options):
        """The serial output of a run, which is also at NAME.txt."""
        if self.emulator == "nested":
            name = f"nested-{name}"
        print(f"{name} ...", file=sys.stderr, flush=True)
        serial = self.path(f"{name}.txt")
        if self.emulator == "qemu":
            options = ("--no-spec-ctrl", *options)
        subprocess.run([os.path.join(ROOT, "tools", "machine"), "--emulator", self.emulator,
                        "--timeout", str(TIMEOUT_SECONDS[self.emulator]), "--serial", serial,
                        *options, image],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        with open(serial, encoding="utf-8", errors="replace") as file:
            return file.read().replace("\r", "")

    def image(self, program):
        """An image in which that program is Portcullis' guest."""
        output = self.path(f"{program}.img")
        subprocess.run([os.path.join(ROOT, "tools", "mkimage"),
                        "--config", os.path.join(HERE, f"{program}.conf"),
                        "--efi", os.path.join(self.build, "BOOTX64.EFI"), "--add",
                        f"{self.path(f'{program}.bin')}:\\portcullis\\{program}.bin", output],
                       check=True)
        return output


def judge(name, text, programs):
    """The figures in the serial output, all there and believable, or RuntimeError."""
    figures = read_figures(text)
    missing = [key for program in programs for key in keys(program) if key not in figures]
    if missing or "FAIL" in text:
        raise RuntimeError(f"{name}: not measured: {', '.join(missing) or 'see its serial output'}")
    return figures


def run_portcullis(bench):
    """{operation: Figures} of the guest programs under Portcullis."""
    figures = {}
    for program, cpus in CPUS.items():
        text = bench.machine(f"portcullis-{program}", bench.image(program), "--cpus", str(cpus))
        figures.update(judge(program, text, [program]))
    if bench.emulator == "bochs" and figures["loop"].median != LOOP_TICKS:
        raise RuntimeError(f"a tick is no instruction: the loop took {figures['loop']}")
    return figures


def run_kvm(bench, column, cmdline):
    """The same under Debian's kernel and its KVM, on one CPU; cmdline: what it has besides."""
    image = linux_kvm.image(bench.build, column, linux_kvm.initrd(bench.directory),
                            f"console=ttyS0 quiet {cmdline}".rstrip())
    text = bench.machine(column, image, "--until", linux_kvm.DONE)
    return judge(column, text, CPUS)


def run_trace(bench):
    """{operation: Trace} of Portcullis."""
    print("portcullis-trace ...", file=sys.stderr, flush=True)
    return exit_trace.trace(bench.image("exits"), TIMEOUT_SECONDS["bochs"],
                            bench.path("portcullis-trace.txt"))


def count_accesses(bench):
    """{operation: (VMREADs, VMWRITEs, exits to a KVM below)} of Portcullis."""
    fields = vmcs_fields.read()
    return {key: (found.kinds["vmread"], found.kinds["vmwrite"],
                  len(exit_trace.outer_exits(found, fields)))
            for key, found in run_trace(bench).items()}


def outer_exits(bench):
    """{operation: what of it exits to a KVM below, in words}."""
    fields = vmcs_fields.read()
    return {key: [mnemonic if field is None else f"{mnemonic} of field {field:#06x}"
                  for mnemonic, field in exit_trace.outer_exits(found, fields)]
            for key, found in run_trace(bench).items()}


def profile(bench, key):
    """Prints what one operation executes, by function."""
    traces = run_trace(bench)
    if key not in traces:
        raise RuntimeError(f"'{key}' cannot be traced; there are: {', '.join(keys('exits'))}")
    found = traces[key]
    counts = collections.Counter()
    accesses = collections.Counter()
    for name, kind in exit_trace.by_function(found, os.path.join(bench.build, "portcullis.elf")):
        counts[name] += 1
        accesses[name] += kind in ("vmread", "vmwrite")
    print(f"{key}: {found.instructions} instructions, guest's scaffolding included\n")
    print(f"{'instructions':>12} {'VMCS':>5}  function")
    for name, count in counts.most_common():
        print(f"{count:>12} {accesses[name] or '':>5}  {name}")


def median(figures, key):
    """Of one operation, None where it was not measured."""
    return figures[key].median if key in figures else None


def rows(ours, kvm, accesses):
    """What the JSON file has."""
    result = []
    for key in costs():
        reads, writes, outer = accesses.get(key, (None, None, None))
        result.append({
            "operation": key, "ours": median(ours, key),
            "kvm": median(kvm.get("kvm", {}), key),
            "kvm_default": median(kvm.get("kvm_default", {}), key),
            "vmreads": reads, "vmwrites": writes, "outer_exits": outer,
            "ours_minimum": ours[key].minimum if key in ours else None,
            "ours_p99": ours[key].p99 if key in ours else None})
    return result


def table(values, unit):
    """What is shown: one line for each operation."""
    def cell(value, width):
        return f"{'-' if value is None else value:>{width}}"
    lines = [f"{unit + ' per operation':<42}{'min':>6}{'median':>8}{'p99':>7}{'at most':>9}"
             f"{'KVM B':>8}{'KVM A':>8}{'ratio':>7}{'VMREAD':>8}{'VMWRITE':>8}{'outer':>7}"]
    for row in values:
        operation = OPERATIONS[row["operation"]]
        ratio = (f"{row['kvm'] / row['ours']:.1f}" if row["kvm"] and row["ours"] else None)
        is_over = (operation.at_most is not None and row["ours"] is not None
                   and row["ours"] > operation.at_most)
        lines.append(f"{operation.label:<42}{cell(row['ours_minimum'], 6)}{cell(row['ours'], 8)}"
                     f"{cell(row['ours_p99'], 7)}{cell(operation.at_most, 8)}"
                     f"{'!' if is_over else ' '}{cell(row['kvm'], 8)}"
                     f"{cell(row['kvm_default'], 8)}{cell(ratio, 7)}"
                     f"{cell(row['vmreads'], 8)}{cell(row['vmwrites'], 8)}"
                     f"{cell(row['outer_exits'], 7)}")
    lines.append("KVM B: mitigations=off; KVM A: default; ratio: KVM B to Portcullis. !: over the "
                 "goal.\n"
                 "outer: instructions of the monitor that exit to KVM where it runs in a virtual "
                 "machine.")
    return "\n".join(lines)


def nested_table(values):
    """What is shown of a run under KVM."""
    lines = [f"{'instructions per operation':<42}"
             f"{'min':>8}{'median':>8}{'p99':>8}{'KVM':>8}{'ratio':>7}"]
    for row in values:
        cells = [f"{'-' if value is None else value:>8}" for value in
                 (row["ours_minimum"], row["ours"], row["ours_p99"], row["kvm"])]
        ratio = f"{row['kvm'] / row['ours']:.1f}" if row["kvm"] and row["ours"] else "-"
        lines.append(f"{OPERATIONS[row['operation']].label:<42}{''.join(cells)}{ratio:>7}")
    lines.append("Portcullis, and KVM (mitigations=off), each a guest of KVM in Bochs, whose work is "
                 "counted, too.")
    return "\n".join(lines)


def write_json(path, values):
    """The rows as JSON."""
    with open(path, "w", encoding="ascii") as file:
        json.dump(values, file, indent=2)
        file.write("\n")


def write_plot(bench, values):
    """BUILD/bench-exits.svg; it takes gnuplot."""
    output = os.path.join(bench.build, "bench-exits")
    columns = ("ours", "kvm", "kvm_default")
    with open(bench.path("plot.dat"), "w", encoding="ascii") as file:
        for row in values:
            cells = ("NaN" if row[column] is None else str(row[column]) for column in columns)
            file.write(f'"{OPERATIONS[row["operation"]].label}" {" ".join(cells)}\n')
    # In the data the labels come first. gnuplot refuses a histogram without a value.
    present = " ".join(str(number) for number, column in enumerate(columns, 2)
                       if any(row[column] is not None for row in values))
    subprocess.run(["gnuplot", "-e", f"data='{bench.path('plot.dat')}'; picture='{output}.svg'; "
                    f"columns='{present}'", os.path.join(HERE, "exits.gp")], check=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="run.py", formatter_class=argparse.RawTextHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), metavar="DIR")
    parser.add_argument("--emulator", choices=tuple(TIMEOUT_SECONDS), default="bochs",
                        help="qemu: cycles of nested KVM, on a processor with VMX; nested: KVM in Bochs")
    parser.add_argument("--only", choices=("portcullis", "table", "outer"))
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--profile", metavar="OPERATION")
    return parser.parse_args()


def main():
    options = parse_arguments()
    bench = Bench(options.build, options.emulator)
    is_nested = options.emulator == "nested"
    results = os.path.join(bench.build, f"bench-{'nested' if is_nested else 'exits'}.json")
    unit = "cycles" if options.emulator == "qemu" else "instructions"
    if options.profile:
        profile(bench, options.profile)
        return
    if options.only == "outer":
        json.dump(outer_exits(bench), sys.stdout, indent=2)
        return
    if options.only == "table":
        with open(results, encoding="ascii") as file:
            values = json.load(file)
        print(nested_table(values) if is_nested else table(values, unit))
        return
    ours = run_portcullis(bench)
    if options.record:
        if options.emulator != "bochs":
            raise RuntimeError("budgets are instructions: only Bochs counts them")
        write_budgets({key: ours[key].median for key in costs()})
        print(f"recorded in {os.path.relpath(BUDGETS)}", file=sys.stderr)
    accesses = count_accesses(bench) if options.emulator == "bochs" else {}
    columns = {} if options.only else KVM_NESTED if is_nested else KVM
    kvm = {column: run_kvm(bench, column, cmdline) for column, cmdline in columns.items()}
    values = rows(ours, kvm, accesses)
    write_json(results, values)
    if is_nested:
        print(nested_table(values))
        return
    write_plot(bench, values)
    print(table(values, unit))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench-exits: {error}")
