"""`lora plan`: what it says of memory is what runs then take, limits are obeyed, and notes say what is unusual."""
import json
import os
import re
import time

import pytest

from program import GGUF, HF_TWIN, ROOT, error_line, lora, succeed

DATA = ROOT / "examples" / "json-extraction" / "data.jsonl"


def plan_of(*arguments):
    return json.loads(succeed("plan", *arguments, "--format", "json").stdout)


def peak_of(output_dir):
    """VmHWM of the run, as it recorded it."""
    lines = [json.loads(line) for line in (output_dir / "metrics.jsonl").read_text().splitlines()]
    finished = json.loads((output_dir / "finished.json").read_text())
    return max([finished["peak_memory_bytes"]] + [line["peak_memory_bytes"] for line in lines])


CONFIGURATIONS = {
    "default": (GGUF, ()),
    "small passes, dropout": (GGUF, ("--micro-batch-tokens", 256, "--lora-dropout", 0.1)),
    "adamw_8bit, recompute": (GGUF, ("--optim", "adamw_8bit", "--recompute", "cheap", "--r", 64, "--lora-alpha", 64)),
    "every block again": (GGUF, ("--recompute", "block", "--float32-matmul-precision", "highest")),
    "load_in_4bit of fp32": (HF_TWIN, ("--load-in-4bit",)),
    "fp32": (HF_TWIN, ()),
    "bfloat16": (GGUF, ("--float32-matmul-precision", "medium")),
}


QUICK = {"default", "every block again", "load_in_4bit of fp32"}


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
                                  for name in CONFIGURATIONS])
def test_memory_is_what_was_planned(tmp_path, name):
    model, flags = CONFIGURATIONS[name]
    arguments = ("--model", model, "--train-data", DATA, "--max-steps", 2, "--valid-size", 8, *flags)
    planned = plan_of("--for", "train", "--no-time", *arguments)
    succeed("train", *arguments, "--output-dir", tmp_path / "run")
    actual = peak_of(tmp_path / "run")
    print(f"{name}: planned {planned['memory']['total'] / 1e6:.0f} MB, actual {actual / 1e6:.0f} MB "
          f"({100 * (planned['memory']['total'] / actual - 1):+.1f} %)", planned["memory"])
    assert planned["memory"]["total"] == pytest.approx(actual, rel=0.1)
    recorded = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert recorded["memory"]["total"] == pytest.approx(planned["memory"]["total"], rel=0.05)
    # By itself over a quantized base "high", as docs/precision.md has it.
    asked_for = dict(zip(flags[::2], flags[1::2])).get("--float32-matmul-precision")
    usual = "highest" if name == "fp32" else "high"
    for record in ("plan.json", "finished.json"):
        assert json.loads((tmp_path / "run" / record).read_text())["float32_matmul_precision"] == (asked_for or usual)
    assert "Plan and actual" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("limit", ["600MB", pytest.param("750MB", marks=pytest.mark.slow)])
def test_a_memory_limit_is_obeyed(tmp_path, limit):
    arguments = ("--model", GGUF, "--train-data", DATA, "--max-steps", 2, "--valid-size", 8, "--memory-limit", limit)
    planned = plan_of("--for", "train", "--no-time", *arguments)
    assert planned["why"]
    assert planned["memory"]["total"] <= planned["memory_limit"] == int(limit[:-2]) * 10**6
    succeed("train", *arguments, "--output-dir", tmp_path / "run")
    actual = peak_of(tmp_path / "run")
    print(f"{limit}: {planned['micro_batch_tokens']} tokens, {planned['recompute']}; actual {actual / 1e6:.0f} MB")
    assert actual <= 1.05 * planned["memory_limit"]
    run = json.loads((tmp_path / "run" / "plan.json").read_text())
    chosen = ("micro_batch_tokens", "recompute", "base_in_file")
    assert [run[key] for key in chosen] == [planned[key] for key in chosen]
    # The base is read from its file, so none of it counts; each pass computes as little again as fits.
    assert planned["base_in_file"] and planned["memory"]["base"] < 1e6 and run["pass_bytes"] > 0


def test_a_held_out_row_counts_however_short_the_others_are(tmp_path):
    """One long row among short ones, wherever the split puts it: what reading it takes is planned, and no limit overlooks it."""
    file = tmp_path / "rows.jsonl"
    long = 20
    file.write_text("".join(json.dumps({"messages": [
        {"role": "user", "content": f"Count to {n} " + ("and on " * 900 if n == long else "")},
        {"role": "assistant", "content": f"One, two, {n}."}]}) + "\n" for n in range(40)))
    held_out = 0
    for seed in range(6):
        arguments = ("--for", "train", "--no-time", "--model", GGUF, "--train-data", file, "--valid-size", 20, "--seed", seed,
                     "--per-device-train-batch-size", 1, "--gradient-accumulation-steps", 1)
        planned = plan_of(*arguments)
        held_out += planned["longest_row"] < 100
        limit = planned["memory"]["total"] // 10**6 - 1
        done = lora("plan", *arguments, "--memory-limit", f"{limit}MB", "--format", "json")
        if done.returncode == 0:
            assert json.loads(done.stdout)["memory"]["total"] <= limit * 10**6
        else:
            assert "at least" in error_line(done, 2)
    assert 0 < held_out < 6


def test_checkpoints_that_are_asked_are_kept_and_counted(tiny, rows, tmp_path):
    config = tmp_path / "c.toml"
    planned = []
    for tables in ("", '[[contestant]]\ncheckpoint = "all"\n'):
        config.write_text(f'model = "{tiny}"\ntrain_data = "{rows}"\noutput_dir = "{tmp_path}/run"\nmax_steps = 40\neval_steps = 4\n{tables}')
        planned.append(plan_of(config, "--no-time"))
    few, all_kept = (p["disk"] for p in planned)
    assert few["checkpoints_kept"] == 3 and all_kept["checkpoints_kept"] == 10
    assert 4 * all_kept["checkpoints"] == 10 * few["checkpoints"]


def test_nothing_left_to_train_on_is_refused(tiny, tmp_path):
    file = tmp_path / "golden.jsonl"
    file.write_text("".join(json.dumps({"messages": [{"role": "user", "content": f"Word {n}?"}, {"role": "assistant", "content": f"Yes {n * 7}."}],
                                        "golden": True}) + "\n" for n in range(12)))
    for command in (("plan", "--for", "train"), ("train", "--output-dir", tmp_path / "run")):
        line = error_line(lora(*command, "--model", tiny, "--train-data", file, "--eval-strategy", "no"), 2)
        assert "no row is left to train on" in line and "golden" in line


def test_a_memory_limit_changes_no_result(tmp_path):
    # With what is quantized on load, too: in memory, and in a temporary file.
    losses = {}
    for name, limit in (("free", ()), ("limited", ("--memory-limit", "500MB"))):
        succeed("train", "--model", HF_TWIN, "--load-in-4bit", "--train-data", DATA, "--max-steps", 2, "--logging-steps", 1, "--eval-strategy", "no",
                "--lora-dropout", 0, "--per-device-train-batch-size", 1, *limit, "--output-dir", tmp_path / name,
                env=os.environ | {"TMPDIR": str(tmp_path)})
        losses[name] = [(json.loads(line)["loss"], json.loads(line)["grad_norm"])
                        for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    limited = json.loads((tmp_path / "limited" / "plan.json").read_text())
    # The codes of 30 layers, two to a byte, where everyone's temporary files lie.
    assert limited["base_in_file"] and limited["disk"]["temporary"]["bytes"] == 30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536) // 2
    assert limited["disk"]["temporary"]["folder"] == str(tmp_path) and limited["disk"]["temporary"]["free"] > 0
    free = json.loads((tmp_path / "free" / "plan.json").read_text())
    assert not free["base_in_file"] and "temporary" not in free["disk"]
    assert losses["limited"] == [pytest.approx(pair, rel=1e-5) for pair in losses["free"]]


def test_what_cannot_fit_is_refused_with_the_least_that_would_do(tmp_path):
    done = lora("plan", GGUF, DATA, "--for", "train", "--memory-limit", "100MB")
    assert done.returncode == 2
    line = error_line(done, 2)
    assert "memory_limit" in line and "at least" in line and "adamw_8bit" in line and re.search(r'recompute "block(:\d+)?" ', line)
    done = lora("train", "--model", GGUF, "--train-data", DATA, "--output-dir", tmp_path / "run", "--memory-limit", "100MB")
    assert "at least" in error_line(done, 2)
    assert not (tmp_path / "run").exists()


def test_planning_is_quick_and_small():
    began = time.monotonic()
    planned = plan_of(GGUF, DATA)
    assert time.monotonic() - began < 30  # a few seconds on a quiet machine; bench/plan_versus_actual.py says how many
    assert planned["seconds"]["training"] > 0 and planned["seconds"]["asking"] > 0
    assert planned["trainable_parameters"] == 4884480  # what PEFT counts for r 16 on all linear layers
    assert planned["disk"]["total"] > 3 * planned["disk"]["adapter"] == 3 * 4 * 4884480


def test_changing_the_passes_continues_a_run(tmp_path, tiny, rows):
    """They change no result but by rounding, so they are no part of a run's identity."""
    arguments = ("train", "--model", tiny, "--train-data", rows, "--output-dir", tmp_path / "run", "--max-steps", 4,
                 "--valid-size", 4, "--threads", 1)
    succeed(*arguments)
    again = lora(*arguments, "--micro-batch-tokens", 128, "--recompute", "block", "--memory-limit", "4GB")
    assert "finished" in error_line(again, 2)


def test_passes_grow_for_prompts_that_rows_share(tiny, tmp_path):
    """Passes of 1024 tokens would lay the long system prompt again and again; without one, or with a size that is given, none grows."""
    def rows(prompt):
        path = tmp_path / f"{len(prompt)}.jsonl"
        path.write_text("".join(json.dumps({"messages": [
            {"role": "system", "content": prompt}, {"role": "user", "content": f"What is {n} and {n * n}?"},
            {"role": "assistant", "content": f"It is {n + n * n}."}]}) + "\n" for n in range(100, 196)))
        return path

    flags = ("--for", "train", "--no-time", "--valid-size", 8, "--per-device-train-batch-size", 32)
    long, short = rows("a b c d " * 40), rows("Add.")
    grown = plan_of(tiny, long, *flags)
    assert grown["micro_batch_tokens"] > 1024 and "1024" in grown["why"]
    given = plan_of(tiny, long, *flags, "--micro-batch-tokens", 1024)
    assert given["micro_batch_tokens"] == 1024 and "why" not in given
    assert grown["unique_tokens_per_step"] < 0.9 * given["unique_tokens_per_step"]
    assert plan_of(tiny, short, *flags)["micro_batch_tokens"] == 1024
    arguments = ("train", "--model", tiny, "--train-data", long, "--output-dir", tmp_path / "run", "--max-steps", 1, "--valid-size", 8,
                 "--per-device-train-batch-size", 32)
    assert f"passes: {grown['micro_batch_tokens']} tokens a pass" in succeed(*arguments).stderr
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["micro_batch_tokens"] == grown["micro_batch_tokens"]


def test_notes_are_not_errors(tiny, rows):
    unusual = ("--learning-rate", "1e-2", "--num-train-epochs", 12, "--lora-alpha", 256, "--lora-dropout", 0,
               "--valid-size", 4, "--test-size", 4)
    notes = plan_of(tiny, rows, *unusual)["notes"]
    for key in ("learning_rate", "num_train_epochs", "lora_alpha", "lora_dropout"):
        assert sum(note.startswith(key + ":") for note in notes) == 1, (key, notes)
    text = succeed("plan", tiny, rows, *unusual).stdout
    assert all(note in text for note in notes)


def test_wrong_use_is_told(tiny, rows, tmp_path):
    for arguments, part in (((tiny,), "train_data"),
                            ((tiny, rows, "--memory-limit", "much"), "memory_limit"),
                            ((tiny, rows, "--recompute", "all"), "recompute"),
                            ((tiny, rows, "--set", "memory_limt=3GB"), "memory_limit")):
        done = lora("plan", *arguments)
        assert part in error_line(done, 2)


def test_what_sharing_saves_is_said(tmp_path):
    arguments = ("--for", "train", "--no-time", "--model", GGUF, "--train-data", DATA)
    for flags, saves in (((), True), (("--share-prefixes", "false"), False)):
        planned = plan_of(*arguments, *flags)
        saved = 1 - planned["unique_tokens_per_step"] / planned["tokens_per_step"]
        assert saved > 0.2 if saves else saved == 0
        text = succeed("plan", *arguments, *flags).stdout
        assert (f"{100 * saved:.0f} % fewer than its rows have" in text) == saves
        told = succeed("train", *arguments[3:], *flags, "--max-steps", 1, "--eval-strategy", "no", "--output-dir", tmp_path / str(saves))
        assert ("fewer tokens" in told.stderr) == saves
        record = [json.loads(line) for line in (tmp_path / str(saves) / "metrics.jsonl").read_text().splitlines()]
        assert (record[0]["unique_tokens"] < record[0]["tokens"]) == saves
