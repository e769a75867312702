#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whether the code that is proved is the code that is compiled.

compare.py [ROOT]: each file below tests/proof/annotated has to be, without comments and so without
annotations, the file of the same path from ROOT on, layout aside. Prints the first difference of each
file as "file:line: what". Exit status: 0 none, 1 some or nothing to compare, 2 bad usage.
"""

import os
import re
import sys

ANNOTATED = "tests/proof/annotated"
STRING = r"""\"(?:\\.|[^"\\])*\"|'(?:\\.|[^'\\])*'"""
# Annotations and ghost code are comments, too.
COMMENT_OR_STRING = re.compile(rf"//[^\n]*|/\*.*?\*/|{STRING}", re.S)
# A directive is one token, because its end of line counts.
TOKEN = re.compile(rf"(?m:^)[ \t]*\#(?:\\\n|[^\n])*|{STRING}|\w+|<<=|>>=|->|\+\+|--|<<|>>|&&|\|\||"
                   r"[-+*/%&|^<>=!]=|\S")


def without_comments(text):
    """C text whose comments are blank; lines stay where they are."""
    return COMMENT_OR_STRING.sub(
        lambda match: re.sub(r"[^\n]", " ", match[0]) if match[0][0] == "/" else match[0], text)


def tokens(text):
    """[(token, line)] of C text."""
    text = without_comments(text)
    return [(" ".join(match[0].split()) if match[0].lstrip()[0] == "#" else match[0],
             text.count("\n", 0, match.start()) + 1) for match in TOKEN.finditer(text)]


def difference(compiled, annotated):
    """None, or (line of compiled, its token, that of annotated) where the two texts first differ."""
    have, want = tokens(compiled), tokens(annotated)
    end = ("the end of the file", compiled.count("\n") + 1)
    for index in range(max(len(have), len(want))):
        (token, line), (other, _) = ((words[index] if index < len(words) else end)
                                     for words in (have, want))
        if token != other:
            return line, token, other
    return None


def differences(root):
    """What is to say about each file that differs."""
    top = os.path.join(root, ANNOTATED)
    paths = sorted(os.path.relpath(os.path.join(folder, file), top)
                   for folder, _, files in os.walk(top) for file in files)
    if not paths:
        yield f"{ANNOTATED}: no files there"
    for path in paths:
        with open(os.path.join(top, path), encoding="utf-8") as file:
            annotated = file.read()
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                compiled = file.read()
        except FileNotFoundError:
            yield f"{path}: there is none, but one in {ANNOTATED}"
            continue
        found = difference(compiled, annotated)
        if found is not None:
            line, token, other = found
            yield f"{path}:{line}: '{token}', where {ANNOTATED}/{path} has '{other}'"


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__, file=sys.stderr)
        return 2
    found = list(differences(sys.argv[1] if len(sys.argv) == 2 else "."))
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
