"""src/eval/statistics.cpp and score_statistics.cpp against SciPy and statsmodels, to 1e-9."""
import itertools
import math
import os
import random
import subprocess

import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

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


def differences(rng, n):
    """Paired differences as scores give them: many values, few, many ties, all one way. Sums of them are exact, so that
    equal sums are equal in whatever order they are added."""
    kind = rng.randrange(4)
    if kind == 0: return [rng.randint(-1000, 1024) / 1024 for _ in range(n)]
    if kind == 1: return [rng.randint(-4, 5) / 16 for _ in range(n)]
    if kind == 2: return [rng.choice([0, 0, 0, 1, -1, 0.5]) for _ in range(n)]
    return [rng.randint(0, 300) / 1024 for _ in range(n)]


def exact_permutation(numbers):
    """p of whole-number differences, by counting sums over all sign patterns."""
    ways = {0: 1}
    for size in map(abs, numbers):
        ways = {s: ways.get(s - size, 0) + ways.get(s + size, 0) for s in {t + d for t in ways for d in (size, -size)}}
    return sum(count for s, count in ways.items() if abs(s) >= abs(sum(numbers))) / 2 ** len(numbers)


def run(requests):
    done = subprocess.run([TOOL], input="\n".join(requests) + "\n", capture_output=True, text=True, check=True)
    answers = [line.split() for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    return answers


def test_paired_permutation_is_exact():
    rng = random.Random(2)
    for n in (2, 3, 5, 6, 8, 10, 12):  # every sign pattern, by SciPy
        for _ in range(6):
            d = differences(rng, n)
            (answer,) = run([f"permutation 0 {' '.join(map(repr, d))}"])
            expected = stats.permutation_test((np.array(d),), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples",
                                              n_resamples=np.inf, vectorized=True).pvalue if any(d) else 1.0
            assert abs(float(answer[0]) - expected) < TOLERANCE and answer[1] == "1", (d, answer, expected)
    for n in (15, 20, 25, 32, 45):  # by counting; 45 of which 30 are not zero
        for _ in range(6):
            d = [rng.choice([-7, -3, -2, -1, 1, 2, 3, 4, 8]) for _ in range(min(n, 30 if n > 32 else n))]
            d += [0] * (n - len(d))
            (answer,) = run([f"permutation 0 {' '.join(str(x / 16) for x in d)}"])
            assert abs(float(answer[0]) - exact_permutation(d)) < TOLERANCE and answer[1] == "1", (d, answer)


def test_sampled_permutation_is_near_the_exact_one_and_repeats():
    rng = random.Random(3)
    for n in (33, 40, 50, 200):
        d = [rng.choice([-3, -2, -1, 1, 2, 3, 4]) for _ in range(n)]
        requests = [f"permutation {seed} {' '.join(map(str, d))}" for seed in (0, 0, 1)]
        a, b, c = run(requests)
        exact = exact_permutation(d)
        deviation = (exact * (1 - exact) / 99999) ** 0.5
        assert a == b and a[1] == "0"
        for answer in (a, c): assert abs(float(answer[0]) - exact) < 5 * deviation + 1e-5, (n, answer, exact)


def test_bca_interval_equals_scipys_on_the_same_resamples():
    rng = random.Random(4)
    for n in (2, 3, 6, 20, 50):
        for seed in range(5):
            values = differences(rng, n)
            if len(set(values)) == 1: continue
            (answer,) = run([f"bca {seed} 2000 {' '.join(map(repr, values))}"])
            low, high, *means = map(float, answer)
            assert len(means) == 2000 and abs(np.mean(means) - np.mean(values)) < 6 * np.std(values) / (2000 * n) ** 0.5 + 1e-12
            before = type("Before", (), {"bootstrap_distribution": np.array(means)})
            if np.mean(np.array(means) < np.mean(values)) in (0, 1): continue  # SciPy has no interval then
            expected = stats.bootstrap((np.array(values),), np.mean, n_resamples=0, bootstrap_result=before, method="BCa")
            interval = expected.confidence_interval
            assert abs(low - interval.low) < 1e-6 and abs(high - interval.high) < 1e-6, (values, low, high, interval)


def test_holm_equals_statsmodels():
    rng = random.Random(9)
    lists = [[rng.random() ** 3 for _ in range(rng.randint(1, 12))] for _ in range(30)]
    for p, answer in zip(lists, run(["holm " + " ".join(map(repr, p)) for p in lists])):
        assert np.allclose([float(x) for x in answer], multipletests(p, method="holm")[1], atol=TOLERANCE, rtol=0)


def test_smallest_mean_difference_equals_statsmodels():
    rng = random.Random(10)
    cases = [(rng.uniform(-6, 12), df, rng.uniform(-4, 8)) for df in (1, 2, 5, 19, 49, 200) for _ in range(12)]
    for (t, df, delta), answer in zip(cases, run([f"nct {t!r} {df} {delta!r}" for t, df, delta in cases])):
        expected = stats.nct.cdf(t, df, delta)
        assert math.isnan(expected) or abs(float(answer[0]) - expected) < 1e-8, (t, df, delta)
    cases = [(p, df) for df in (1, 2, 5, 19, 49, 200) for p in (0.005, 0.025, 0.3, 0.9, 0.975)]
    for (p, df), answer in zip(cases, run([f"tquantile {p} {df}" for p, df in cases])):
        assert abs(float(answer[0]) / stats.t.ppf(p, df) - 1) < 1e-8
    for n in (6, 10, 20, 35, 50, 200, 1000):
        for deviation, alpha, power in ((1.0, 0.05, 0.8), (0.23, 0.05, 0.9), (0.4, 0.01, 0.8)):
            (answer,) = run([f"meandetectable {n} {deviation} {alpha} {power}"])
            def lacking(d):  # SciPy's non-central t gives NaN far out, where the power is 1
                reached = TTestPower().power(d, n, alpha, alternative="two-sided")
                return (1 if math.isnan(reached) else reached) - power
            effect = optimize.brentq(lacking, 1e-6, 30, xtol=1e-14)
            assert abs(float(answer[0]) - effect * deviation) < 1e-6, (n, deviation, alpha, power, answer, effect)
    assert run(["meandetectable 1 0.5 0.05 0.8", "meandetectable 20 0 0.05 0.8"]) == [["none"], ["none"]]


@pytest.mark.slow
def test_equal_contestants_hardly_ever_win():
    """Hundreds of thousands of simulated evaluations with equal rates; a short form is in eval_test."""
    program = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "eval_test")
    subprocess.run([program, "--gtest_also_run_disabled_tests", "--gtest_filter=NoAccidentalWin.DISABLED_*"], check=True)


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

