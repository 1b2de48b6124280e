"""The figures of the group `compression`."""

import json
import math
import pathlib
import statistics
import tempfile

import comparison
from comparison import ROOT, run_quietly
from measuring import Figure, measures, run_benchmark, run_sim, setting

# Lloyd-Max centroids above 0 of a normal number, by bits (docs/wire-format.md).
CENTROIDS = {
    2: (0.4528, 1.5104),
    3: (0.2451, 0.7560, 1.3439, 2.1519),
    4: (0.1284, 0.3880, 0.6568, 0.9423, 1.2562, 1.6180, 2.0690, 2.7326),
}
RATES = {1: 0.26, 1.5: 0.26, 2: 0.26, 3: 0.275, 4: 0.275}  # goal of the distance to the limit
UNBIASED_ERRORS = {1: 0.570, 2: 0.133, 3: 0.0358, 4: 0.0096}
SPARSE = "topk(0.01)|ternary|rice"
MCMAHAN = 1663370  # parameters of mcmahan_cnn


def measure_codecs(codecs, *arguments):
    """What `tern-sim codec` says, by codec."""
    comparison.build_tern_sim()
    with tempfile.TemporaryDirectory(prefix="tern-figures-") as directory:
        file = pathlib.Path(directory) / "codecs.json"
        run_quietly([comparison.TERN_SIM, "codec", *codecs, "--no-timing", "--json", file,
                     *arguments])
        return {each["codec"]: each for each in json.loads(file.read_text())["codecs"]}


def name_of(codec):
    return codec.replace("|", "_").replace("(", "_").replace(")", "")


def entropy(probabilities):
    return -sum(p * math.log2(p) for p in probabilities if p > 0)


def normal_cells(centroids):
    """Probabilities of the cells of a codebook that is symmetric around 0."""
    edges = [0.0, *((a + b) / 2 for a, b in zip(centroids, centroids[1:])), math.inf]
    half = [(math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
            for a, b in zip(edges, edges[1:])]
    return half + half


@measures("compression")
def bytes_against_entropy(quick):
    """Whole frames, less 24 bytes, over the entropy of what they say; 2^20 Gaussian values."""
    count = 1 << 20
    limits = {}
    for fraction, coder in ((0.001, "rice"), (0.01, "rice"), (0.1, "rans")):
        kept = math.ceil(fraction * count)
        limits[f"topk({fraction:g})|ternary|{coder}"] = (
            count * entropy((kept / count, 1 - kept / count)) + kept)
    limits["rotate|eden(1)"] = count
    for bits, centroids in CENTROIDS.items():
        limits[f"rotate|eden({bits})|rans"] = count * entropy(normal_cells(centroids))
    for codec, measured in measure_codecs(limits).items():
        yield Figure(f"bytes_over_entropy_{name_of(codec)}",
                     (measured["frame_bytes"] - 24) / (limits[codec] / 8), "ratio", "<= 1.01")


@measures("compression")
def four_bits(quick):
    """quantize(4): the whole frame of mcmahan_cnn against 32-bit floats."""
    measured = measure_codecs(["quantize(4)"], "--count", str(MCMAHAN))["quantize(4)"]
    yield Figure("quantize_4_of_float32", 100 * measured["frame_bytes"] / (4 * MCMAHAN), "%",
                 "<= 12.7")


@measures("compression")
def rate_distortion(quick):
    """Distance to the Gaussian limit, and EDEN's unbiased error, on 2^20 Gaussian values."""
    codecs = {f"rotate|ecsq({rate:g})|rans": goal for rate, goal in RATES.items()}
    for codec, measured in measure_codecs(codecs).items():
        yield Figure(f"distance_{name_of(codec)}", measured["distance_bits"], "bits",
                     f"<= {codecs[codec]}")
    unbiased = measure_codecs([f"rotate|eden({bits})" for bits in UNBIASED_ERRORS])
    for bits, expected in UNBIASED_ERRORS.items():
        measured = unbiased[f"rotate|eden({bits})"]["nmse"]
        yield Figure(f"vnmse_eden_{bits}", measured, "ratio")
        yield Figure(f"vnmse_eden_{bits}_off", 100 * abs(measured / expected - 1), "%", "<= 2")


@measures("compression")
def recorded_update(quick):
    """The same of a real update: a client's third of the study, LeNet-5."""
    comparison.build_tern_sim()
    with tempfile.TemporaryDirectory(prefix="tern-figures-") as directory:
        out = pathlib.Path(directory) / "run"
        run_quietly([comparison.TERN_SIM, "run", ROOT / "simulation/configs/compression.yaml",
                     "--out", out, "--record-updates", "30",
                     *setting("task.num_rounds=3", "task.codec.up=none")])
        update = sorted((out / "updates").iterdir())[-1]
        codecs = [*(f"rotate|ecsq({rate:g})|rans" for rate in RATES),
                  *(f"rotate|eden({bits})" for bits in UNBIASED_ERRORS), SPARSE]
        for codec, measured in measure_codecs(codecs, "--update", update).items():
            yield Figure(f"recorded_distance_{name_of(codec)}", measured["distance_bits"], "bits")


def of_codec(found, benchmark, codec, count):
    """The benchmark's entry for a codec, by its label, and for a number of parameters."""
    for name, entry in found.items():
        if (name.startswith(f"{benchmark}/") and name.endswith(f"count:{count}")
                and entry["label"] == codec):
            return entry
    raise SystemExit(f"{benchmark} has no codec {codec}")


@measures("compression")
def speed(quick):
    """Encoding and decoding, one core, in GB/s of 32-bit floats; mcmahan_cnn."""
    found = run_benchmark("codec_bench", f"BM_(Encode|ErrorFeedback|Accumulate)/.*count:{MCMAHAN}",
                          quick)
    for name, benchmark, codec, goal in (
            ("error_feedback_topk_ternary_rice", "BM_ErrorFeedback", SPARSE, ">= 4"),
            ("quantize_8", "BM_Encode", "quantize(8)", ">= 10"),
            ("quantize_4", "BM_Encode", "quantize(4)", ">= 10"),
            ("rotate_eden_2_rans", "BM_Encode", "rotate|eden(2)|rans", ">= 1"),
            ("rotate_ecsq_2_rans", "BM_Encode", "rotate|ecsq(2)|rans", "-")):
        entry = of_codec(found, benchmark, codec, MCMAHAN)
        yield Figure(f"encode_{name}", entry["bytes_per_second"] / 1e9, "GB/s", goal)
    dense = of_codec(found, "BM_Accumulate", "quantize(8)", MCMAHAN)
    yield Figure("decode_quantize_8", dense["bytes_per_second"] / 1e9, "GB/s", ">= 5")
    sparse = of_codec(found, "BM_Accumulate", SPARSE, MCMAHAN)
    kept = math.ceil(0.01 * MCMAHAN)
    yield Figure("decode_topk_ternary_rice", kept / (sparse["cpu_time"] / 1e9) / 1e6,
                 "M non-zeros/s", ">= 200")


MOMENTUM = ("task.strategy.optimizer=fedavgm", "task.strategy.momentum=0.5")
STUDY = {  # codec and strategy
    "none": ("none",),
    "topk_ternary_rice": (SPARSE,),
    "eden_1": ("rotate|eden(1)",),
    "none_momentum": ("none", *MOMENTUM),
    "topk_ternary_rice_momentum": (SPARSE, *MOMENTUM),
}


@measures("compression")
def accuracy(quick):
    """simulation/configs/compression.yaml, three seeds: accuracy over the last five evaluations."""
    comparison.build_tern_sim()
    accuracies, uplinks = {}, {}
    for name, (codec, *strategy) in STUDY.items():
        runs = []
        for seed in (1,) if quick else (1, 2, 3):
            summary, rounds, _ = run_sim("compression", *setting(
                f"task.codec.up={codec}", f"seed={seed}",
                f"task.num_rounds={30 if quick else 200}", *strategy))
            evaluated = [line["eval_accuracy"] for line in rounds if line["eval_accuracy"]]
            runs.append(statistics.mean(evaluated[-5:]))
            uplinks[name] = summary["total_bytes_up"]
        accuracies[name] = statistics.mean(runs)
        yield Figure(f"accuracy_{name}", accuracies[name], "fraction")
    for name, reference, points, times in (
            ("topk_ternary_rice", "none", 1, 250), ("eden_1", "none", 0.5, 30),
            ("topk_ternary_rice_momentum", "none", "-", "-"),
            ("topk_ternary_rice_momentum", "none_momentum", "-", "-")):
        against = "" if reference == "none" else "_against_momentum"
        yield Figure(f"points_lost_{name}{against}",
                     100 * (accuracies[reference] - accuracies[name]), "points",
                     "-" if points == "-" else f"<= {points}")
        if times != "-":
            yield Figure(f"uplink_{name}", uplinks["none"] / uplinks[name], "times fewer bytes",
                         f">= {times}")
