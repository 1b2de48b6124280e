"""What all groups of figures share: how a figure is written, and how programs are run for it."""

import dataclasses
import json
import operator
import os
import pathlib
import subprocess
import tempfile

import comparison
from comparison import ROOT, run_quietly

GROUPS = ("spine", "devices", "engine", "compression", "aggregation", "coordinator", "quantized",
          "pruned", "scale")
COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
# Group -> its functions, in the order in which they run. Each yields figures; to add one, write one.
measurements = {group: [] for group in GROUPS}


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: str = "-"  # or such as ">= 0.85"

    def is_ok(self):
        if self.goal == "-":
            return True
        sign, bound = self.goal.split()
        return COMPARE[sign](self.value, float(bound))

    def line(self):
        value = str(self.value) if isinstance(self.value, int) else f"{self.value:.6g}"
        verdict = "ok" if self.is_ok() else "short"
        return "\t".join((self.name, value, self.unit, self.goal, verdict))


def measures(group):
    """Registers a function of `quick` (whether to shorten the run) that yields Figures."""
    def register(function):
        measurements[group].append(function)
        return function
    return register


def run_sim(config, *arguments):
    """tern-sim on a configuration of ours: summary, rounds and device classes."""
    with tempfile.TemporaryDirectory(prefix="tern-figures-") as directory:
        out = pathlib.Path(directory) / "run"
        run_quietly([comparison.TERN_SIM, "run", ROOT / f"simulation/configs/{config}.yaml",
                     "--out", out, *arguments])
        rounds = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return (json.loads((out / "summary.json").read_text()), rounds,
                json.loads((out / "population.json").read_text())["classes"])


def setting(*assignments):
    return [argument for assignment in assignments for argument in ("--set", assignment)]


def run_benchmark(name, filters, quick, kernel_target=""):
    """Google Benchmark's median per benchmark, pinned to one core: name -> its JSON object."""
    command = ["taskset", "-c", "1", comparison.build_benchmark(name), f"--benchmark_filter={filters}",
               "--benchmark_format=json", f"--benchmark_repetitions={1 if quick else 5}",
               "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.2"]
    cores = {"": comparison.best_blas_kernels(), "AVX2": "Haswell"}
    environment = dict(os.environ, OPENBLAS_CORETYPE=cores[kernel_target], OPENBLAS_NUM_THREADS="1",
                       OMP_NUM_THREADS="1", TERN_KERNEL_TARGET=kernel_target)
    result = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=True)
    found = {}
    for entry in json.loads(result.stdout)["benchmarks"]:
        if quick or entry.get("aggregate_name") == "median":
            found[entry["run_name"]] = entry
    return found
