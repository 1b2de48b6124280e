#!/usr/bin/env python3
"""The lints on small trees that break their rules: each must be able to fail."""

import pathlib
import tempfile
import unittest

import format_lint
import include_lint
import readme_lint
import shell_lint
import size_lint


class LintTest(unittest.TestCase):

    def findings(self, lint, files):
        """What `lint` says about a tree of `files` (path -> text), without the advice."""
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return [": ".join(finding.split(": ")[:2]) for finding in lint.check(root)]

    def assert_include(self, path, included, rule):
        """`rule` is the one that the include breaks, or None."""
        with self.subTest(path=path, included=included):
            found = self.findings(include_lint, {path: f"#include <vector>\n#include {included}\n"})
            self.assertEqual(found, [f"{path}:2: {rule}"] if rule else [])

    def test_includes_follow_the_layers(self):
        layer = "include-layer"
        for path, included, rule in [
                ("core/base/a.cc", '"core/base/b.h"', None),
                ("core/base/a.cc", '"core/model/b.h"', layer),
                ("core/engine/a.h", '"core/model/b.h"', None),
                ("core/engine/a.h", '"core/data/b.h"', layer),
                ("core/wire/a.cc", '"compression/b.h"', None),
                ("core/wire/a.cc", '"core/crypto/b.h"', layer),
                ("compression/a.cc", '"core/engine/b.h"', layer),
                ("aggregation/a.cc", '"core/crypto/b.h"', None),
                ("client/a.cc", '"core/train/b.h"', None),
                ("client/a.cc", '"core/torch/b.h"', layer),
                ("client/a.cc", '"aggregation/b.h"', layer),
                ("client/a.cc", '"server/b.h"', layer),
                ("server/a.cc", '"client/b.h"', layer),
                ("server/config/a.cc", '"aggregation/b.h"', None),
                ("simulation/a.cc", '"client/b.h"', None),
                ("simulation/a.cc", '"core/torch/b.h"', layer),
                ("core/base/a.cc", '"core/unheard_of/b.h"', layer),
                ("server/a.cc", "<tests/testing/b.h>", layer),
                ("server/main.cc", '"core/torch/b.h"', None),
                ("tests/core/base/a.cc", '"simulation/b.h"', None),
        ]:
            self.assert_include(path, included, rule)

    def test_libraries_stay_where_they_belong(self):
        library = "include-library"
        for path, included, rule in [
                ("core/torch/a.cc", "<torch/torch.h>", None),
                ("core/engine/a.cc", "<torch/torch.h>", library),
                ("simulation/a.cc", '"ATen/Parallel.h"', library),
                ("core/data/a.cc", "<c10/util/Half.h>", library),
                ("server/grpc/a.cc", "<grpcpp/grpcpp.h>", None),
                ("server/a.cc", "<grpcpp/grpcpp.h>", library),
                ("client/grpc/a.cc", "<openssl/ssl.h>", None),
                ("core/base/a.cc", "<openssl/sha.h>", library),
                ("core/wire/a.cc", '"tern/v1/plan.pb.h"', None),
                ("server/config/a.cc", '"tern/v1/config.pb.h"', None),
                ("server/a.cc", '"tern/v1/plan.pb.h"', library),
                ("client/session.cc", '"tern/v1/coordinator.grpc.pb.h"', library),
                ("compression/a.cc", "<google/protobuf/message.h>", library),
                ("client/main.cc", "<grpcpp/grpcpp.h>", None),
                ("tests/client/a.cc", '"tern/v1/plan.pb.h"', None),
        ]:
            self.assert_include(path, included, rule)

    def test_includes_begin_at_the_root(self):
        found = self.findings(include_lint, {"core/base/a.h": "", "core/base/a.cc": '#include "a.h"\n'})
        self.assertEqual(found, ["core/base/a.cc:1: include-path"])

    def test_a_folder_without_a_layer_is_found(self):
        found = self.findings(include_lint, {"core/new/a.cc": "", "build/dev/b.cc": "", "c.cc": ""})
        self.assertEqual(found, ["c.cc:1: include-layer", "core/new/a.cc:1: include-layer"])

    def test_bad_format_is_found(self):
        style = {".clang-format": "BasedOnStyle: Google\n"}
        good = {"a.cc": "int main() { return 0; }\n"}
        bad = {"b.cc": "int Zero();\nint  One( );\n"}
        self.assertEqual(self.findings(format_lint, style | good | bad), ["b.cc:2: format"])

    def test_long_files_are_found(self):
        found = self.findings(size_lint, {
            "good.h": "\n" * 250, "good.cc": "\n" * 400, "good-inl.h": "\n" * 400,
            "long.h": "\n" * 251, "long.cc": "\n" * 401})
        self.assertEqual(found, ["long.cc:401: size", "long.h:251: size"])

    def test_missing_and_long_readmes_are_found(self):
        found = self.findings(readme_lint, {
            "README.md": "\n" * 500, "core/README.md": "", "core/base/a.cc": "",
            "server/README.md": "\n" * 61, "client/README.md": "\n" * 60})
        self.assertEqual(found, ["core/base/README.md:1: readme", "server/README.md:61: readme"])

    def test_bad_scripts_are_found(self):
        strict = "#!/bin/bash\nset -euo pipefail\n"
        found = self.findings(shell_lint, {
            "good": strict, "if.sh": strict + "if true; then\n", "lax": "#!/usr/bin/env bash\n",
            ".ci/run": "#!/usr/bin/env bash\n", "other.py": "#!/usr/bin/python3\nif\n"})
        self.assertEqual(found, ["if.sh:4: shell-syntax", "lax:1: shell-strict",
                                 ".ci/run:1: shell-strict"])


if __name__ == "__main__":
    unittest.main()
