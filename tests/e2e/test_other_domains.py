"""The data doctor in domains, languages and formats that its makers' own sets (test_doctor.py) do not have."""
import collections
import copy
import json

import pytest

from other_domains import DOMAINS, asked
from other_plants import edit, has, planted
from planted import dump
from program import lora
from test_doctor import check, write

# A list where a text belongs is said to be of a wrong kind in one way or the other.
SAME = {"non-string-content": {"invalid-value", "missing-messages"}}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """For each domain, twice with other defects: the plants, the clean lines, what is said of each line."""
    folder = tmp_path_factory.mktemp("other")
    out = []
    for i, (domain, make) in enumerate(DOMAINS.items()):
        for seed in (3, 4):
            lines, plants, clean = planted(domain, make, seed, turn=2 * i + seed - 3)
            findings = collections.defaultdict(list)
            for f in check(write(folder / f"{domain}_{seed}.jsonl", lines)):
                findings[f["line"]].append(f)
            out.append((f"{domain} {seed}", plants, clean, findings))
    return out


def test_planted_defects_are_found_at_their_line(judged):
    total, found, missed = collections.Counter(), collections.Counter(), []
    for name, plants, _, findings in judged:
        for p in plants:
            said = {f["code"] for line in p.where for f in findings[line]}
            total[p.code] += 1
            if said & ({p.code} | SAME.get(p.code, set())):
                found[p.code] += 1
            else:
                missed.append(f"{name} line {min(p.where)}: {p.code} ({p.name}); said there: {sorted(said)}")
    print(f"\n{found.total()} of {total.total()} planted defects found", *missed, sep="\n  ")
    assert total.total() >= 2000 and len(total) >= 27
    assert found.total() >= 0.98 * total.total()
    assert not [code for code in total if found[code] < 0.95 * total[code]], missed


def test_clean_rows_beside_them_are_left_alone(judged):
    for name, _, clean, findings in judged:
        loud = [f for line in clean for f in findings[line] if f["severity"] != "note"]
        assert not [f for f in loud if f["severity"] == "error"], (name, loud)
        assert len({f["line"] for f in loud}) <= 0.02 * len(clean), (name, loud)


@pytest.mark.parametrize("domain", DOMAINS)
def test_clean_sets_pass(tmp_path, domain):
    for n, seed in ((100, 20), (100, 21), (400, 22)):
        findings = check(write(tmp_path / f"{seed}.jsonl", [dump(r) for r in DOMAINS[domain](n, seed)]))
        assert not [f for f in findings if f["severity"] == "error"], findings
        warned = {f["line"] for f in findings if f["severity"] == "warning"}
        assert len(warned) <= 0.02 * n, [f for f in findings if f["severity"] == "warning"]


def as_chat(row):
    """A ShareGPT row as a chat row; others as they are."""
    if "conversations" not in row:
        return {**row, "id": 5}
    names = {"human": "user", "gpt": "assistant"}
    return {"messages": [{"role": names.get(m["from"], m["from"]), "content": m["value"]} for m in row["conversations"]]}


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_that_leaked_from_the_held_out_set(tmp_path, domain):
    rows = DOMAINS[domain](190, 8)
    train, held_out = rows[:140], rows[140:]
    leaks = {3: lambda r: r, 17: as_chat, 31: lambda r: edit(r, "user", str.upper, last=False), 59: lambda r: edit(r, "user", lambda s: f"  {s} ", last=False),
             77: lambda r: edit(r, "assistant", lambda s: "Nobody can say so.") if has(r, "assistant") else r,
             98: lambda r: edit(r, "user", lambda s: s.replace(",", "").replace("?", "") + "!", last=False)}
    for k, (i, change) in enumerate(leaks.items()):
        held_out.insert(7 * k, change(copy.deepcopy(train[i])))
    against = write(tmp_path / "eval.jsonl", [dump(r) for r in held_out])
    found = [f for f in check(write(tmp_path / "train.jsonl", [dump(r) for r in train]), "--against", against) if f["code"] == "train-eval-overlap"]
    assert {i + 1 for i in leaks} <= {f["line"] for f in found}, found
    assert len([f for f in found if f["line"] - 1 not in leaks]) <= 0.02 * len(train), found


@pytest.mark.parametrize("domain, says_no", [
    ("energy_german", ("leider nicht vorhersagen", "Aus Gründen des Datenschutzes")), ("library_french", ("Je ne peux pas", "Je l'ignore")),
    ("hotel_spanish", ("No lo sabemos", "Lo siento, no puedo")), ("code_review", ("I see nothing wrong",)), ("summaries", ("I cannot summarise",)),
    ("products", ("I cannot describe",)), ("general", ("I can't know",)), ("railway_japanese", ("申し訳ありません", "まだ分かりません", "まだ届いておりません")),
])
def test_no_negative_examples(tmp_path, domain, says_no):
    rows = DOMAINS[domain](260, 9)
    yes = [r for r in rows if not any(word in dump(r).decode() for word in says_no)]
    assert 60 < len(yes) < 260
    codes = [(f["code"], f["severity"]) for f in check(write(tmp_path / "yes.jsonl", [dump(r) for r in yes]))]
    assert codes.count(("no-negative-examples", "warning")) == 1, codes
    assert "no-negative-examples" not in {f["code"] for f in check(write(tmp_path / "all.jsonl", [dump(r) for r in rows]))}


@pytest.mark.parametrize("domain", ["energy_german", "hotel_spanish", "general", "summaries"])
def test_answers_that_are_all_the_same(tmp_path, domain):
    rows = [edit(r, "assistant", lambda s: "Thank you for your message. We will get back to you.") if i % 10 < 6 else r for i, r in enumerate(DOMAINS[domain](150, 9))]
    assert "low-diversity" in {f["code"] for f in check(write(tmp_path / "same.jsonl", [dump(r) for r in rows]))}


@pytest.mark.parametrize("domain", DOMAINS)
def test_few_examples(tmp_path, domain):
    assert "few-examples" in {f["code"] for f in check(write(tmp_path / "few.jsonl", [dump(r) for r in DOMAINS[domain](12, 9)]))}


def test_the_sets_are_made_from_their_seed():
    for make in DOMAINS.values():
        a, b = make(50, 1), make(50, 1)
        assert json.dumps(a) == json.dumps(b) and len({asked(r) for r in a}) > 40


def test_lines_that_end_with_carriage_returns(tmp_path):
    rows = [dump(r) for r in DOMAINS["hotel_spanish"](120, 9)]
    path, mended = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    path.write_bytes(b"\r".join([*rows, rows[7]]) + b"\r")
    findings = [f for f in check(path) if f["severity"] == "error" or f["code"] == "duplicate"]
    assert [(f["code"], f["line"]) for f in findings] == [("invalid-json", 1), ("duplicate", 121)]
    assert "CR" in findings[0]["message"]
    lora("check", path, "--fix", mended)
    assert mended.read_bytes() == b"\n".join(rows) + b"\n"
