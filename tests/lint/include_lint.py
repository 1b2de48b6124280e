#!/usr/bin/env python3
"""Include lint: a folder includes only what the layers allow, and libraries stay where they belong.

It looks at the #include lines of each file, not at what they pull in."""

import re

import tree

# Folder -> the other folders that it may include. "generated" are the messages made from proto/.
LAYERS = {
    "core/base": [],
    "core/model": ["core/base"],
    "core/engine": ["core/base", "core/model"],
    "core/data": ["core/base"],
    "core/train": ["core/base", "core/model", "core/engine", "core/data"],
    "core/wire": ["core/base", "core/model", "core/train", "compression"],
    "core/crypto": ["core/base"],
    "core/torch": ["core/base", "core/model", "core/data", "core/train"],
    "compression": ["core/base", "core/model"],
    "aggregation": ["core/base", "core/model", "core/crypto", "compression"],
}
CORE = [folder for folder in LAYERS if folder.startswith("core/") and folder != "core/torch"]
LAYERS["client"] = CORE + ["compression"]
LAYERS["server"] = CORE + ["compression", "aggregation"]
LAYERS["simulation"] = ["client", "server"] + CORE + ["compression", "aggregation"]

# What is included -> where that may stand (a file's path starts with it), and what it is called.
LIBRARIES = [
    (r"(torch|ATen|c10)/", ["core/torch/"], "LibTorch"),
    (r"grpcpp/", ["client/grpc/", "server/grpc/"], "gRPC"),
    (r"openssl/", ["core/crypto/", "client/grpc/", "server/grpc/"], "OpenSSL"),
    (r"google/protobuf/|.*\.pb\.h$",
     ["core/wire/", "client/grpc/", "server/grpc/", "server/config", "simulation/config"],
     "protobuf"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
PROJECT_ROOTS = sorted({folder.split("/")[0] for folder in LAYERS} | {"tests"})


def folder_of(path):
    """The row of LAYERS that `path` (a string, from the root) belongs to, or None."""
    for folder in LAYERS:
        if path.startswith(folder + "/"):
            return folder
    return None


def check_include(root, path, included, quoted):
    """What is wrong with `included` in the file `path`, or None."""
    is_relative = quoted and (root / path).parent.joinpath(included).exists()
    if is_relative and not (root / included).exists():
        return "include-path: write the path from the root of the repository"
    if path.startswith("tests/") or path.endswith("/main.cc"):
        return None
    for pattern, allowed, name in LIBRARIES:
        if re.match(pattern, included):
            if path.startswith(tuple(allowed)):
                return None
            return (f"include-library: {name} belongs in {', '.join(allowed)} only; "
                    "hide it behind an interface there")
    if included.split("/")[0] not in PROJECT_ROOTS or "/" not in included:
        return None
    if included.startswith("tests/"):
        return "include-layer: only tests include tests/"
    source, target = folder_of(path), folder_of(included)
    if target is None:
        return (f"include-layer: {included} is in no layer; "
                "add its folder to LAYERS in tests/lint/include_lint.py")
    if source == target or target in LAYERS[source]:
        return None
    allowed = ", ".join(LAYERS[source]) or "nothing"
    return (f"include-layer: {source} may include {allowed} besides itself, not {target}; "
            "move the code, or pass what is needed through an interface")


def check(root):
    findings = []
    for path in map(str, tree.cpp_files(root)):
        if folder_of(path) is None and not path.startswith("tests/"):
            findings.append(f"{path}:1: include-layer: the folder is in no layer; "
                            "add it to LAYERS in tests/lint/include_lint.py")
            continue
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and check_include(root, path, match[2], match[1] == '"')
            if problem:
                findings.append(f"{path}:{number}: {problem}")
    return findings


if __name__ == "__main__":
    tree.main(__doc__, check)
