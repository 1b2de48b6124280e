#!/usr/bin/env python3
"""README lint: each folder of the layout says on one page what it is."""

import tree

MAX_LINES = 60
FOLDERS = [
    ".", "proto", "core", "core/base", "core/model", "core/engine", "core/data", "core/train",
    "core/wire", "core/crypto", "core/torch", "compression", "aggregation", "client", "server",
    "simulation", "tests", "tests/testing", "tests/e2e", "tests/golden", "tests/fuzz",
    "tests/bench", "tests/lint", "deploy", "docs",
]


def check(root):
    findings = []
    paths = tree.files(root)
    for folder in FOLDERS:
        readme = root / folder / "README.md"
        name = readme.relative_to(root)
        if readme.is_file():
            count = len(readme.read_text().splitlines())
            # The project's own is the front page, and as long as it needs to be.
            if count > MAX_LINES and folder != ".":
                findings.append(f"{name}:{MAX_LINES + 1}: readme: {count} lines, at most "
                                f"{MAX_LINES}; move the rest to docs/")
        elif any(path.is_relative_to(folder) for path in paths):
            findings.append(f"{name}:1: readme: missing; say what the folder is, what it may "
                            "include and how to add one more")
    return findings


if __name__ == "__main__":
    tree.main(__doc__, check)
