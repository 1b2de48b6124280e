#!/usr/bin/env python3
"""Robust aggregation rules, computed with NumPy straight from their papers' formulas.

    robust.py           writes robust.json beside it
    robust.py --check   exits 1 if robust.json is not what this program computes

robust.json: {"cases": [{"name", "updates": rows of coordinates, "weights", "held": for each update
the coordinates that it holds as [begin, size] runs, null: all, "previous", "reference",
"rules": [{"options": of AggregatorOptions, "expected": coordinates}]}]}
A rule with a "previous" of its own takes that. All inputs are exact as 32-bit floats.
"""

import json
import pathlib
import re
import sys

import numpy as np

FILE = pathlib.Path(__file__).resolve().parent / "robust.json"


class Lcg:
    """Knuth's MMIX generator, so that the inputs need no library."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """A multiple of 2^-23 in [-1, 1)."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 40) / 2**23 - 1.0

    def rows(self, n, d):
        return np.array([[self.uniform() for _ in range(d)] for _ in range(n)])


# Each takes x, (n, d) in double precision; f updates lie.


def median(x):
    return np.median(x, axis=0)


def trimmed_mean(x, cut):
    n = len(x)
    return np.sort(x, axis=0)[cut:n - cut].mean(axis=0)


def krum_scores(x, f):
    """Blanchard et al. 2017, section 4."""
    scores = []
    for i in range(len(x)):
        squared = sorted(((x[i] - x[j]) ** 2).sum() for j in range(len(x)) if j != i)
        scores.append(sum(squared[:max(1, len(x) - f - 2)]))
    return np.array(scores)


def krum(x, f):
    return x[np.argmin(krum_scores(x, f))]


def multi_krum(x, f, keep):
    best = np.argsort(krum_scores(x, f), kind="stable")[:keep or len(x) - f]
    return x[best].mean(axis=0)


def bulyan(x, f):
    """El Mhamdi et al. 2018, section 4."""
    theta = len(x) - 2 * f
    beta = theta - 2 * f
    remaining, selected = list(range(len(x))), []
    while len(selected) < theta:
        selected.append(remaining.pop(int(np.argmin(krum_scores(x[remaining], f)))))
    result = []
    for column in x[selected].T:
        middle = np.median(column)
        nearest = sorted(column, key=lambda value: (abs(value - middle), value))[:beta]
        result.append(np.mean(nearest))
    return np.array(result)


def geometric_median(x, weights, smoothing, iterations):
    """Pillutla et al. 2022, algorithm 2; stops early as the authors' program."""
    def distances(z):
        return np.sqrt(((x - z) ** 2).sum(axis=1))

    z = weights @ x / weights.sum()
    objective = weights @ distances(z)
    for _ in range(iterations):
        beta = weights / np.maximum(smoothing, distances(z))
        z = beta @ x / beta.sum()
        previous, objective = objective, weights @ distances(z)
        if abs(previous - objective) < 1e-6 * objective:
            break
    return z


def centered_clip(x, previous, radius, iterations):
    """Karimireddy et al. 2021, section 4."""
    v = previous
    for _ in range(iterations):
        steps = []
        for update in x:
            length = np.linalg.norm(update - v)
            steps.append((update - v) * (1.0 if length == 0 else min(1.0, radius / length)))
        v = v + np.mean(steps, axis=0)
    return v


def fltrust(x, reference):
    """Cao et al. 2021, section 4."""
    g = np.linalg.norm(reference)
    total, result = 0.0, np.zeros(len(reference))
    for update in x:
        length = np.linalg.norm(update)
        if length == 0:
            continue
        trust = max(0.0, update @ reference / (length * g))
        total += trust
        result = result + trust * g / length * update
    return result / total


def over_holders(rule, x, held):
    """A coordinate's aggregate over the updates that hold it, 0 where none does."""
    holds = np.zeros(x.shape, dtype=bool)
    for row, runs in zip(holds, held):
        for begin, size in [[0, len(row)]] if runs is None else runs:
            row[begin:begin + size] = True
    return [float(rule(x[holds[:, c], c:c + 1])[0]) if holds[:, c].any() else 0.0
            for c in range(x.shape[1])]


def f32(value):
    """An option as the program under test holds it."""
    return float(np.float32(value))


def whole_case(name, seed, n, d, f):
    random = Lcg(seed)
    center = random.rows(1, d)[0]
    x = center + random.rows(n, d) / 4
    # Liars stand anywhere in the order.
    for i in range(f):
        liar = (3 * i + 1) % n
        x[liar] = [6 * random.uniform(), -2 * center, x[liar] * 8][i % 3] + random.rows(1, d)[0] / 8
    x = x.astype(np.float32).astype(np.float64)
    x[-1] = 0.0
    weights = np.array([1 + (7 * i) % 5 for i in range(n)])
    previous = (center + random.rows(1, d)[0] / 8).astype(np.float32).astype(np.float64)
    reference = (center / 2 + random.rows(1, d)[0] / 8).astype(np.float32).astype(np.float64)
    rules = [
        ({"name": "median", "attackers": f}, median(x)),
        ({"name": "trimmed_mean", "attackers": f}, trimmed_mean(x, f)),
        ({"name": "trimmed_mean", "trim": 0.2}, trimmed_mean(x, int(0.2 * n))),
        ({"name": "trimmed_mean", "trim": 0.45}, trimmed_mean(x, int(0.45 * n))),
        ({"name": "krum", "attackers": f}, krum(x, f)),
        ({"name": "multi_krum", "attackers": f}, multi_krum(x, f, 0)),
        ({"name": "multi_krum", "attackers": f, "keep": 3}, multi_krum(x, f, 3)),
        ({"name": "bulyan", "attackers": f}, bulyan(x, f)),
        ({"name": "geometric_median"}, geometric_median(x, weights, f32(1e-5), 4)),
        ({"name": "geometric_median", "iterations": 40, "smoothing": 0.5},
         geometric_median(x, weights, 0.5, 40)),
        ({"name": "centered_clip", "clip_norm": 0.75},
         centered_clip(x, previous, 0.75, 1)),
        ({"name": "centered_clip", "clip_norm": 0.75, "iterations": 5},
         centered_clip(x, previous, 0.75, 5)),
        ({"name": "fltrust"}, fltrust(x, reference)),
    ]
    entries = [{"options": options, "expected": expected.tolist()} for options, expected in rules]
    entries.append({"options": {"name": "centered_clip", "clip_norm": 1.5}, "previous": [],
                    "expected": centered_clip(x, np.zeros(d), 1.5, 1).tolist()})
    return {"name": name, "updates": x.tolist(), "weights": weights.tolist(),
            "held": [None] * n, "previous": previous.tolist(), "reference": reference.tolist(),
            "rules": entries}


def submodel_case(name, seed, n, d, runs_of_sets):
    random = Lcg(seed)
    x = random.rows(n, d)
    held = [runs_of_sets[i % len(runs_of_sets)] for i in range(n)]
    rules = [({"name": "median"}, median)]
    for f in (1, 2, 3):
        # Where those that lie could be the majority of those that hold a coordinate, nothing counts.
        rules.append(({"name": "trimmed_mean", "attackers": f},
                      lambda of, f=f: trimmed_mean(of, f) if len(of) > 2 * f else [0.0]))
    rules.append(({"name": "trimmed_mean", "trim": 0.3},
                  lambda of: trimmed_mean(of, int(0.3 * len(of)))))
    return {"name": name, "updates": x.tolist(), "weights": [1] * n, "held": held,
            "previous": [], "reference": [],
            "rules": [{"options": options, "expected": over_holders(rule, x, held)}
                      for options, rule in rules]}


def make():
    return {"cases": [
        whole_case("seven, one lies", 1, 7, 5, 1),
        whole_case("twelve, two lie", 2, 12, 33, 2),
        whole_case("twenty, four lie", 3, 20, 70, 4),
        submodel_case("submodels", 4, 9, 40,
                      [None, [[0, 11], [20, 3]], [[0, 5], [8, 2], [21, 6]]]),
        submodel_case("some coordinates of nobody", 5, 8, 30, [[[2, 9]], [[2, 4], [14, 9]]]),
    ]}


def write(data):
    """One list without lists in it in each line."""
    text = json.dumps(data, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda row: re.sub(r"\s+", " ", row[0]), text)
    FILE.write_text(text + "\n")


def same(a, b):
    """Equal, numbers up to another order of summation."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-12 * max(1.0, abs(a))
    return a == b


def main():
    data = make()
    if "--check" not in sys.argv:
        return write(data)
    if not same(data, json.loads(FILE.read_text())):
        sys.exit(f"{FILE.name} is not what robust.py computes; run it and look at the difference")


if __name__ == "__main__":
    main()
