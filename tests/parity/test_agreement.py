"""src/eval/agreement.cpp against Cohen's definition in exact fractions; its standard error against the delta method with
numerical derivatives (what the closed form of Fleiss, Cohen and Everitt 1969 is derived from)."""
import math
import os
import random
import subprocess
from fractions import Fraction

from scipy import stats

TOOL = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "tools", "stats_tool")


def kappa(p, k):
    observed = sum(p[i][i] for i in range(k))
    chance = sum(sum(p[i]) * sum(row[i] for row in p) for i in range(k))
    return None if chance == sum(map(sum, p)) ** 2 == 1 else (observed - chance) / (1 - chance)


def expected(pairs, k):
    n = len(pairs)
    p = [[Fraction(sum(pair == (i, j) for pair in pairs), n) for j in range(k)] for i in range(k)]
    value = kappa(p, k)
    if value is None: return None
    floats, h = [[float(x) for x in row] for row in p], 1e-6
    slope = {}
    for i in range(k):
        for j in range(k):
            moved = [[[x + s * h * ((a, b) == (i, j)) for b, x in enumerate(row)] for a, row in enumerate(floats)] for s in (1, -1)]
            slope[i, j] = (kappa(moved[0], k) - kappa(moved[1], k)) / (2 * h)
    mean = sum(floats[i][j] * slope[i, j] for i in range(k) for j in range(k))
    variance = sum(floats[i][j] * (slope[i, j] - mean) ** 2 for i in range(k) for j in range(k)) / n
    half = stats.norm.ppf(0.975) * math.sqrt(variance)
    return float(value), max(-1, float(value) - half), min(1, float(value) + half)


def test_kappa_agrees_with_its_definition():
    rng = random.Random(3)
    cases = [([(0, 0)] * 5, 3), ([(0, 1)] * 4, 2), ([(0, 0), (1, 1)], 2)]
    for _ in range(200):
        k, n = rng.choice((2, 3, 3, 4)), rng.randint(1, 80)
        alike = rng.random()
        pairs = [(a := rng.randrange(k), a if rng.random() < alike else rng.randrange(k)) for _ in range(n)]
        cases.append((pairs, k))
    requests = ["kappa {} {}".format(k, " ".join(f"{a} {b}" for a, b in pairs)) for pairs, k in cases]
    run = subprocess.run([TOOL], input="\n".join(requests) + "\n", capture_output=True, text=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(cases)
    for (pairs, k), got in zip(cases, answers):
        wanted = expected(pairs, k)
        if wanted is None:
            assert got == "none", pairs
            continue
        numbers = [float(x) for x in got.split()]
        assert abs(numbers[0] - wanted[0]) < 1e-9, (pairs, got, wanted)
        assert max(abs(a - b) for a, b in zip(numbers[1:], wanted[1:])) < 1e-6, (pairs, got, wanted)
