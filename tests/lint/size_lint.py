#!/usr/bin/env python3
"""Size lint: headers and sources stay short enough to be read at once."""

import tree

MAX_HEADER_LINES = 250
MAX_SOURCE_LINES = 400


def check(root):
    findings = []
    for path in tree.cpp_files(root):
        # What ends in -inl.h is a source that happens to be included.
        is_header = path.suffix in tree.HEADERS and not path.stem.endswith("-inl")
        budget = MAX_HEADER_LINES if is_header else MAX_SOURCE_LINES
        count = len((root / path).read_text().splitlines())
        if count > budget:
            findings.append(f"{path}:{budget + 1}: size: {count} lines, at most {budget}; "
                            "split it by responsibility")
    return findings


if __name__ == "__main__":
    tree.main(__doc__, check)
