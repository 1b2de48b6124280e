#!/usr/bin/python3 -B
"""The aggregation rules in NumPy, as Python frameworks have them: seconds of each as JSON.

50 updates of 1,000,000 parameters as 32-bit floats in memory, one thread.
"""

import functools
import json
import sys
import time

import numpy as np

COUNT, UPDATES, ATTACKERS = 1_000_000, 50, 10


def mean(updates):
    """As Flower's aggregate(): every update times its examples, then all are added up."""
    weight = 600
    weighted = [update * weight for update in updates]
    return functools.reduce(np.add, weighted) / (weight * len(updates))


def median(updates):
    return np.median(updates, axis=0)


def trimmed_mean(updates):
    ordered = np.partition(updates, (ATTACKERS, UPDATES - ATTACKERS - 1), axis=0)
    return ordered[ATTACKERS:UPDATES - ATTACKERS].mean(axis=0)


def distances(updates):
    n = len(updates)
    squared = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1, n):
            difference = updates[i] - updates[j]
            squared[i, j] = squared[j, i] = difference @ difference
    return squared


def closest(squared, alive, neighbours):
    rows = np.sort(squared[np.ix_(alive, alive)], axis=1)
    return alive[int(np.argmin(rows[:, 1:neighbours + 1].sum(axis=1)))]


def krum(updates):
    return updates[closest(distances(updates), list(range(UPDATES)), UPDATES - ATTACKERS - 2)]


def bulyan(updates):
    squared = distances(updates)
    alive = list(range(UPDATES))
    chosen = []
    for _ in range(UPDATES - 2 * ATTACKERS):
        best = closest(squared, alive, max(1, len(alive) - ATTACKERS - 2))
        chosen.append(best)
        alive.remove(best)
    kept = updates[chosen]
    order = np.argsort(np.abs(kept - np.median(kept, axis=0)), axis=0)
    nearest = order[:len(chosen) - 2 * ATTACKERS]
    return np.take_along_axis(kept, nearest, axis=0).mean(axis=0)


def main():
    rules = {rule.__name__: rule for rule in (mean, median, trimmed_mean, krum, bulyan)}
    generator = np.random.default_rng(1)
    updates = generator.uniform(-0.01, 0.01, (UPDATES, COUNT)).astype(np.float32)
    seconds = {}
    for name in sys.argv[1:] or rules:
        start = time.perf_counter()
        rules[name](updates)
        seconds[name] = time.perf_counter() - start
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
