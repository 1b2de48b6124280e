"""What the lints share: which files there are, and how a finding is told."""

import argparse
import os
import pathlib

HEADERS = (".h",)
SOURCES = (".cc", ".c", ".cpp")
# Folders at the root that hold nothing of ours: what .gitignore names, and hidden ones.
NOT_OURS = ("build", "runs")


def files(root):
    """All files of the tree, relative to `root`, sorted."""
    found = []
    for directory, folders, names in os.walk(root):
        here = pathlib.Path(directory)
        folders[:] = [name for name in folders
                      if not name.startswith(".") and not (here == root and name in NOT_OURS)]
        found += [(here / name).relative_to(root) for name in names]
    return sorted(found)


def cpp_files(root):
    return [path for path in files(root) if path.suffix in HEADERS + SOURCES]


def main(description, check):
    """Runs check(root) -> findings from the command line: prints them, exits 1 if there are any."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("root", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2],
                        help="root of the repository (default: this one)")
    findings = check(parser.parse_args().root.resolve())
    for finding in findings:
        print(finding)
    raise SystemExit(1 if findings else 0)
