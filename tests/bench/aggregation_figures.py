"""The figures of the group `aggregation`."""

import json
import os
import pathlib
import subprocess
import tempfile

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
    found = run_benchmark("aggregation_bench", "BM_", quick)
    numpy = run_numpy(quick)
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


OPTIMUM = -9 / 11  # of the two quadratics
QUADRATICS = {"FedAvgStallsBetweenTheClientsOwnOptima": ("fedavg", -0.218),
              "ScaffoldReachesTheOptimum": ("scaffold", OPTIMUM),
              "ScaffoldByTheGradientReachesTheOptimumInFewerSteps": ("scaffold_gradient", OPTIMUM),
              "FedDynReachesTheOptimum": ("feddyn", OPTIMUM)}
FEDADAM = {"paper": 1.355, "flower": 1.224, "tff": 1.267}


def run_tests(name):
    """Builds and runs a test program: whether all passed, and what its tests recorded, by name."""
    run_quietly(["cmake", "--build", "--preset", "dev", "--target", name])
    with tempfile.TemporaryDirectory(prefix="tern-figures-") as directory:
        file = pathlib.Path(directory) / "results.json"
        result = subprocess.run([ROOT / "build/dev/tests" / name, f"--gtest_output=json:{file}"],
                                cwd=ROOT, stdout=subprocess.DEVNULL)
        suites = json.loads(file.read_text())["testsuites"]
    return result.returncode == 0, {test["name"]: test for suite in suites
                                    for test in suite["testsuite"]}


@measures("aggregation")
def exactness(quick):
    """The two quadratics, FedAdam's variants, NumPy's vectors, any order and merge tree."""
    run_quietly([ROOT / "deploy/bootstrap", "build", "test"])
    run_quietly(["cmake", "--preset", "dev"])
    passed, tests = run_tests("server_test")
    for test, (method, goal) in QUADRATICS.items():
        end = float(tests[test]["end"])
        yield Figure(f"two_quadratics_{method}", end, "w")
        yield Figure(f"two_quadratics_{method}_off", abs(end - goal), "w", "<= 0.001")
    yield Figure("server_test_passes", int(passed), "bool", "== 1")
    passed, tests = run_tests("aggregation_test")
    for variant, goal in FEDADAM.items():
        end = float(tests["Variants_EndWhereTheirImplementationsDo"][variant])
        yield Figure(f"fedadam_{variant}", end, "w")
        yield Figure(f"fedadam_{variant}_off", abs(end - goal), "w", "<= 0.0005")
    yield Figure("aggregation_test_passes", int(passed), "bool", "== 1")
    yield Figure("robust_test_passes", int(run_tests("robust_test")[0]), "bool", "== 1")
    for vectors in ("aggregation", "robust"):
        result = subprocess.run([comparison.PYTHON, "-B", ROOT / f"tests/golden/{vectors}.py",
                                 "--check"], stdout=subprocess.DEVNULL)
        yield Figure(f"golden_{vectors}_check", int(result.returncode == 0), "bool", "== 1")
