"""src/data/near_duplicates.cpp against datasketch and against the exact Jaccard similarity.

The rows of a file that no one wrote: sentences over a Zipf vocabulary and short chat questions, some of them changed in a
few words, so that similarities lie on both sides of 0.8. datasketch proposes pairs over the same shingles, the exact
similarity keeps those at 0.8 or more; planted pairs at 0.8 or more that it missed are added. What the program reports must
hold at least 98 % of them, nothing below 0.8, and every similarity to six digits.
"""
import os
import random
import re
import subprocess

import pytest
from datasketch import MinHash, MinHashLSH

TOOL = os.path.join(os.environ.get("LORA_BUILD_DIR", "build"), "tools", "near_tool")
THRESHOLD = 0.8
SYLLABLES = "ba ce di fo gu ha ke li mo nu pa re si to vu wa ye zo bra cle dri fro stu".split()
SCRIPTS = ["naïve", "Straße", "ÉCOLE", "Übung", "слово", "ПРИМЕР", "λόγος", "don't", "3.14", "C++", "snake_case", "日本", "語"]


def words(text):
    """Lower-case words; an ideograph is a word; an apostrophe joins. What data/words.h says, for these texts."""
    text = text.lower().replace("'", "")
    return re.findall(r"\d+(?:\.\d+)+|[\u2e80-\u9fff]|[^\W\u2e80-\u9fff]+|\+", text)


def shingles(text):
    w = words(text)
    return set(w) | {a + " " + b for a, b in zip(w, w[1:])}


def jaccard(a, b):
    return len(a & b) / len(a | b) if a or b else 1.0


def make_rows(n, seed):
    """Rows and the pairs planted among them."""
    rng = random.Random(seed)
    vocabulary = list({"".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 4))) for _ in range(6000)})
    vocabulary.sort()
    weights = [1 / (i + 3) for i in range(len(vocabulary))]
    draw = lambda k: rng.choices(vocabulary, weights, k=k)
    rows, planted = [], []
    while len(rows) < n:
        k = rng.choice([rng.randint(4, 10), rng.randint(10, 40), rng.randint(40, 160)])
        row = draw(k)
        if rng.random() < 0.2: row[rng.randrange(k)] = rng.choice(SCRIPTS)
        rows.append(row)
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 5])):
            copy = list(row)
            for _ in range(rng.randint(0, max(1, k // 8))):
                at = rng.randrange(len(copy))
                action = rng.random()
                if action < 0.6: copy[at] = rng.choice(vocabulary)
                elif action < 0.8: copy.insert(at, rng.choice(vocabulary))
                elif len(copy) > 3: del copy[at]
            planted.append((len(rows) - 1, len(rows)))
            rows.append(copy)
            row = rng.choice([row, copy])
    shapes = [lambda t: t, str.capitalize, lambda t: t + "?", lambda t: t + ".  ", lambda t: f"“{t}”", lambda t: t.replace(" ", "  ", 1)]
    return [rng.choice(shapes)(" ".join(row)) for row in rows], planted


def reference_pairs(rows, planted):
    sets = [shingles(row) for row in rows]
    lsh = MinHashLSH(threshold=THRESHOLD - 0.1, num_perm=128)
    found = set()
    for i, items in enumerate(sets):
        sketch = MinHash(num_perm=128, seed=3)
        sketch.update_batch([s.encode() for s in items])
        found.update((j, i) for j in lsh.query(sketch))
        lsh.insert(i, sketch)
    found |= {tuple(sorted(pair)) for pair in planted}
    similarity = {(i, j): jaccard(sets[i], sets[j]) for i, j in found}
    return {pair: s for pair, s in similarity.items() if s >= THRESHOLD}, sets


def check(n, seed, *options):
    rows, planted = make_rows(n, seed)
    expected, sets = reference_pairs(rows, planted)
    done = subprocess.run([TOOL, str(THRESHOLD), *options], input="\n".join(rows) + "\n", capture_output=True, text=True,
                          check=True)
    ours = {(int(i), int(j)): float(s) for i, j, s in (line.split() for line in done.stdout.splitlines())}
    recall = sum(pair in ours for pair in expected) / len(expected)
    print(f"{len(rows)} rows: {len(expected)} pairs of the reference, {len(ours)} here, recall {recall:.4f}")
    assert len(expected) > n / 10
    assert recall >= 0.98
    for (i, j), s in ours.items():
        assert i < j and abs(jaccard(sets[i], sets[j]) - s) < 1e-6, (rows[i], rows[j])
        assert s >= THRESHOLD


def test_3000_rows():
    check(3000, 1)


def test_beyond_the_memory_budget():
    check(1000, 2, "0")


@pytest.mark.slow
def test_20000_rows():
    check(20_000, 4)
