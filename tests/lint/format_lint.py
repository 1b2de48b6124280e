#!/usr/bin/env python3
"""Format lint: every C++ file is as clang-format leaves it (.clang-format)."""

import concurrent.futures
import os
import re
import shutil
import subprocess

import tree

FILES_PER_RUN = 16
DIAGNOSTIC = re.compile(r"^(.+):(\d+):\d+: error: ")


def check_files(root, paths):
    """One finding per badly formatted file: its first line."""
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *paths], cwd=root,
                            capture_output=True, text=True)
    first = {}
    for line in result.stderr.splitlines():
        match = DIAGNOSTIC.match(line)
        if match:
            first.setdefault(match[1], match[2])
    if result.returncode != 0 and not first:
        return [f"clang-format: {result.stderr.strip()}"]
    return [f"{path}:{line}: format: run  clang-format -i {path}" for path, line in first.items()]


def check(root):
    if shutil.which("clang-format") is None:
        return ["format: clang-format is missing; run  deploy/bootstrap test"]
    paths = list(map(str, tree.cpp_files(root)))
    chunks = [paths[i:i + FILES_PER_RUN] for i in range(0, len(paths), FILES_PER_RUN)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda chunk: check_files(root, chunk), chunks)
    return [finding for findings in found for finding in findings]


if __name__ == "__main__":
    tree.main(__doc__, check)
