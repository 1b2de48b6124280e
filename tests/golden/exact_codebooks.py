"""The codebooks, computed in another way: to 50 digits."""

import decimal

from encoder import LLOYD_MAX, ecsq_codebook, eden_codebook, joined_frequencies


def exact_density(x):
    return (-x * x / 2).exp() / (2 * exact_pi()).sqrt()


def exact_pi():
    """Machin's formula."""
    def arctan_of_inverse(n):
        total = term = decimal.Decimal(1) / n
        k = 1
        while abs(term) > decimal.Decimal(10)**-60:
            term /= -n * n
            k += 2
            total += term / k
        return total
    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))


def exact_tail(x):
    term = total = x
    n = 1
    while term > decimal.Decimal(10)**-60:
        n += 2
        term *= x * x / n
        total += term
    return decimal.Decimal(1) / 2 - exact_density(x) * total


def exact_cells(positive):
    """Probabilities and centroids of the cells above 0."""
    tails = [exact_tail(t) for t in positive] + [decimal.Decimal(0)]
    densities = [exact_density(t) for t in positive] + [decimal.Decimal(0)]
    probabilities = [a - b for a, b in zip(tails, tails[1:])]
    return probabilities, [(densities[i] - densities[i + 1]) / p
                           for i, p in enumerate(probabilities)]


def exact_entropy(step, outermost):
    positive = [(k + decimal.Decimal("0.5")) * step for k in range(outermost)]
    above, _ = exact_cells(positive)
    every = above * 2 + [1 - 2 * sum(above)]
    return -sum(p * p.ln() for p in every) / decimal.Decimal(2).ln()


def check_codebook(name, book, tolerance):
    findings = []
    probabilities, centroids = exact_cells([decimal.Decimal(t) for t in book.positive])
    count = len(probabilities)
    for what, ours, exact in (("probability", book.probabilities[-count:], probabilities),
                              ("centroid", book.centroids[-count:], centroids)):
        for mine, other in zip(ours, exact):
            if abs(decimal.Decimal(mine) - other) > decimal.Decimal(tolerance) * other:
                findings.append(f"{name}: {what} {mine!r}, expected {other:.20}")
    middle = [] if book.step is None else [1 - 2 * sum(probabilities)]
    exact = [float(p) for p in probabilities[::-1] + middle + probabilities]
    # Bytes of the same symbols in another order are as probable but for rounding, which decides
    # which of them get one slot more.
    pairs = zip(joined_frequencies(exact), joined_frequencies(book.probabilities))
    if any(abs(a - b) > 1 for a, b in pairs):
        findings.append(f"{name}: frequencies differ")
    return findings


def check():
    """What is wrong with the encoder's codebooks, a line each."""
    decimal.getcontext().prec = 70
    findings = []
    for bits in LLOYD_MAX:
        findings += check_codebook(f"eden({bits})", eden_codebook(bits), 1e-12)
    for rate in (0.1, 0.5, 1, 2, 4.5, 6):
        book = ecsq_codebook(rate)
        findings += check_codebook(f"ecsq({rate})", book, 1e-11)
        step, next_step = decimal.Decimal(book.step), decimal.Decimal(book.step + 2.0**-25)
        cells = len(book.positive)
        if not (exact_entropy(step, cells) >= decimal.Decimal(rate)
                >= exact_entropy(next_step, cells)):
            findings.append(f"ecsq({rate}): step {book.step!r} has another entropy")
    return findings
