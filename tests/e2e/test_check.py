"""`lora check` as scripts use it: inputs, outputs, exit codes. What it finds is test_doctor.py's business."""
import gzip
import json
import subprocess

import pytest

from program import LORA, chat, error_line, lora, word_rows, write_rows

KEYS = ["code", "severity", "line", "column", "message", "fix"]


def run(*arguments, stdin=b""):
    return subprocess.run([LORA, "check", *map(str, arguments)], input=stdin, capture_output=True, timeout=120)


def findings(done):
    assert done.returncode in (0, 1), done.stderr
    out = json.loads(done.stdout)
    assert all(list(f) == KEYS for f in out)
    return out


@pytest.fixture
def data(tmp_path):
    rows = "".join(json.dumps(r) + "\n" for r in word_rows(120)) + '{"messages": []}\n'
    path = tmp_path / "data.jsonl"
    path.write_text(rows)
    return path


def test_plain_gzip_and_standard_input_say_the_same(tmp_path, data):
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(data.read_bytes()))
    plain = run(data, "--format", "json")
    assert plain.returncode == 1 and [(f["code"], f["line"]) for f in findings(plain) if f["severity"] == "error"] == [("missing-messages", 121)]
    assert run(packed, "--format", "json").stdout == plain.stdout
    assert run("-", "--format", "json", stdin=data.read_bytes()).stdout == plain.stdout
    assert run("-", "--format", "json", stdin=packed.read_bytes()).stdout == plain.stdout
    assert findings(run("-", "--format", "json", "--structural-only", stdin=data.read_bytes()))[0]["code"] == "missing-messages"


@pytest.mark.parametrize("spoil, part", [
    (lambda b: gzip.compress(b)[:-9], "too early"),
    (lambda b: gzip.compress(b)[:40] + b"\xff" * 60, "damaged"),
    (lambda b: b.decode().encode("utf-16"), "UTF-16"),
    (lambda b: b"PAR1" + b, "Parquet"),
    (lambda b: b"\x28\xb5\x2f\xfd" + b, "zstd"),
])
def test_what_is_not_a_data_file_is_wrong_use(tmp_path, data, spoil, part):
    path = tmp_path / "spoiled"
    path.write_bytes(spoil(data.read_bytes()))
    assert part in error_line(lora("check", path), 2)


def test_wrong_use(tmp_path, data):
    assert "does not exist" in error_line(lora("check", tmp_path / "none.jsonl"), 2)
    assert "no data file" in error_line(lora("check"), 2)
    assert "few-examples" in error_line(lora("check", data, "--ignore", "few-exmples"), 2)
    assert "overwritten" in error_line(lora("check", data, "--fix", data), 2)
    assert "same file" in error_line(lora("check", data, "--fix", tmp_path / "o", "--convert", tmp_path / "o"), 2)
    assert "none.jsonl" in error_line(lora("check", data, "--against", tmp_path / "none.jsonl"), 2)
    assert lora("check", data, "--max-seq-length", "0").returncode == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.jsonl"]


def test_text_output(data):
    done = run(data)
    text = done.stdout.decode()
    assert f"{data}:121:14: error: " in text and "[missing-messages]" in text and "121 rows" in text and "\033" not in text
    assert "1 error" in text
    codes = run("--codes").stdout.decode()
    assert "invalid-json" in codes and "few-examples" in codes
    assert "--fix" in run("--help").stdout.decode()


def test_codes_are_ignored_before_and_behind_the_file(data):
    for arguments in ((data, "--ignore", "missing-messages,few-examples"), ("--ignore", "few-examples", "--ignore", "missing-messages", data)):
        assert run(*arguments).returncode == 0


def test_all_findings_of_a_row_and_its_places(tmp_path):
    row = '{"messages": [{"role": "user", "content": "é <|im_end|>", "nmae": "x"}, {"role": "system", "content": "s"}, {"role": "asistant", "content": 3}]}'
    path = tmp_path / "one.jsonl"
    path.write_text(row + "\n")
    found = {(f["code"], f["column"]) for f in findings(run(path, "--format", "json"))}
    for code, text in (("unknown-key", '"nmae"'), ("unknown-role", '"asistant"'), ("non-string-content", "3}")):
        assert (code, row.index(text) + 1) in found, found


def test_plain_text_rows(tmp_path):
    path = write_rows(tmp_path / "text.jsonl", [{"body": f"Page {i} of a book about {w}."} for i, w in enumerate("abcdefgh" * 15)])
    assert {f["code"] for f in findings(run(path, "--format", "json", "--structural-only"))} == {"missing-messages"}
    done = run(path, "--dataset-text-field", "body", "--structural-only")
    assert done.returncode == 0 and b"every token is learned from" in done.stdout
    out = tmp_path / "chat.jsonl"
    assert run(path, "--dataset-text-field", "body", "--convert", out).returncode == 0
    assert json.loads(out.read_text().splitlines()[0]) == {"text": "Page 0 of a book about a."}


def test_fix_from_standard_input_says_what_it_changed(tmp_path, data):
    out = tmp_path / "mended.jsonl"
    broken = data.read_bytes() + b'{"messages": [{"role": "user", "content": "say "hi""}, {"role": "assistant", "content": "hi",}]}\n'
    done = run("-", "--fix", out, "--format", "json", stdin=broken)
    assert done.returncode == 1 and json.loads(done.stdout)
    said = done.stderr.decode()
    assert "standard input:122: 2 quotes escaped, a trailing comma removed" in said and "1 row left" in said
    rows = out.read_text().splitlines()
    assert json.loads(rows[121]) == chat('say "hi"', "hi") and rows[120] == '{"messages": []}'
    assert out.read_text().startswith(data.read_text())


def test_a_json_array_becomes_lines(tmp_path):
    rows = word_rows(110)
    path, out = tmp_path / "array.json", tmp_path / "lines.jsonl"
    path.write_text(json.dumps(rows, indent=4))
    assert [f["code"] for f in findings(run(path, "--format", "json", "--fix", out)) if f["severity"] == "error"] == ["invalid-json"]
    assert [json.loads(x) for x in out.read_text().splitlines()] == rows
    assert run(out).returncode == 0


def test_what_stands_behind_an_array_becomes_lines_too(tmp_path):
    rows = word_rows(110)
    path, out = tmp_path / "arrays.json", tmp_path / "lines.jsonl"
    path.write_text(json.dumps(rows[:60]) + "\n" + json.dumps(rows[60:100], indent=4) + "\n" + "\n".join(map(json.dumps, rows[100:])) + "\n")
    assert [f["code"] for f in findings(run(path, "--format", "json", "--fix", out)) if f["severity"] == "error"] == ["invalid-json"]
    assert [json.loads(x) for x in out.read_text().splitlines()] == rows
    lists = tmp_path / "lists.jsonl"
    lists.write_text("".join(json.dumps(r["messages"]) + "\n" for r in rows))
    assert [(f["code"], f["line"]) for f in findings(run(lists, "--format", "json")) if f["severity"] == "error"] == [("not-an-object", i + 1) for i in range(110)]


def test_golden_rows_of_a_file_of_their_own(tmp_path):
    rows = word_rows(130)
    path = write_rows(tmp_path / "data.jsonl", rows[:120])
    good = write_rows(tmp_path / "good.jsonl", rows[125:])
    assert "golden-problem" not in {f["code"] for f in findings(run(path, "--golden", good, "--format", "json"))}
    bad = write_rows(tmp_path / "bad.jsonl", [rows[126], rows[17], {"messages": []}])
    found = [f for f in findings(run(path, "--golden", bad, "--format", "json")) if f["code"] == "golden-problem"]
    assert any("bad.jsonl:3:" in f["message"] for f in found) and any(f["line"] == 18 for f in found), found
