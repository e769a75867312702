# SPDX-License-Identifier: BSD-2-Clause
"""What the tools have in common: one line for each failure, and files that are written whole or not
at all.

A tool writes only what is absent or a regular file: os.replace() would put a file in the place of
/dev/null, and open() would write to a disk.
"""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile

STATUS_FAILED = 1
STATUS_USAGE = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NAME_CHARACTERS_MAX = 40  # of a file's name that its temporary file has, too

KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISBLK, "a block device"),
         (stat.S_ISCHR, "a character device"), (stat.S_ISSOCK, "a socket"))


class Failure(Exception):
    """The tool cannot do its work; the text, one line, says why."""


class UsageError(Failure):
    """What the user asked for cannot be meant; the text says what would be right."""


def words_of(error):
    """An exception of Python's as one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, subprocess.CalledProcessError):
        command = error.cmd if isinstance(error.cmd, str) else error.cmd[0]
        said = error.stderr if error.stderr is not None else error.stdout
        return f"{command}: exit status {error.returncode}{said_by_program(said)}"
    return str(error) or type(error).__name__


def one_line(text):
    """A text's lines joined to one."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def said_by_program(output):
    """What a program said, to stand behind its name on one line; "" for nothing."""
    if isinstance(output, bytes):
        output = output.decode("utf-8", "replace")
    return f": {one_line(output)}" if output and output.strip() else ""


def reopen_closed():
    """Gives standard input and outputs that were closed (`<&-`) to /dev/null: Python has None for them,
    and the next file opened would get their number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def run(name, main):
    """The exit status of main(), the whole of a tool. Any failure is one line on standard error;
    what main() opened with `with` is closed, after a signal, too (status 128 + its number)."""
    reopen_closed()
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may be no UTF-8
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        status = main()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # nobody reads on; nothing may be flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UsageError as error:
        print(f"{name}: {one_line(str(error))}", file=sys.stderr)
        return STATUS_USAGE
    except (Failure, OSError, subprocess.SubprocessError) as error:
        print(f"{name}: {one_line(words_of(error))}", file=sys.stderr)
        return STATUS_FAILED


def kind_of(mode):
    """What else than a regular file st_mode says, "a FIFO"; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    return next((name for is_kind, name in KINDS if is_kind(mode)), "no file")


def check_input(path):
    """The size in bytes of a regular, readable file. Never waits, as opening a FIFO would. Raises
    UsageError."""
    try:
        state = os.stat(path)
        kind = kind_of(state.st_mode)
        if kind is not None:
            raise UsageError(f"{path}: is {kind}, and has to be a regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    return state.st_size


def check_output(path, inputs=()):
    """The path behind all links of a file that may be written: it is absent, in a folder that lets
    one make files, or it is a regular file and none of the inputs. Raises UsageError."""
    try:
        kind = kind_of(os.stat(path).st_mode)
        is_there = True
    except FileNotFoundError:
        kind, is_there = None, False
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if kind is not None:
        raise UsageError(f"{path}: is {kind}; only a regular file, or a new one, is written")
    if is_there:
        for other in inputs:
            if os.path.exists(other) and os.path.samefile(path, other):
                raise UsageError(f"{path}: is to be read as well, as {other}; name another file")
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not path or path.endswith("/"):
        raise UsageError(f"'{path}': names no file")
    if not os.path.isdir(folder):
        raise UsageError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: no file may be made in the folder {folder}")
    return target


@contextlib.contextmanager
def whole_file(path, inputs=()):
    """For `with`: the path of an empty file that takes the place of `path` at the end. After an
    error, or a signal, `path` is as it was and nothing is left behind. Raises UsageError as
    check_output does, Failure where the disk is full."""
    target = check_output(path, inputs)
    folder, name = os.path.split(target)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:NAME_CHARACTERS_MAX]}.", dir=folder)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    try:
        os.close(descriptor)
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        check_output(path)  # minutes may have passed
        os.replace(temporary, target)
    except OSError as error:
        if error.filename in (None, temporary):
            raise Failure(f"{path}: {error.strerror}") from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def write_whole(path, data):
    """Makes `path` a file of these bytes, as whole_file does."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
