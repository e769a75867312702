#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run fuzz targets for some seconds each, two at a time.

run.py --build FOLDER --compile COMMAND [--seconds N] [--counts FILE] [--mutants] TARGET...; from the
top of the tree. FOLDER/bin/TARGET is the program, tests/fuzz/corpus/TARGET has inputs to begin with,
FOLDER/corpus/TARGET those that runs add; an input that fails goes to FOLDER/failed. Ends with
"N passed, N failed"; --counts writes that as {"passed": N, "failed": N} too. Exit status 1 if any
failed.

--mutants instead breaks what each target is about, in a copy of one source that COMMAND compiles, and
demands that the target finds it.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

from mutants import MUTANTS

# Memory, and how long one input may take: far above what any of them needs.
LIMITS = ("-rss_limit_mb=1024", "-timeout=60")
# Bytes of the longest input. A longer one is more steps, and fewer inputs.
LENGTH = 600
LENGTHS = {"loader": 2000, "config": 2000, "host_acpi": 2000}
MUTANT_SECONDS = 60
# Targets on the fake processor, and how their sources are compiled.
HEART = ("exits",)
HEART_FLAGS = ("-Itests/fake", "-D__SANITIZE_ADDRESS__=1", "-pthread")
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=0:quarantine_size_mb=8:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "CMOCKA_TEST_ABORT": "1",  # a failed assertion outside of a test ends the program
}


class Fuzzer:
    """One target and its folders."""

    def __init__(self, build, name):
        self.name = name
        self.program = os.path.join(build, "bin", name)
        self.grown = os.path.join(build, "corpus", name)
        self.failed = os.path.join(build, "failed")
        self.seeds = os.path.join("tests", "fuzz", "corpus", name)

    def run(self, seconds, program=None, keeps=True):
        """(exit status, output) of a run; what it finds stays in the grown corpus if it keeps."""
        os.makedirs(self.grown, exist_ok=True)
        os.makedirs(self.failed, exist_ok=True)
        folders = [folder for folder in (self.grown, self.seeds) if os.path.isdir(folder)]
        words = [program or self.program, *LIMITS, f"-max_total_time={seconds}",
                 f"-max_len={LENGTHS.get(self.name, LENGTH)}",
                 "-print_final_stats=1", f"-artifact_prefix={self.failed}/{self.name}-"]
        if not keeps:
            words += ["-reduce_inputs=0"]
            folders = [os.path.join(self.failed, "none"), *folders]
            os.makedirs(folders[0], exist_ok=True)
        result = subprocess.run(words + folders, env={**os.environ, **ENVIRONMENT},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", check=False)
        return result.returncode, result.stdout


def number(pattern, output):
    found = re.findall(pattern, output)
    return int(found[-1]) if found else 0


def fuzz(fuzzer, seconds):
    """(passed, what to print)."""
    status, output = fuzzer.run(seconds)
    runs = number(r"stat::number_of_executed_units: +(\d+)", output)
    covered = number(r"cov: (\d+)", output)
    if status == 0 and runs > 1 and covered > 1:
        return True, f"ok   {fuzzer.name}: {runs} inputs, {covered} edges"
    text = [f"FAIL {fuzzer.name}", output[-6000:]]
    artifact = re.search(r"Test unit written to (\S+)", output)
    if artifact:
        text.append(f"to repeat it: {fuzzer.program} {artifact[1]}")
    elif status == 0:
        text.append(f"{runs} inputs, {covered} edges: it did not fuzz")
    return False, "\n".join(text)


def build_mutant(build, compile_words, mutant):
    """The program of a target with one source broken."""
    with open(mutant.file, encoding="utf-8") as file:
        text = file.read()
    if text.count(mutant.old) != 1:
        sys.exit(f"run.py: {mutant.file} has not exactly one: {mutant.old}")
    folder = os.path.join(build, "mutants")
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, f"{mutant.target}-{MUTANTS.index(mutant)}")
    source = f"{program}.c"
    with open(source, "w", encoding="utf-8") as file:
        file.write(text.replace(mutant.old, mutant.new))
    parts = build
    if mutant.target in HEART:
        parts = os.path.join(build, "fake")
        compile_words = [*compile_words[:-1], *HEART_FLAGS, *compile_words[-1:]]
        compile_words.remove("-I.")
        compile_words.append("-I.")  # behind tests/fake
    subprocess.run([*compile_words, "-c", source, "-o", f"{program}.o"], check=True)
    flags = [word.replace("fuzzer-no-link", "fuzzer") for word in compile_words
             if not word.startswith("-M")]
    # The broken object comes before the library, which then does not give its own.
    subprocess.run([*flags, f"{program}.o",
                    os.path.join(parts, "tests", "fuzz", f"{mutant.target}.o"),
                    os.path.join(parts, "portcullis.a"), "-lcmocka", "-o", program], check=True)
    return program


def fuzz_mutant(build, compile_words, mutant):
    """(found, what to print)."""
    program = build_mutant(build, compile_words, mutant)
    status, output = Fuzzer(build, mutant.target).run(MUTANT_SECONDS, program, keeps=False)
    symptom = re.search(r"EXPECT failed.*|ERROR: .*|runtime error.*|CHECK failed.*|"
                        r"error: Failure.*|[^\n]* != [^\n]*", output)
    if status != 0 and symptom:
        return True, f"ok   {mutant.target}: {mutant.what}: {symptom[0][:90]}"
    return False, f"FAIL {mutant.target}: {mutant.what}: not noticed\n{output[-1500:]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--compile", required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--counts")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()

    compile_words = shlex.split(args.compile)
    if args.mutants:
        jobs = [(fuzz_mutant, args.build, compile_words, mutant) for mutant in MUTANTS
                if mutant.target in args.targets]
        missing = set(args.targets) - {mutant.target for mutant in MUTANTS}
        if missing:
            sys.exit(f"run.py: no mutant of {', '.join(sorted(missing))}: add one to mutants.py")
    else:
        jobs = [(fuzz, Fuzzer(args.build, name), args.seconds) for name in args.targets]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for good, text in pool.map(lambda job: job[0](*job[1:]), jobs):
            passed += good
            failed += not good
            print(text, flush=True)
    if args.counts:
        with open(args.counts, "w", encoding="ascii") as file:
            json.dump({"passed": passed, "failed": failed}, file)
        print(f"fuzzing: {passed} passed, {failed} failed")
    else:
        print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
