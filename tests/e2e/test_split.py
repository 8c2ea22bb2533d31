"""`lora split`: the parts that a user gets, and that nothing leaks between them."""
import hashlib
import json
import random

import pytest

from clean_domains import DOMAINS
from program import ROOT, chat, lora, succeed, word_rows, write_rows

DEMO = ROOT / "examples" / "json-extraction" / "data.jsonl"
PARTS = ["train", "valid", "test", "golden", "set_aside"]


def split(data, out, *arguments):
    return json.loads(succeed("split", data, "--out", out, "--format", "json", *arguments).stdout)


def lines_of(folder):
    return {p: (folder / f"{p}.jsonl").read_bytes().splitlines(keepends=True) if (folder / f"{p}.jsonl").exists() else []
            for p in PARTS}


def user_words(line):
    return " ".join(m["content"] for m in json.loads(line)["messages"] if m["role"] == "user").lower().split()


def test_rows_are_the_lines_of_the_file(tmp_path):
    said = split(DEMO, tmp_path / "parts")
    parts = lines_of(tmp_path / "parts")
    assert sorted(sum(parts.values(), [])) == sorted(DEMO.read_bytes().splitlines(keepends=True))
    assert (len(parts["train"]), len(parts["valid"]), len(parts["test"])) == (225, 25, 50)
    record = json.loads((tmp_path / "parts" / "split.json").read_text())
    source = DEMO.read_bytes().splitlines(keepends=True)
    for name, part in record["parts"].items():
        assert [source[n - 1] for n in part["lines"]] == parts[name]
        assert part["sha256"] == hashlib.sha256((tmp_path / "parts" / part["file"]).read_bytes()).hexdigest()
    assert said["why"] == record["why"] and "50 held out for the verdict" in said["why"]


def test_no_changed_copy_of_a_row_is_on_another_side(tmp_path):
    rng = random.Random(3)
    for domain in ("extraction", "support", "sql"):
        rows = [json.dumps(r) for r in DOMAINS[domain](110, 9)]
        twins = {}
        for i in rng.sample(range(len(rows)), 30):
            row = json.loads(rows[i])
            message = next(m for m in row["messages"] if m["role"] == "user")
            message["content"] = rng.choice([str.upper, lambda s: s + " !!", lambda s: s.replace(" ", "  ")])(message["content"])
            twins[json.dumps(row)] = rows[i]
        data = tmp_path / f"{domain}.jsonl"
        mixed = rows + list(twins)
        rng.shuffle(mixed)
        data.write_text("\n".join(mixed) + "\n")
        split(data, tmp_path / domain)
        side = {line.decode().strip(): name for name, lines in lines_of(tmp_path / domain).items() for line in lines}
        for twin, original in twins.items():
            pair = {side[twin], side[original]}
            assert pair == {"train"} or "set_aside" in pair, (domain, pair, twin)


def test_seed_and_order(tmp_path):
    lines = DEMO.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    (tmp_path / "shuffled.jsonl").write_bytes(b"".join(lines))
    for name, data, seed in [("a", DEMO, 1), ("b", tmp_path / "shuffled.jsonl", 1), ("c", DEMO, 2)]:
        split(data, tmp_path / name, "--seed", seed)
    a, b, c = (set(lines_of(tmp_path / name)["test"]) for name in "abc")
    assert a == b and len(a & c) < 20


def test_appended_rows_leave_the_others_where_they_are(tmp_path):
    lines = DEMO.read_bytes().splitlines(keepends=True)
    (tmp_path / "less.jsonl").write_bytes(b"".join(lines[:270]))
    split(tmp_path / "less.jsonl", tmp_path / "a", "--test-size", 50)
    split(DEMO, tmp_path / "b", "--test-size", 50)
    before, after = lines_of(tmp_path / "a"), lines_of(tmp_path / "b")
    assert len(set(before["test"]) & set(after["test"])) >= 45
    assert not set(before["train"]) & set(after["test"]) and not set(before["test"]) & set(after["train"])


def test_what_is_asked_was_learned_in_no_turn_of_a_conversation(tmp_path):
    rows = word_rows(60)
    rows += [{"messages": r["messages"] + chat(f"And then {i}?", "Nothing.")["messages"]} for i, r in enumerate(rows[:20])]
    data = write_rows(tmp_path / "data.jsonl", rows)
    for seed in range(4):
        split(data, tmp_path / str(seed), "--seed", seed)
        parts = {name: [json.loads(line)["messages"] for line in lines] for name, lines in lines_of(tmp_path / str(seed)).items()}
        asked = {m[0]["content"] for m in parts["test"] + parts["valid"] if len(m) == 2}
        assert asked and not asked & {m[0]["content"] for m in parts["train"]}
        done = lora("check", tmp_path / str(seed) / "train.jsonl", "--against", tmp_path / str(seed) / "test.jsonl", "--format", "json")
        assert not [f for f in json.loads(done.stdout) if f["code"] == "train-eval-overlap" and f["severity"] == "error"]


def test_golden_rows_and_a_given_test_set(tmp_path):
    lines = DEMO.read_text().splitlines()
    rows = [json.loads(line) for line in lines[:80]]
    for i in (3, 40): rows[i]["golden"] = True
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    split(data, tmp_path / "parts")
    parts = lines_of(tmp_path / "parts")
    assert [json.loads(line) for line in parts["golden"]] == [rows[3], rows[40]]
    assert not any(b'"golden"' in line for line in parts["train"] + parts["valid"] + parts["test"])

    (tmp_path / "test.jsonl").write_text("".join(line + "\n" for line in lines[70:120]))
    said = split(data, tmp_path / "against", "--against", tmp_path / "test.jsonl")
    parts = lines_of(tmp_path / "against")
    assert len(parts["set_aside"]) == 10 and not parts["test"] and "10 rows are set aside" in said["why"]
    assert not {tuple(user_words(line)) for line in parts["train"] + parts["valid"]} & {
        tuple(user_words(line)) for line in lines[70:120]}


@pytest.mark.parametrize("arguments, said", [
    (["missing.jsonl", "--out", "{}/new"], "missing.jsonl"),
    ([DEMO, "--out", "{}/full"], "nothing is overwritten"),
    ([DEMO, "--out", "{}/new", "--test-size", "290", "--valid-size", "20"], "to train on"),
    (["-", "--out", "{}/new"], "standard input"),
    ([DEMO], "--out"),
])
def test_what_cannot_be_done_is_said_and_nothing_is_left(tmp_path, arguments, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "train.jsonl").write_text("mine\n")
    done = lora("split", *[str(a).format(tmp_path) for a in arguments])
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "new").exists() and (tmp_path / "full" / "train.jsonl").read_text() == "mine\n"
