"""A run looks at its data as `lora check` does, before anything is trained."""
import json

from program import chat, error_line, lora, succeed, word_rows, write_rows


def command(tiny, data, output_dir):
    return ("train", "--model", tiny, "--train-data", data, "--output-dir", output_dir, "--max-steps", 3, "--valid-size", 4,
            "--threads", 1)


def test_findings_are_said_and_recorded(tmp_path, tiny):
    rows = word_rows(60)
    data = write_rows(tmp_path / "data.jsonl", rows + [rows[7], rows[8]])
    done = succeed(*command(tiny, data, tmp_path / "run"))
    assert f"check: 2 × duplicate, first {data}:61:" in done.stderr
    recorded = json.loads((tmp_path / "run" / "check.json").read_text())
    alone = json.loads(lora("check", data, "--model", tiny, "--format", "json").stdout)
    assert recorded == alone and [f["line"] for f in recorded if f["code"] == "duplicate"] == [61, 62]
    succeed(*command(tiny, data, tmp_path / "silent"), "--check-ignore", "duplicate")
    recorded = json.loads((tmp_path / "silent" / "check.json").read_text())
    assert not [f for f in recorded if f["code"] == "duplicate"]


def test_an_error_stops_the_run_before_it_begins(tmp_path, tiny):
    rows = word_rows(60)
    question = "Please tell me in a few plain words how the ferry from the north pier to the island runs on Sundays in winter"
    rows.append(chat(question, "It leaves at ten and at four."))
    golden = dict(chat(question.replace("plain", "clear"), "It leaves at ten and at four."), golden=True)
    data = write_rows(tmp_path / "data.jsonl", rows + [golden])
    line = error_line(lora(*command(tiny, data, tmp_path / "run")), 2)
    assert f"{data}:62:" in line and "[golden-problem]" in line and 'check_ignore = ["golden-problem"]' in line
    assert not (tmp_path / "run").exists()
    succeed(*command(tiny, data, tmp_path / "run"), "--check-ignore", "golden-problem")
