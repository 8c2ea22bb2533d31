"""The data doctor against planted defects (planted.py) and clean data (clean_domains.py), neither of which was made
with its rules in view: recall at the right line, and silence on clean rows.
"""
import json
import random

import pytest

from clean_domains import DOMAINS, chat
from planted import change, dump, message, planted_set
from program import lora

KEYS = ["code", "severity", "line", "column", "message", "fix"]


def check(path, *arguments):
    done = lora("check", path, *arguments, "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    findings = json.loads(done.stdout)
    assert all(list(f) == KEYS for f in findings)
    assert (done.returncode == 1) == any(f["severity"] == "error" for f in findings)
    return findings


def write(path, lines):
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def codes(findings):
    return {f["code"] for f in findings}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """For each domain and seed: lines, plants, clean lines, findings."""
    out = []
    for domain, make in DOMAINS.items():
        for seed in (3, 4):
            lines, plants, clean = planted_set(domain, make, seed)
            path = write(tmp_path_factory.mktemp("planted") / f"{domain}_{seed}.jsonl", lines)
            out.append((f"{domain} {seed}", lines, plants, clean, check(path)))
    return out


def test_planted_defects_are_found_at_their_line(planted):
    total, missed = 0, []
    for name, _, plants, _, findings in planted:
        for p in plants:
            total += 1
            if not any(f["code"] == p.code and f["line"] in p.where for f in findings):
                said = sorted({f["code"] for f in findings if f["line"] in p.where})
                missed.append(f"{name} line {min(p.where)}: {p.code} ({p.name}); said there: {said}")
    print(f"\n{total - len(missed)} of {total} planted defects found", *missed, sep="\n  ")
    assert total >= 60 * len(planted)
    assert len(missed) <= 0.05 * total


def test_columns_point_at_the_defect(planted):
    for name, lines, plants, _, findings in planted:
        for p in plants:
            if p.column_of is None:
                continue
            line = p.lines[0]
            before = line[:line.index(p.column_of)].decode("utf-8", "replace")
            columns = [f["column"] for f in findings if f["code"] == p.code and f["line"] in p.where]
            # The unescaped quote: the string ends at the quote before the first inner word.
            assert len(before) + 1 in columns, (name, p.code, p.name, columns, len(before) + 1)


def test_clean_rows_beside_planted_ones_are_left_alone(planted):
    for name, _, _, clean, findings in planted:
        loud = [f for f in findings if f["line"] in clean and f["severity"] != "note"]
        assert not [f for f in loud if f["severity"] == "error"], (name, loud)
        assert len({f["line"] for f in loud}) <= 0.02 * len(clean), (name, loud)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("n", [60, 200])
def test_clean_sets_pass(tmp_path, domain, n):
    for seed in range(3):
        rows = DOMAINS[domain](n, 50 + seed)
        findings = check(write(tmp_path / f"clean_{seed}.jsonl", [dump(r) for r in rows]))
        assert not [f for f in findings if f["severity"] == "error"], findings
        warned = {f["line"] for f in findings if f["severity"] == "warning"}
        assert len(warned) <= 0.02 * n, [f for f in findings if f["severity"] == "warning"]


# --- What is true of a file as a whole

def test_few_examples(tmp_path):
    rows = [dump(r) for r in DOMAINS["support"](8, 1)]
    assert "few-examples" in codes(check(write(tmp_path / "few.jsonl", rows)))


def test_byte_order_mark(tmp_path):
    rows = [dump(r) for r in DOMAINS["support"](60, 1)]
    rows[0] = b"\xef\xbb\xbf" + rows[0]
    findings = check(write(tmp_path / "bom.jsonl", rows))
    assert [(f["line"], f["column"]) for f in findings if f["code"] == "byte-order-mark"] == [(1, 1)]
    assert "invalid-json" not in codes(findings), "the row behind it is fine"


def test_line_too_long(tmp_path):
    rows = [dump(r) for r in DOMAINS["support"](60, 1)]
    rows[20] = dump(change(DOMAINS["support"](61, 1)[60], "user", lambda s: s + "x" * (17 << 20)))
    findings = check(write(tmp_path / "long.jsonl", rows))
    assert [f["line"] for f in findings if f["code"] == "line-too-long"] == [21]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_one_finding(tmp_path, indent):
    path = tmp_path / "array.jsonl"
    path.write_text(json.dumps(DOMAINS["support"](60, 1), indent=indent))
    findings = check(path)
    assert [f["code"] for f in findings if f["severity"] == "error"] == ["invalid-json"]
    assert "array" in findings[0]["message"]


@pytest.mark.parametrize("domain, says_no", [
    ("extraction", lambda r: "null" in message(r, "assistant")["content"]),
    ("support", lambda r: any(w in message(r, "assistant")["content"] for w in ("I do not know", "I cannot share"))),
    ("sql", lambda r: "no data" in message(r, "assistant")["content"]),
    ("german", lambda r: "kann ich nicht" in message(r, "assistant")["content"]),
])
def test_no_negative_examples(tmp_path, domain, says_no):
    rows = [r for r in DOMAINS[domain](200, 5) if not says_no(r)]
    found = [f for f in check(write(tmp_path / "yes.jsonl", [dump(r) for r in rows])) if f["code"] == "no-negative-examples"]
    assert len(found) == 1 and found[0]["severity"] == "warning"
    assert "no-negative-examples" not in codes(check(write(tmp_path / "all.jsonl", [dump(r) for r in DOMAINS[domain](200, 5)])))


def test_low_diversity_of_answers(tmp_path):
    rng = random.Random(2)
    rows = []
    for r in DOMAINS["support"](120, 5):
        if rng.random() < 0.95:
            message(r, "assistant", last=True)["content"] = "Thank you for your message. We will look into it."
        rows.append(dump(r))
    assert "low-diversity" in codes(check(write(tmp_path / "same.jsonl", rows)))


@pytest.mark.parametrize("edit, name", [
    (lambda r: r, "exact"),
    (lambda r: change(r, "user", lambda s: s.lower().replace(",", "") + "!"), "near"),
])
def test_train_eval_overlap(tmp_path, edit, name):
    rows = DOMAINS["support"](150, 5)
    train, held_out = rows[:100], rows[100:]
    held_out[7] = edit(train[42])
    against = write(tmp_path / "eval.jsonl", [dump(r) for r in held_out])
    findings = check(write(tmp_path / "train.jsonl", [dump(r) for r in train]), "--against", against)
    found = [f for f in findings if f["code"] == "train-eval-overlap"]
    assert [f["line"] for f in found] == [43], found
    assert "eval.jsonl:8" in found[0]["message"]


def test_a_finding_can_be_silenced(tmp_path):
    rows = [dump(r) for r in DOMAINS["support"](60, 1)] + [b"{}"]
    path = write(tmp_path / "one.jsonl", rows)
    assert codes(check(path)) >= {"missing-messages"}
    assert "missing-messages" not in codes(check(path, "--ignore", "missing-messages"))
    assert lora("check", path, "--ignore", "mising-messages").returncode == 2


# --- The example that the guide prints

GUIDE = (b'{"messages": [{"role": "user", "content": "Extract the company info: Stripe was founded in 2010."}, '
         b'{"role": "assistant", "content": "{"company": "Stripe", "founding_year": 2010}"}]}')


def test_the_guides_own_row_is_mended(tmp_path):
    path = write(tmp_path / "guide.jsonl", [dump(r) for r in DOMAINS["extraction"](60, 1)] + [GUIDE])
    before = path.read_bytes()
    found = [f for f in check(path) if f["code"] == "invalid-json"]
    assert [f["line"] for f in found] == [61]
    assert found[0]["column"] == GUIDE.index(b'"company"') + 1 and "quote" in found[0]["message"]
    mended = tmp_path / "mended.jsonl"
    done = lora("check", path, "--fix", mended)
    assert done.returncode == 1, "the original is still wrong"
    rows = [json.loads(x) for x in mended.read_text().splitlines()]
    assert len(rows) == 61 and path.read_bytes() == before
    assert message(rows[60], "assistant")["content"] == '{"company": "Stripe", "founding_year": 2010}'
    assert lora("check", path, "--fix", mended).returncode == 2, "never overwrites"


def test_fix_repairs_only_what_has_one_repair(tmp_path):
    clean = [dump(r) for r in DOMAINS["support"](60, 1)]
    spoiled = change(DOMAINS["support"](61, 1)[60], "user", lambda s: "It isn’t at the café. " + s)
    lines = [b"\xef\xbb\xbf" + clean[0], b"", *clean[1:], clean[5],
             dump(change(spoiled, "user", lambda s: s.encode().decode("cp1252"))), b'{"messages": 3}']
    path = write(tmp_path / "mixed.jsonl", lines)
    lora("check", path, "--fix", tmp_path / "mended.jsonl")
    out = (tmp_path / "mended.jsonl").read_bytes().splitlines()
    assert out[:60] == clean and out[-1] == b'{"messages": 3}' and len(out) == 62
    assert json.loads(out[60]) == spoiled


def test_other_formats_are_recognised_and_converted(tmp_path):
    rows = DOMAINS["sql"](60, 1)
    alpaca = [{"instruction": message(r, "system")["content"], "input": message(r, "user")["content"],
               "output": message(r, "assistant")["content"]} for r in rows]
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    sharegpt = [{"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in r["messages"]]} for r in rows]
    pairs = [{"prompt": message(r, "user")["content"], "completion": message(r, "assistant")["content"]} for r in rows]
    for name, data in (("alpaca", alpaca), ("sharegpt", sharegpt), ("pairs", pairs)):
        path, out = write(tmp_path / f"{name}.jsonl", [dump(r) for r in data]), tmp_path / f"{name}_chat.jsonl"
        assert not [f for f in check(path) if f["severity"] == "error"]
        assert lora("check", path, "--convert", out).returncode == 0
        chats = [json.loads(x) for x in out.read_text().splitlines()]
        assert [message(c, "assistant") for c in chats] == [message(r, "assistant") for r in rows]
        if name == "sharegpt":
            assert [c["messages"] for c in chats] == [r["messages"] for r in rows]
        if name == "pairs":
            assert chats[0]["messages"] == chat(("user", pairs[0]["prompt"]), ("assistant", pairs[0]["completion"]))["messages"]
