#!/usr/bin/env python3
"""Makes aggregation.json: aggregates, server optimizers' trajectories and schedules, computed by
NumPy in 64-bit floating point from the formulas in aggregation/*.h, not by the code under test.

  aggregation.py           writes the file
  aggregation.py --check   says whether the file is what it would write; exit status 1 if not

Options are 32-bit floats in Tern, so they are rounded to such here. Vectors are what 32-bit floats
can hold, from a generator of their own."""

import json
import pathlib
import sys

import numpy as np

PATH = pathlib.Path(__file__).with_name("aggregation.json")


def as_float(value):
    return float(np.float32(value))


class Lcg:
    """x = 1664525 x + 1013904223 mod 2^32 (Numerical Recipes)."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """In [0, 1), a multiple of 2^-24."""
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) / 2**24

    def below(self, bound):
        return int(self.uniform() * bound)

    def vector(self, count, scale):
        return np.array([as_float((2 * self.uniform() - 1) * scale) for _ in range(count)])


# Aggregators.

COUNT = 12
SETS = [None, [[0, 12]], [[0, 6]], [[1, 2], [5, 4]], [[10, 1]]]


def coordinates(runs):
    if runs is None:
        return np.arange(COUNT)
    return np.concatenate([np.arange(begin, begin + size) for begin, size in runs])


def steps_norm(steps, momentum, pull):
    """The sum over the steps of what the gradient of each is multiplied by in the update: one
    gradient is 1 and the others 0, once for each."""
    total = 0.0
    for impulse in range(steps):
        velocity = moved = 0.0
        for step in range(impulse, steps):
            velocity = momentum * velocity + (step == impulse) - pull * moved
            moved += velocity
        total += moved
    return total


def clients(random, submodels):
    made = []
    for _ in range(9):
        runs = SETS[random.below(len(SETS))] if submodels else None
        made.append({
            "runs": runs,
            "values": random.vector(len(coordinates(runs)), 4 * 0.5**random.below(5)),
            "weight": 1 + random.below(1000),
            "steps": 1 + random.below(40),
            "start_loss": 3 * random.uniform(),
        })
    return made


def weighted_mean(updates, weights, factors):
    """Over those that hold the coordinate; 0 where none does."""
    sums = np.zeros(COUNT)
    held = np.zeros(COUNT)
    for update, weight, factor in zip(updates, weights, factors):
        where = coordinates(update["runs"])
        sums[where] += weight * factor * update["values"]
        held[where] += weight
    return np.divide(sums, held, out=np.zeros(COUNT), where=held > 0)


def aggregate(name, options, updates):
    """The step and the mean squared norm."""
    weights = np.array([update["weight"] for update in updates], float)
    norms2 = np.array([np.sum(update["values"]**2) for update in updates])
    if name == "mean":
        factors = np.ones(len(updates))
        return weighted_mean(updates, weights, factors), np.sum(weights * norms2) / np.sum(weights)
    if name == "norm_clip":
        factors = np.minimum(1, as_float(options["clip_norm"]) / np.sqrt(norms2))
        return weighted_mean(updates, weights, factors), 0.0
    if name == "fednova":
        steps = np.array([steps_norm(update["steps"], as_float(options["momentum"]),
                                     as_float(options["pull"])) for update in updates])
        tau_effective = np.sum(weights * steps) / np.sum(weights)
        return tau_effective * weighted_mean(updates, weights, 1 / steps), 0.0
    # qfedavg, as the paper writes it: deltas and their divisors, of the gradients L (w - w_k).
    q, lipschitz = as_float(options["fairness"]), 1 / as_float(options["client_learning_rate"])
    losses = np.array([update["start_loss"] for update in updates]) + 1e-10
    deltas = np.array([-lipschitz * loss**q * update["values"]
                       for loss, update in zip(losses, updates)])
    divisors = (q * losses**(q - 1) * lipschitz**2 * norms2 + lipschitz * losses**q)
    return -np.sum(deltas, axis=0) / np.sum(divisors), 0.0


AGGREGATORS = [
    ("mean", {}),
    ("norm_clip", {"clip_norm": 1.7}),
    ("fednova", {"momentum": 0.0, "pull": 0.0}),
    ("fednova", {"momentum": 0.9, "pull": 0.0}),
    ("fednova", {"momentum": 0.0, "pull": 0.03}),
    ("fednova", {"momentum": 0.8, "pull": 0.01}),
    ("qfedavg", {"fairness": 0.0, "client_learning_rate": 0.05}),
    ("qfedavg", {"fairness": 0.3, "client_learning_rate": 0.5}),
    ("qfedavg", {"fairness": 1.0, "client_learning_rate": 0.1}),
    ("qfedavg", {"fairness": 2.0, "client_learning_rate": 1.0}),
]


def aggregators():
    random = Lcg(1)
    cases = []
    for name, options in AGGREGATORS:
        updates = clients(random, submodels=name != "qfedavg")
        values, mean_squared_norm = aggregate(name, options, updates)
        for update in updates:
            update["values"] = list(update["values"])
        cases.append({"name": name, "options": options, "count": COUNT, "updates": updates,
                      "expected": list(values), "expected_mean_squared_norm": mean_squared_norm})
    return cases


def steps_norms():
    cases = [(steps, momentum, pull) for steps in (1, 2, 5, 60) for momentum in (0.0, 0.5, 0.95)
             for pull in (0.0, 0.001, 0.04)]
    return [{"steps": steps, "momentum": momentum, "pull": pull,
             "expected": steps_norm(steps, as_float(momentum), as_float(pull))}
            for steps, momentum, pull in cases]


# Server optimizers: each a generator of parameters, sent one round after another.


def fedavg(w, rounds, options):
    for step in rounds:
        w = w + options["learning_rate"] * step["factor"] * step["aggregate"]
        yield w


def fedavgm(w, rounds, options):
    velocity = np.zeros_like(w)
    for step in rounds:
        velocity = options["momentum"] * velocity + step["aggregate"]
        w = w + options["learning_rate"] * step["factor"] * velocity
        yield w


def fedexp(w, rounds, options):
    for step in rounds:
        d = step["aggregate"]
        eta = max(1, step["mean_squared_norm"] / (2 * (np.sum(d**2) + options["epsilon"])))
        w = w + options["learning_rate"] * step["factor"] * eta * d
        yield w


def feddyn(w, rounds, options):
    h = np.zeros_like(w)
    for step in rounds:
        trained = w + step["aggregate"]  # the mean of the clients' models
        h = h - options["alpha"] * step["participation"] * (trained - w)
        w = trained - h / options["alpha"]
        yield w


def paper(kind, w, rounds, options):
    """Reddi et al. 2021, algorithm 2."""
    b1, b2, tau = options["beta1"], options["beta2"], options["tau"] or 1e-3
    m, v = np.zeros_like(w), np.full_like(w, tau**2)
    for step in rounds:
        d = step["aggregate"]
        m = b1 * m + (1 - b1) * d
        v = {"fedadagrad": v + d**2,
             "fedyogi": v - (1 - b2) * d**2 * np.sign(v - d**2),
             "fedadam": b2 * v + (1 - b2) * d**2}[kind]
        w = w + options["learning_rate"] * step["factor"] * m / (np.sqrt(v) + tau)
        yield w


def flower(kind, w, rounds, options):
    b1, b2 = (0.0 if kind == "fedadagrad" else options["beta1"]), options["beta2"]
    tau = options["tau"] or (1e-9 if kind == "fedadam" else 1e-3)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for server_round, step in enumerate(rounds, start=1):
        d = step["aggregate"]
        eta = options["learning_rate"] * step["factor"]
        m = b1 * m + (1 - b1) * d
        if kind == "fedadagrad":
            v = v + np.multiply(d, d)
        elif kind == "fedyogi":
            v = v - (1.0 - b2) * np.multiply(d, d) * np.sign(v - np.multiply(d, d))
        else:
            v = b2 * v + (1 - b2) * np.multiply(d, d)
            eta *= np.sqrt(1 - b2**(server_round + 1.0)) / (1 - b1**(server_round + 1.0))
        w = w + eta * m / (np.sqrt(v) + tau)
        yield w


def tff(kind, w, rounds, options):
    """Optimizers of gradients: minus the aggregate."""
    b1, b2 = options["beta1"], options["beta2"]
    epsilon = options["tau"] or (1e-3 if kind == "fedyogi" else 1e-7)
    accumulator = np.zeros_like(w)
    preconditioner = np.full_like(w, {"fedadagrad": 0.1, "fedyogi": 1e-6, "fedadam": 0.0}[kind])
    for number, step in enumerate(rounds, start=1):
        gradient = -step["aggregate"]
        rate = options["learning_rate"] * step["factor"]
        if kind == "fedadagrad":
            preconditioner = preconditioner + gradient**2
            w = w - rate * gradient / np.sqrt(preconditioner + epsilon)
        else:
            accumulator = accumulator + (gradient - accumulator) * (1 - b1)
            square = gradient**2
            if kind == "fedadam":
                preconditioner = preconditioner + (square - preconditioner) * (1 - b2)
            else:
                preconditioner = preconditioner + (1 - b2) * np.sign(square - preconditioner) * square
            normalized = rate * np.sqrt(1 - b2**number) / (1 - b1**number)
            w = w - normalized * accumulator / (np.sqrt(preconditioner) + epsilon)
        yield w


VARIANTS = {"paper": paper, "flower": flower, "tff": tff}
OTHERS = {"fedavg": fedavg, "fedavgm": fedavgm, "fedexp": fedexp, "feddyn": feddyn}
DEFAULTS = {"learning_rate": 1.0, "momentum": 0.9, "beta1": 0.9, "beta2": 0.99, "tau": 0.0,
            "epsilon": 1e-3, "alpha": 0.1}
OPTIMIZERS = [
    ("fedavg", {}),
    ("fedavg", {"learning_rate": 0.7}),
    ("fedavgm", {"learning_rate": 0.3, "momentum": 0.6}),
    ("fedexp", {}),
    ("fedexp", {"learning_rate": 0.5, "epsilon": 0.2}),
    ("feddyn", {}),
    ("feddyn", {"alpha": 0.03}),
] + [(kind, {"variant": variant, "learning_rate": 0.1, **more})
     for kind in ("fedadagrad", "fedadam", "fedyogi") for variant in VARIANTS
     for more in ({}, {"beta1": 0.5, "beta2": 0.8, "tau": 0.01}, {"beta1": 0.0})]


def optimizers():
    random = Lcg(2)
    cases = []
    for name, options in OPTIMIZERS:
        start = random.vector(4, 1.0)
        rounds = [{
            "aggregate": random.vector(4, 0.5),
            "mean_squared_norm": 4 * random.uniform(),
            "participation": 0.05 + 0.9 * random.uniform(),
            "factor": 1.0 if name == "feddyn" else as_float(0.5 + 0.5 * random.uniform()),
        } for _ in range(5)]
        full = {key: as_float(options.get(key, default)) for key, default in DEFAULTS.items()}
        if name in OTHERS:
            trajectory = OTHERS[name](start, rounds, full)
        else:
            trajectory = VARIANTS[options["variant"]](name, start, rounds, full)
        expected = [list(w) for w in trajectory]
        for step in rounds:
            step["aggregate"] = list(step["aggregate"])
        cases.append({"name": name, "options": options, "start": list(start), "rounds": rounds,
                      "expected": expected})
    return cases


# Schedules.

SCHEDULES = [
    {"kind": "constant"},
    {"kind": "constant", "warmup_rounds": 3},
    {"kind": "exponential", "decay": 0.8},
    {"kind": "exponential", "decay": 0.5, "every": 4, "floor": 0.3, "warmup_rounds": 2},
    {"kind": "step", "decay": 0.5, "every": 3},
    {"kind": "step", "decay": 0.1, "every": 2, "floor": 0.05, "warmup_rounds": 1},
    {"kind": "inverse_sqrt"},
    {"kind": "inverse_sqrt", "every": 5, "floor": 0.6, "warmup_rounds": 4},
    {"kind": "cosine"},
    {"kind": "cosine", "floor": 0.2, "warmup_rounds": 3},
]
NUM_ROUNDS = 12


def factor(schedule, number):
    warmup = schedule.get("warmup_rounds", 0)
    if number <= warmup:
        return number / (warmup + 1)
    before = number - warmup - 1
    decay, every = as_float(schedule.get("decay", 0.99)), schedule.get("every", 1)
    floor = as_float(schedule.get("floor", 0.0))
    last = NUM_ROUNDS - warmup
    plain = {
        "constant": 1.0,
        "exponential": decay**(before / every),
        "step": decay**(before // every),
        "inverse_sqrt": (1 + before / every)**-0.5,
        "cosine": floor + (1 - floor) * (1 + np.cos(np.pi * before / last)) / 2,
    }[schedule["kind"]]
    return float(max(plain, floor))


def schedules():
    return [{"schedule": schedule, "num_rounds": NUM_ROUNDS,
             "expected": [factor(schedule, number) for number in range(1, NUM_ROUNDS + 1)]}
            for schedule in SCHEDULES]


def close(a, b):
    """Whether two trees of JSON say the same, numbers up to what mathematical libraries differ by."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-12 * max(1.0, abs(a))
    return a == b


def text_of(contents):
    """One line for each case."""
    parts = []
    for name, cases in contents.items():
        lines = ",\n".join(json.dumps(case) for case in cases)
        parts.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    text = text_of({"aggregators": aggregators(), "steps_norms": steps_norms(),
                    "optimizers": optimizers(), "schedules": schedules()})
    if sys.argv[1:] != ["--check"]:
        PATH.write_text(text)
        return 0
    if close(json.loads(PATH.read_text()), json.loads(text)):
        return 0
    print(f"{PATH} is not what {pathlib.Path(__file__).name} makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
