#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run the I/O bus under real threads with sanitizers, and its property test at full length.

run.py --build FOLDER [--counts FILE] [--mutants]; from the top of the tree. STRESS_LOOKUPS in the
environment is how many accesses are made in all (at least a million; without it 110 million: ten
elevenths under AddressSanitizer, the rest under ThreadSanitizer), IOBUS_OPERATIONS how many steps the
property test takes (10 million), STRESS_SEED and IOBUS_SEED what they are made from (the time). Ends
with "N passed, N failed"; --counts writes that as {"passed": N, "failed": N} too. Exit status 1 if
any failed.

--mutants instead breaks one step of the bus at a time, in a copy, and demands that one of the two
sanitized programs finds it.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

WARNINGS = "-Wall -Wextra -Werror -Wshadow -Wundef -Wvla".split()
# A vCPU has a processor of its own; a thread here may be preempted with the lock held, so that
# whoever waits for it has to give way.
STRESS = ["-pthread", "-include", "sched.h", "-D__builtin_ia32_pause=sched_yield"]
BUS = ("vmm/iobus/*.c", "tests/unit/check_host.c")
# Program: its own sources, flags, libraries.
ASAN, TSAN, PROPERTY = "stress-address", "stress-thread", "property"
PROGRAMS = {
    ASAN: ("tests/stress/*.c", ["-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                                *STRESS], []),
    TSAN: ("tests/stress/*.c", ["-fsanitize=thread", *STRESS], []),
    PROPERTY: ("tests/unit/test_iobus_random.c", [], ["-lcmocka"]),
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=0:quarantine_size_mb=128",
    "TSAN_OPTIONS": "halt_on_error=1:history_size=2",
}
RUN_SECONDS = 900
MUTANT_LOOKUPS = 4000000
MUTANT_SECONDS = 120
SYMPTOM = re.compile(r"^FAIL|ERROR: |WARNING: |CHECK|not done|runtime error")

RECLAIM, UPDATE = "vmm/iobus/reclaim.c", "vmm/iobus/update.c"
HEADER, FAST, TABLE = "vmm/iobus/iobus.h", "vmm/iobus/fast.h", "vmm/iobus/table.h"
LOCK = "vmm/base/spinlock.h"

# What is broken, file, what stands there, what is put in its place.
MUTANTS = (
    ("freed without waiting", RECLAIM, "uint64_t epoch = quiescent_epoch(bus);",
     "uint64_t epoch = UINT64_MAX;"),
    ("freed one epoch early", RECLAIM, "retired_epoch <= epoch;", "retired_epoch <= epoch + 1;"),
    ("one reader not waited for", RECLAIM, "    return oldest;",
     "    return bus->readers != NULL ? atomic_load(&bus->readers->seen_epoch) : oldest;"),
    ("parked and awake exchanged", RECLAIM,
     "if (atomic_load_explicit(&reader->is_parked, memory_order_seq_cst))",
     "if (!atomic_load_explicit(&reader->is_parked, memory_order_seq_cst))"),
    ("unparked with an epoch not seen", RECLAIM,
     "atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_release);",
     "atomic_store_explicit(&reader->seen_epoch, epoch + 1, memory_order_release);"),
    ("quiescent mark before the last use", FAST,
     "    piece->address = access->address;\n",
     "    piece->address = access->address;\n    iobus_reader_quiesce(reader);\n"),
    ("quiescent mark stored without release", HEADER,
     "atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_release);",
     "atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_relaxed);"),
    ("quiescent mark loaded without acquire", RECLAIM,
     "atomic_load_explicit(&reader->seen_epoch, memory_order_acquire);",
     "atomic_load_explicit(&reader->seen_epoch, memory_order_relaxed);"),
    ("table loaded without acquire", FAST,
     "atomic_load_explicit(&bus->table, memory_order_acquire);",
     "atomic_load_explicit(&bus->table, memory_order_relaxed);"),
    ("table published without release", RECLAIM,
     "atomic_store_explicit(&bus->table, table, memory_order_release);",
     "atomic_store_explicit(&bus->table, table, memory_order_relaxed);"),
    ("published before filled", UPDATE,
     "    iobus_table_set(bus, table, preparation->layout);\n"
     "    iobus_publish(bus, table, preparation->removed, update->completion);\n",
     "    table->layout = preparation->layout;\n"
     "    iobus_publish(bus, table, preparation->removed, update->completion);\n"
     "    iobus_table_set(bus, table, preparation->layout);\n"),
    ("completed at once", RECLAIM, "    old->completion = completion;\n",
     "    old->completion = NULL;\n    if (completion != NULL) {\n        completion->next = NULL;\n"
     "        iobus_finish(completion);\n    }\n"),
    ("a completion lost", RECLAIM, "    old->completion = completion;\n",
     "    old->completion = epoch % 64 == 0 ? NULL : completion;\n"),
    ("layout freed with its first table", RECLAIM, "if (--layout->table_count == 0)",
     "if (--layout->table_count != UINT32_MAX)"),
    ("layout never freed", RECLAIM, "if (--layout->table_count == 0)",
     "if (--layout->table_count == UINT32_MAX)"),
    ("buried for earlier tables too", UPDATE,
     "&layout->targets[removed->target].dead_from, layout->removal_count,",
     "&layout->targets[removed->target].dead_from, 0,"),
    ("slot free while still counted in", UPDATE,
     "        bus->slots[gone->slot].registration = NULL;",
     "        iobus_slot_give_back(bus, gone->slot);"),
    ("the last hit not checked", TABLE, "iobus_clamp(reader->last_segment, table->segment_count - 1)",
     "reader->last_segment"),
    ("an update that loses an addition", UPDATE, "    if (status == STATUS_OK)\n"
     "        status = prepare_layout(bus, &preparation, conflict);",
     "    if (preparation.addition_count > 1 && bus->next_serial > 2000)\n"
     "        preparation.addition_count--;\n    if (status == STATUS_OK)\n"
     "        status = prepare_layout(bus, &preparation, conflict);"),
    ("no lock", LOCK, "atomic_exchange_explicit(&lock->is_held, true, memory_order_acquire)",
     "atomic_exchange_explicit(&lock->is_held, false, memory_order_acquire)"),
)


def compile_program(name, folder, target, warnings):
    source, flags, libraries = PROGRAMS[name]
    files = [file for pattern in (source, *BUS)
             for file in sorted(glob.glob(pattern, root_dir=folder))]
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-I.", "-fno-strict-aliasing", *warnings,
                    *flags, *files, *libraries, "-o", target], cwd=folder, check=True)


def execute(program, settings, seconds):
    """(exit status, output, seconds); a time-out counts as a failure."""
    started = time.monotonic()
    try:
        result = subprocess.run([program], env={**os.environ, **ENVIRONMENT, **settings},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        return 1, output.decode(errors="replace") + f"not done after {seconds} s\n", seconds
    return result.returncode, result.stdout, time.monotonic() - started


def count(status, output):
    """(passed, failed) by what the program printed; not less than one failed if it ended badly."""
    own = re.search(r"^(\d+) passed, (\d+) failed$", output, re.M)
    if own is not None:
        passed, failed = int(own[1]), int(own[2])
    else:
        passed = len(re.findall(r"^\[       OK \]", output, re.M))
        failed = len(re.findall(r"^\[  FAILED  \] \w+$", output, re.M)) // 2
    if status != 0 or passed == 0:
        failed = max(failed, 1)
    return passed, failed


def run_all(build):
    total = int(os.environ.get("STRESS_LOOKUPS", "110000000"), 0)
    operations = os.environ.get("IOBUS_OPERATIONS", "10000000")
    seed = os.environ.get("STRESS_SEED", str(int(time.time())))
    settings = {
        ASAN: {"STRESS_LOOKUPS": str(total - total // 11), "STRESS_SEED": seed},
        TSAN: {"STRESS_LOOKUPS": str(total // 11), "STRESS_SEED": seed},
        PROPERTY: {"IOBUS_OPERATIONS": operations},
    }
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(
                lambda name: compile_program(name, ".", os.path.join(build, name), WARNINGS),
                PROGRAMS))
    except subprocess.CalledProcessError:
        return 0, len(PROGRAMS)
    all_passed = all_failed = 0
    # One after the other: each of the first two has as many vCPUs as this machine has processors.
    for name in PROGRAMS:
        status, output, seconds = execute(os.path.join(build, name), settings[name], RUN_SECONDS)
        passed, failed = count(status, output)
        all_passed += passed
        all_failed += failed
        if name == PROPERTY:
            print(f"{operations} random operations against the oracle")
        print(output.rstrip())
        print(f"{'FAIL' if failed else 'ok  '} {name}: {passed} passed, {failed} failed"
              f" ({seconds:.1f} s)", flush=True)
    return all_passed, all_failed


def try_mutant(mutant, build):
    """(mutant, what found it or None, how)"""
    name, path, original, broken = mutant
    folder = os.path.join(build, "mutants", re.sub(r"[^a-z]+", "-", name))
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("vmm/base", "vmm/iobus", "tests/stress", "tests/unit"):
        shutil.copytree(part, os.path.join(folder, part))
    with open(os.path.join(folder, path), encoding="utf-8") as file:
        text = file.read()
    if text.count(original) != 1:
        return mutant, None, f"{path} has what is to be broken {text.count(original)} times"
    with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
        file.write(text.replace(original, broken))
    for program in (ASAN, TSAN):
        target = os.path.join(folder, program)
        try:
            compile_program(program, folder, target, ["-w"])
        except subprocess.CalledProcessError:
            return mutant, None, "does not compile"
        status, output, seconds = execute(
            target, {"STRESS_LOOKUPS": str(MUTANT_LOOKUPS), "STRESS_SEED": "1"}, MUTANT_SECONDS)
        if status != 0:
            how = next((line.strip() for line in output.splitlines() if SYMPTOM.search(line)),
                       f"exit status {status}")
            return mutant, f"{program}, {seconds:.1f} s", how
    return mutant, None, "neither program finds it"


def run_mutants(build):
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for mutant, found, how in pool.map(lambda mutant: try_mutant(mutant, build), MUTANTS):
            passed += found is not None
            print(f"{'ok  ' if found else 'FAIL'} {mutant[0]:<40} {found or 'not found'}\n     {how}",
                  flush=True)
    return passed, len(MUTANTS) - passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", required=True, help="folder for what is built")
    parser.add_argument("--counts", help="file for the counts")
    parser.add_argument("--mutants", action="store_true", help="break the bus; each has to be found")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    passed, failed = run_mutants(build) if options.mutants else run_all(build)
    if options.counts is not None:
        with open(options.counts, "w", encoding="ascii") as file:
            json.dump({"passed": passed, "failed": failed}, file)
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
