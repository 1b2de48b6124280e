"""Runs tern-sim and the PyTorch loop on the same workload: what against_torch and figures share."""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERN_SIM = ROOT / "build/release/bin/tern-sim"
BENCHMARKS = ROOT / "build/bench"
# The interpreter that Debian's python3-torch is installed for.
PYTHON = "/usr/bin/python3"

# The settings of the loop that are worth comparing with: the fastest, and for w1 also what PyTorch
# does without a backward pass written by hand.
TORCH_SETTINGS = {
    "w1": {"torch": [], "torch_by_hand": ["--by-hand"]},
    "w2": {"torch": ["--channels-last"]},
    "w3": {"torch": []},
}


@dataclasses.dataclass
class Series:
    """What one program did in the repetitions."""
    updates_per_second: list[float] = dataclasses.field(default_factory=list)
    accuracy: float | None = None
    peak_rss_bytes: int = 0

    def add(self, result):
        self.updates_per_second.append(result["client_updates_per_second"])
        self.accuracy = result["final_eval_accuracy"]
        self.peak_rss_bytes = max(self.peak_rss_bytes, result["peak_rss_bytes"])

    @property
    def median(self):
        return statistics.median(self.updates_per_second)


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_quietly(command, **options):
    """Runs a command; what it printed is shown only if it fails."""
    result = subprocess.run(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        log(result.stdout[-4000:])
        raise SystemExit(f"{pathlib.Path(command[0]).name} failed with exit status "
                         f"{result.returncode}: {' '.join(map(str, command))}")
    return result.stdout


def build_tern_sim():
    run_quietly([ROOT / "deploy/bootstrap", "build"])
    run_quietly(["cmake", "--preset", "release"])
    run_quietly(["cmake", "--build", "--preset", "release", "--target", "tern-sim"])


def build_benchmark(name):
    """A benchmark program, built as the release is; its path."""
    run_quietly([ROOT / "deploy/bootstrap", "build", "test"])
    run_quietly(["cmake", "-S", ROOT, "-B", BENCHMARKS, "-G", "Ninja",
                 "-DCMAKE_BUILD_TYPE=Release"])
    run_quietly(["cmake", "--build", BENCHMARKS, "--target", name])
    return BENCHMARKS / "bin" / name


def prepare():
    """Makes sure that PyTorch and a release build are there."""
    command = [PYTHON, "-c", "import numpy, torch"]
    if subprocess.run(command, capture_output=True).returncode != 0:
        log("PyTorch is missing: installing the packages of deploy/packages/bench.txt")
        run_quietly([ROOT / "deploy/bootstrap", "bench"])
        if subprocess.run(command, capture_output=True).returncode != 0:
            raise SystemExit(f"PyTorch is still missing for {PYTHON}: install Debian's "
                             "python3-torch and python3-numpy, then run again")
    build_tern_sim()


def best_blas_kernels():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return "SkylakeX" if " avx512f " in flags else "Haswell"


def run_torch(workload, setting, threads, rounds):
    environment = dict(os.environ, OPENBLAS_CORETYPE=best_blas_kernels(), OPENBLAS_NUM_THREADS="1",
                       OMP_NUM_THREADS="1")
    output = run_quietly([PYTHON, ROOT / "tests/bench/torch_loop.py", workload, "--processes",
                          threads, "--rounds", rounds, *setting], env=environment)
    return json.loads(output.splitlines()[-1])


def run_tern(workload, threads, rounds, overrides=()):
    """The summary.json of one run of tern-sim."""
    with tempfile.TemporaryDirectory(prefix="tern-bench-") as directory:
        out = pathlib.Path(directory) / "run"
        command = [TERN_SIM, "run", f"simulation/configs/{workload}.yaml", "--threads", threads,
                   "--out", out]
        for override in (f"task.num_rounds={rounds}", f"task.evaluate.every={rounds}", *overrides):
            command += ["--set", override]
        run_quietly(command)
        return json.loads((out / "summary.json").read_text())


def compare(workload, repetitions, threads, rounds):
    """Name of the program -> Series."""
    programs = {"tern": lambda: run_tern(workload, threads, rounds)}
    for name, setting in TORCH_SETTINGS[workload].items():
        programs[name] = lambda setting=setting: run_torch(workload, setting, threads, rounds)
    results = {name: Series() for name in programs}
    for repetition in range(repetitions):
        for name, program in programs.items():
            results[name].add(program())
            log(f"{workload} {repetition + 1}/{repetitions} {name}: "
                f"{results[name].updates_per_second[-1]:.1f} client updates/s")
    return results
