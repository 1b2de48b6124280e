#!/usr/bin/env python3
"""Shell lint: every bash script parses and stops at the first error."""

import re
import subprocess

import tree

LINE = re.compile(r": line (\d+): (.*)")


def check_script(root, path):
    if "set -euo pipefail" not in (root / path).read_text():
        yield f"{path}:1: shell-strict: add  set -euo pipefail"
    result = subprocess.run(["bash", "-n", path], cwd=root, capture_output=True, text=True)
    if result.returncode != 0:
        match = LINE.search(result.stderr)
        line, message = match.groups() if match else ("1", result.stderr.strip())
        yield f"{path}:{line}: shell-syntax: {message}"


def is_bash(path):
    with open(path, "rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and b"bash" in first


def check(root):
    scripts = [path for path in tree.files(root) if is_bash(root / path)]
    ci = root / ".ci/run"
    if ci.exists():
        scripts.append(ci.relative_to(root))
    return [finding for path in scripts for finding in check_script(root, path)]


if __name__ == "__main__":
    tree.main(__doc__, check)
