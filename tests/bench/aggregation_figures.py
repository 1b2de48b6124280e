"""The figures of the group `aggregation`."""

import json
import os
import subprocess

import comparison
from comparison import ROOT, run_quietly
from measuring import Figure, measures, run_benchmark

UPDATES, COUNT = 50, 1_000_000
# Seconds that a rule may take for the cohort, by codec none.
RULES = {"median": 0.25, "trimmed_mean": 0.25, "krum": 0.3, "multi_krum": None, "bulyan": 1.0,
         "geometric_median": None, "centered_clip": None, "fltrust": None}
IN_NUMPY = ("mean", "median", "trimmed_mean", "krum", "bulyan")


def run_numpy(quick):
    """Seconds of each rule in NumPy, the best of three; one thread on the core of the benchmarks."""
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    seconds = {}
    for name in IN_NUMPY:
        runs = []
        for _ in range(1 if quick or name == "bulyan" else 3):
            result = subprocess.run(
                ["taskset", "-c", "1", comparison.PYTHON, ROOT / "tests/bench/numpy_aggregation.py",
                 name], env=environment, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(result.stdout)[name])
        seconds[name] = min(runs)
    return seconds


@measures("aggregation")
def speed(quick):
    """Sums straight from payloads, and rules over 50 updates of 1,000,000 parameters, one core."""
    comparison.prepare()
    numpy = run_numpy(quick)
    found = run_benchmark("aggregation_bench", "BM_", quick)
    by_label = {entry["label"]: entry for entry in found.values() if entry.get("label")}
    same_bytes = found["BM_SameBytes"]["items_per_second"]
    for rule in ("mean", "norm_clip"):
        goals = {"quantize(8)": ">= 1.5", "none": "-"} if rule == "mean" else {}
        for codec in ("quantize(8)", "none"):
            rate = by_label[f"{rule} {codec}"]["items_per_second"]
            name = codec.replace("(", "_").replace(")", "")
            yield Figure(f"{rule}_from_{name}", rate / 1e9, "G elements/s", goals.get(codec, "-"))
            if (rule, codec) == ("mean", "none"):
                yield Figure("mean_from_none_of_same_bytes_moved", 100 * rate / same_bytes, "%",
                             ">= 60")
    yield Figure("mean_in_numpy", UPDATES * COUNT / numpy["mean"] / 1e9, "G elements/s")
    for rule, goal in RULES.items():
        for codec in ("none", "quantize(8)"):
            seconds = by_label[f"{rule} {codec}"]["real_time"] / 1e3
            name = codec.replace("(", "_").replace(")", "")
            yield Figure(f"{rule}_from_{name}", seconds, "s",
                         "-" if goal is None else f"<= {goal}")
        if rule in numpy:
            yield Figure(f"{rule}_in_numpy", numpy[rule], "s")


@measures("aggregation")
def memory(quick):
    """The most memory besides the payloads, of the same cohort, over the model's."""
    lines = run_quietly([comparison.build_benchmark("aggregation_memory")]).splitlines()
    model = int(lines[0].split()[1])
    for line in lines[1:]:
        rule, accumulating, peak = line.split()
        # What consumes updates as they come takes its memory in every thread that accumulates, and
        # the step besides, once. What reads them back has one thread do all.
        per_thread = int(accumulating) > model
        yield Figure(f"memory_{rule}_over_model",
                     (int(accumulating) if per_thread else int(peak)) / model, "ratio", "<= 3")
        if per_thread:
            yield Figure(f"memory_{rule}_with_the_step_over_model", int(peak) / model, "ratio")


@measures("aggregation")
def tests_pass(quick):
    """The two quadratics, FedAdam's variants, NumPy's vectors, any order and merge tree."""
    run_quietly([ROOT / "deploy/bootstrap", "build", "test"])
    run_quietly(["cmake", "--preset", "dev"])
    for test in ("aggregation_test", "robust_test", "server_test"):
        run_quietly(["cmake", "--build", "--preset", "dev", "--target", test])
        result = subprocess.run(["ctest", "--test-dir", "build/dev", "-R", f"^{test}$"], cwd=ROOT,
                                stdout=subprocess.DEVNULL)
        yield Figure(f"{test}_passes", int(result.returncode == 0), "bool", "== 1")
