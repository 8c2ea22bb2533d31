"""src/eval/statistics.cpp against SciPy, to 1e-9."""
import itertools
import math
import os
import random
import subprocess

from scipy import optimize, special, stats

TOOL = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "tools", "stats_tool")
TOLERANCE = 1e-9


def newcombe(both, wins, losses, neither, confidence):
    """Newcombe 1998, Stat Med 17:2635, method 10, on SciPy's Wilson limits."""
    n = both + wins + losses + neither
    wilson = lambda k: stats.binomtest(k, n).proportion_ci(confidence, "wilson")
    p1, p2 = (both + wins) / n, (both + losses) / n
    (l1, u1), (l2, u2) = wilson(both + wins), wilson(both + losses)
    product = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    determinant = both * neither - wins * losses
    if determinant > n / 2: determinant -= n / 2
    elif determinant >= 0: determinant = 0
    phi = determinant / math.sqrt(product) if product else 0.0
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    return max(-1, p1 - p2 - math.sqrt(max(0, below))), min(1, p1 - p2 + math.sqrt(max(0, above)))


def closed_bonferroni(p):
    """Holm's adjusted p values, as the closed test that they come from."""
    everyone = range(len(p))
    subsets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(everyone, size)]
    return [max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in everyone]


def detectable(n, alpha, power):
    needed = next(k for k in range(1, 2000) if stats.binomtest(k, k).pvalue <= alpha)
    if n < needed: return None
    return optimize.brentq(lambda d: stats.binom.sf(needed - 1, n, d) - power, 1e-15, 1 - 1e-15, xtol=1e-15)


def cases(rng):
    """(request, expected numbers; None for the answer `none`)"""
    interval_cases = [(k, n) for n in (1, 2, 3, 6, 10, 20, 50) for k in range(n + 1)]
    interval_cases += [(rng.randint(0, n), n) for n in (97, 200, 333, 1000, 5000) for _ in range(8)]
    for k, n in interval_cases:
        for confidence in (0.95, 0.99):
            test = stats.binomtest(k, n)
            yield f"wilson {k} {n} {confidence}", test.proportion_ci(confidence, "wilson")
            yield f"clopper {k} {n} {confidence}", test.proportion_ci(confidence, "exact")
    pairs = [(w, l) for w in range(13) for l in range(13)] + [(33, 17), (15, 5), (10, 2), (8, 1), (6, 0), (500, 460), (3000, 2900)]
    for wins, losses in pairs + [(rng.randint(0, 300), rng.randint(0, 300)) for _ in range(60)]:
        yield f"mcnemar {wins} {losses}", [stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0]
    for _ in range(150):
        counts = [rng.choice([0, 1, 2, rng.randint(0, 60)]) for _ in range(4)]
        if sum(counts): yield "paired {} {} {} {} 0.95".format(*counts), newcombe(*counts, 0.95)
    for n in [1, 5, 6, 7, 10, 20, 30, 50, 100, 200, 1000]:
        for alpha, power in ((0.05, 0.8), (0.05, 0.9), (0.01, 0.8)):
            smallest = detectable(n, alpha, power)
            yield f"detectable {n} {alpha} {power}", None if smallest is None else [smallest]
    for p in (1e-12, 1e-6, 0.001, 0.025, 0.3, 0.5, 0.8, 0.975, 0.995):
        yield f"quantile {p}", [stats.norm.ppf(p)]
    for _ in range(200):
        a, b, x = rng.choice([0.5, 1, rng.uniform(0.1, 300)]), rng.choice([0.5, 1, rng.uniform(0.1, 300)]), rng.random()
        yield f"beta {a!r} {b!r} {x!r}", [special.betainc(a, b, x)]
    for _ in range(60):
        p = [rng.choice([rng.random(), rng.random() ** 4, 0.01, 1.0]) for _ in range(rng.randint(1, 6))]
        yield "holm " + " ".join(map(repr, p)), closed_bonferroni(p)


def test_statistics_agree_with_scipy():
    assert compare() == 0


def compare():
    requests = list(cases(random.Random(1)))
    run = subprocess.run([TOOL], input="\n".join(r for r, _ in requests) + "\n", capture_output=True, text=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(requests), (len(answers), len(requests))
    bad, worst = 0, 0.0
    for (request, expected), answer in zip(requests, answers):
        if expected is None or answer in ("none", "unknown request"):
            good = expected is None and answer == "none"
        else:
            numbers = [float(number) for number in answer.split()]
            error = max(abs(a - b) for a, b in zip(numbers, expected)) if len(numbers) == len(expected) else math.inf
            worst = max(worst, error)
            good = error <= TOLERANCE
        if not good:
            bad += 1
            print(f"{request}: got {answer}, expected {expected}")
    print(f"{len(requests)} cases, {bad} differ, largest difference {worst:.2g}")
    return bad != 0

