"""Every command: its help, its JSON, and what it leaves on disk."""
import json
import math
import os
import subprocess
import sys

import pytest

from program import GGUF, ROOT, chat, error_line, lora, succeed, word_rows, write_rows

COMMANDS = ["run", "train", "eval", "score", "generate", "bench", "inspect", "pull", "report", "review"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    done = succeed(command, "--help")
    assert "Example" in done.stdout and f"lora {command} " in done.stdout and done.stderr == ""


def test_the_programs_own_help_names_every_command():
    done = succeed("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
    assert succeed("--version").stdout.count(".") == 2


def one_document(done):
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)  # one document and nothing else


def test_json_of_every_command(tmp_path, tiny, rows, held_out, trained):
    adapter, one = ("--adapter", trained / "adapter"), ("--threads", 1)
    score = one_document(lora("score", tiny, *one, held_out, *adapter, "--format", "json"))
    assert [x["line"] for x in score["rows"]] == list(range(1, 9))
    assert math.isclose(score["nll"], sum(x["nll"] for x in score["rows"]), rel_tol=1e-12)
    assert score["tokens"] == sum(x["tokens"] for x in score["rows"])
    assert math.isclose(score["perplexity"], math.exp(score["nll"] / score["tokens"]), rel_tol=1e-12)
    assert one_document(lora("score", tiny, *one, held_out, *adapter, "--format", "json")) == score, "scoring is repeatable"
    base = one_document(lora("score", tiny, *one, held_out, "--format", "json"))
    assert base["nll"] != score["nll"] and base["tokens"] == score["tokens"]

    inspect = one_document(lora("inspect", tiny, held_out, "--row", 3, "--format", "json"))
    assert inspect["line"] == 3 and len(inspect["ids"]) == inspect["tokens"] == len(inspect["supervised"])
    assert sum(inspect["supervised"]) == inspect["supervised_tokens"] == score["rows"][2]["tokens"]

    answers = one_document(lora("generate", tiny, *one, "--data", held_out, *adapter, "--max-new-tokens", 5, "--format", "json"))
    assert len(answers) == 8
    for answer in answers:
        assert len(answer["ids"]) == 5 or answer["stopped"]
    alone = one_document(lora("generate", tiny, *one, "--data", held_out, *adapter, "--max-new-tokens", 5, "--batch-size", 1,
                              "--format", "json"))
    assert alone == answers, "the batch does not matter"

    (tmp_path / "eval" / "endpoint_cache").mkdir(parents=True)  # as a stopped evaluation leaves it
    summary = one_document(lora("eval", tiny, *one, held_out, *adapter, "--output-dir", tmp_path / "eval", "--format", "json"))
    assert summary == json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert summary["format"] == 1 and set(summary["contestants"]) == {"base", "tuned"}
    lines = [json.loads(x) for x in (tmp_path / "eval" / "answers.jsonl").read_text().splitlines()]
    prompts = {}
    for line in lines:
        prompts.setdefault(line["id"], []).append(line["prompt_ids"])
    assert len(prompts) == 8 and all(len(x) == 2 and x[0] == x[1] for x in prompts.values()), "both were asked the same"


def test_a_whole_run_leaves_its_record(tmp_path, tiny, rows, held_out):
    out = tmp_path / "run"
    result = one_document(lora("run", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", out,
                               "--max-steps", 4, "--valid-size", 4, "--threads", 1, "--max-new-tokens", 6, "--format", "json"))
    assert result["training"]["steps"] == 4
    assert result["evaluation"]["verdict"] in ("won", "prompting_suffices", "no_difference_shown", "worse")
    record = json.loads((out / "run.json").read_text())
    assert record["format"] == 1 and record["config"]["max_steps"] == 4 and record["split"]["test"] == 8
    assert record["split"]["train"] == 36 and record["split"]["valid"] == 4
    for file in ("metrics.jsonl", "finished.json", "split/train.jsonl", "split/valid.jsonl", "split/test.jsonl",
                 "eval/answers.jsonl", "eval/summary.json", "adapter/adapter_config.json", "adapter/lora.json",
                 "adapter/adapter_model.safetensors"):
        assert (out / file).stat().st_size > 0, file
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 4
    assert not list(out.rglob("incomplete*")) and not list(out.rglob("*.tmp.*"))


def test_flags_beat_set_and_set_beats_the_file(tmp_path, tiny, rows):
    file = tmp_path / "my.toml"
    file.write_text(f'model = "{tiny}"\ntrain_data = "{rows}"\nr = 4\nlora_alpha = 4\nmax_steps = 3\ntest_size = 4\nvalid_size = 4\n'
                    f'output_dir = "{tmp_path / "out"}"\n')
    done = succeed("train", file, "--set", "r=2", "--set", "max_steps=2", "--max_steps", 1, "--threads", 1, "--use-rslora", "--format", "json")
    assert json.loads(done.stdout)["training"]["steps"] == 1
    config = json.loads((tmp_path / "out" / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (2, 4, True)


def test_the_guides_configuration_trains_and_says_what_it_does_instead(tmp_path):
    done = succeed("train", ROOT / "examples" / "guide.toml", "--model", GGUF, "--max-steps", 2, "--valid-size", 2,
                   "--output-dir", tmp_path / "guide", "--format", "json")
    result = json.loads(done.stdout)
    assert result["training"]["steps"] == 2
    assert len(result["notes"]) == 2
    for key, note in zip(("fp16", "load_in_4bit"), result["notes"]):
        assert key in note and f"note: {note}" in done.stderr


def test_what_four_bits_cost_is_the_difference_of_two_scores(tiny, tmp_path):
    """Measured on the rows of the first step, here all of them."""
    rows, run = write_rows(tmp_path / "rows.jsonl", word_rows(12)), tmp_path / "run"
    done = succeed("train", "--model", tiny, "--train-data", rows, "--output-dir", run, "--load-in-4bit", "--max-steps", 1,
                   "--eval-strategy", "no", "--per-device-train-batch-size", 4, "--gradient-accumulation-steps", 3,
                   "--float32-matmul-precision", "highest")
    cost = json.loads((run / "finished.json").read_text())["load_in_4bit"]
    assert cost["examples"] == 12 and cost["loss_4bit"] != cost["loss_full_precision"]
    for key, flags in (("loss_full_precision", ()), ("loss_4bit", ("--load-in-4bit",))):
        scores = json.loads(succeed("score", tiny, rows, "--format", "json", *flags).stdout)
        assert cost[key] == pytest.approx(scores["nll"] / scores["tokens"], rel=1e-6)
        assert f"{cost[key]:.4f}" in done.stderr and f"{cost[key]:.4f}" in (run / "report.html").read_text()


def test_a_golden_row_with_a_long_answer_does_not_end_a_run(tiny, held_out, tmp_path):
    """Half as long again as its answer leaves no room beside its question; nobody wants to learn that after the training."""
    long = chat("Say it " + "the " * 180, "the " * 180 + "end") | {"golden": True}
    rows = write_rows(tmp_path / "rows.jsonl", word_rows(30) + [long])
    arguments = ("run", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--max-steps", 1, "--valid-size", 4,
                 "--few-shot", "false", "--output-dir")
    succeed(*arguments, tmp_path / "out")
    assert (tmp_path / "out" / "finished.json").exists() and (tmp_path / "out" / "eval" / "golden" / "answers.jsonl").exists()
    refused = error_line(lora(*arguments, tmp_path / "more", "--max-new-tokens", 400), 2)
    assert "rows.jsonl:31" in refused and "max_new_tokens = 400" in refused
    assert not (tmp_path / "more").exists()


def test_what_training_does_not_use_is_said(tiny, rows, held_out, tmp_path):
    done = succeed("train", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--max-steps", 1, "--valid-size", 4,
                   "--output-dir", tmp_path / "out")
    assert "note: eval_data: only `lora run`" in done.stderr


def test_an_empty_value_is_empty(tiny, rows, tmp_path):
    """--output-dir "$OUT" where OUT is not set."""
    done = lora("train", "--model", tiny, "--train-data", rows, "--output-dir", "")
    assert "output_dir: not given" in error_line(done, 2)
    done = lora("train", "--model", tiny, "--train-data", rows, "--output-dir", tmp_path, "--max-steps", "")
    assert "max_steps" in error_line(done, 2) and list(tmp_path.iterdir()) == []


def test_eight_rows_are_learned_by_heart_with_their_end(tmp_path):
    """The classic first check of a trainer: too much of a few rows, and every answer comes back and stops by itself."""
    facts = [("Who keeps the north gate?", "Marisol keeps it."), ("What is stored in hall seven?", "Nine copper kettles."),
             ("When does the ferry leave?", "At dawn, from pier two."), ("Which tree is the oldest?", "The crooked yew."),
             ("How is the bell tuned?", "To a flat and a half."), ("Where is the spare key?", "Under the blue tile."),
             ("Why is the mill closed?", "The wheel is cracked."), ("Whose boat is the red one?", "It is Oskar's.")]
    rows = write_rows(tmp_path / "facts.jsonl", [chat(*fact) for fact in facts])
    out = tmp_path / "out"
    succeed("train", "--model", GGUF, "--train-data", rows, "--eval-strategy", "no", "--output-dir", out, "--max-steps", 24,
            "--eval-steps", 1000, "--learning-rate", "2e-3", "--warmup-steps", 2, "--lora-alpha", 32,
            "--lr-scheduler-type", "constant_with_warmup")
    answers = json.loads(succeed("generate", GGUF, "--data", rows, "--adapter", out / "adapter",
                                 "--max-new-tokens", 24, "--format", "json").stdout)
    assert [x["answer"] for x in answers] == [answer for _, answer in facts]
    assert all(x["stopped"] for x in answers)


def test_threads_wait_briefly_beside_busy_programs_unless_the_user_says_otherwise():
    """libgomp reads this where a program starts, so only the launcher can say it; what libgomp took it prints itself."""
    def spins(**environment):
        said = lora("train", "--help", env=os.environ | {"OMP_DISPLAY_ENV": "VERBOSE"} | environment).stderr
        return [line.split("'")[1] for line in said.splitlines() if "GOMP_SPINCOUNT" in line]

    assert spins() in (["1000000"], ["10000"])  # whether something else runs just now
    busy = subprocess.Popen([sys.executable, "-c", "print('running', flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        busy.stdout.readline()
        assert spins() == ["10000"]
    finally:
        busy.kill()
        busy.communicate()
    assert spins(GOMP_SPINCOUNT="77") == ["77"]
    assert spins(OMP_WAIT_POLICY="PASSIVE") == ["0"]
