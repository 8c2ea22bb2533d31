"""What stands beside base and tuned: other adapters, checkpoints, latency and tokens, checks that rows bring, a local judge."""
import json
import random
import re
import signal
import time

import pytest

from program import GGUF, chat, error_line, finish, hashes, lora, make_tiny_model, start, succeed, write_rows


def read_lines(path):
    return [json.loads(x) for x in path.read_text().splitlines()]


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def other(tmp_path_factory, tiny, rows):
    """Another adapter of the same base."""
    folder = tmp_path_factory.mktemp("other") / "run"
    succeed("train", "--model", tiny, "--train-data", rows, "--output-dir", folder, "--max-steps", 6, "--learning-rate", "1e-2",
            "--r", 4, "--test-size", 4, "--valid-size", 4, "--threads", 1)
    return folder


def evaluate(tiny, trained, held_out, out, config, *more):
    return lora("eval", tiny, held_out, "--adapter", trained / "adapter", "--output-dir", out, "--config", config, "--threads", 1, *more)


def test_other_adapters_and_checkpoints_beside_tuned(tiny, trained, other, held_out, tmp_path):
    config, out = tmp_path / "c.toml", tmp_path / "out"
    config.write_text(f'price_per_hour = 3.6\nlatency_questions = 4\n[[contestant]]\nadapter = "{other}/adapter"\n'
                      f'[[contestant]]\nname = "early"\nadapter = "{trained}/checkpoints/step-12"\n')
    done = evaluate(tiny, trained, held_out, out, config)
    assert done.returncode in (0, 1), done.stderr
    answers = read_lines(out / "answers.jsonl")
    by = {name: [a for a in answers if a["contestant"] == name] for name in ("base", "tuned", "run", "early")}
    assert len(answers) == 32 and all(len(a) == 8 for a in by.values())
    assert all([a["prompt_ids"] for a in x] == [a["prompt_ids"] for a in by["base"]] for x in by.values()), "all were asked the same"
    assert [a["answer"] for a in by["run"]] != [a["answer"] for a in by["tuned"]]
    # What PEFT's file says is what answers: the same adapter asked by `lora generate`.
    alone = json.loads(succeed("generate", tiny, "--threads", 1, "--data", held_out, "--adapter", other / "adapter", "--max-new-tokens",
                               max(a["answer_tokens"] for a in answers), "--format", "json").stdout)
    assert [a["answer"][:20] for a in by["run"]] == [a["answer"][:20] for a in alone]
    summary = read(out / "summary.json")
    assert [(c["a"], c["b"]) for c in summary["comparisons"] if c["metric"] == summary["primary"]] == [
        ("tuned", "base"), ("tuned", "run"), ("tuned", "early")]
    asked = {a["name"]: a for a in summary["asked"]}
    assert list(asked) == ["base", "tuned", "run", "early"] and asked["run"]["kind"] == "adapter"
    assert asked["run"]["source"] == f"{other}/adapter"
    for name, info in asked.items():
        tokens = [a["answer_tokens"] for a in by[name]]
        assert info["answer_tokens_mean"] == pytest.approx(sum(tokens) / 8)
        assert info["prompt_tokens_mean"] == pytest.approx(sum(len(a["prompt_ids"]) for a in by[name]) / 8)
        assert info["cut_off"] == sum(not a["stopped"] for a in by[name])
    timing = read(out / "timing.json")
    assert [c["name"] for c in timing["contestants"]] == list(asked) and timing["threads"] == 1
    for contestant in timing["contestants"]:
        seconds = sorted(a["seconds"] for a in contestant["answers"])
        assert [a["id"] for a in contestant["answers"]] == [0, 4, 2, 6] and all(x > 0 for x in seconds)
        assert contestant["latency_median_s"] == seconds[1] and contestant["latency_p95_s"] == seconds[3]
        assert all(0 < a["first_token_s"] <= a["seconds"] for a in contestant["answers"])
        assert contestant["cost_per_1000_answers"] == pytest.approx(sum(seconds) / 4)  # 3.6 an hour is 0.001 a second
        tokens = {a["id"]: a["answer_tokens"] for a in by[contestant["name"]]}
        assert all(a["answer_tokens"] == tokens[a["id"]] for a in contestant["answers"]), "alone it answers as with others"
    assert re.search(r"an answer of +tokens in", done.stdout)
    page = (out / "report.html").read_text()
    assert "What an answer costs" in page and "of 4 questions asked once more" in page and f"{other}/adapter" in page


def test_an_evaluation_made_again_gives_equal_bytes_but_for_times(tiny, trained, other, held_out, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'[[contestant]]\nadapter = "{other}/adapter"\n')
    for name in ("one", "two"):
        assert evaluate(tiny, trained, held_out, tmp_path / name, config).returncode in (0, 1)
    one, two = hashes(tmp_path / "one"), hashes(tmp_path / "two")
    assert {name for name in one if one[name] != two[name]} <= {"timing.json", "report.html"}
    assert {"answers.jsonl", "summary.json", "questions.jsonl", "timing.json"} <= set(one)
    again = tmp_path / "none"
    assert evaluate(tiny, trained, held_out, again, config, "--format", "json").returncode in (0, 1)
    assert read(again / "summary.json") == read(tmp_path / "one" / "summary.json")


def test_latency_may_be_left_out(tiny, trained, held_out, tmp_path):
    (tmp_path / "c.toml").write_text("latency_questions = 0\n")
    assert evaluate(tiny, trained, held_out, tmp_path / "out", tmp_path / "c.toml").returncode in (0, 1)
    assert not (tmp_path / "out" / "timing.json").exists()
    assert "asked once more" not in (tmp_path / "out" / "report.html").read_text()


def test_adapters_that_cannot_be_asked_are_told_before_anything(tiny, trained, other, rows, held_out, tmp_path):
    stranger = make_tiny_model(tmp_path / "stranger", seed=7)
    succeed("train", "--model", stranger, "--train-data", rows, "--output-dir", tmp_path / "foreign", "--max-steps", 1, "--test-size", 4,
            "--valid-size", 4, "--threads", 1)
    misshapen = tmp_path / "misshapen"
    misshapen.mkdir()
    for file in (other / "adapter").iterdir():
        (misshapen / file.name).write_bytes(file.read_bytes())
    settings = read(misshapen / "adapter_config.json")
    (misshapen / "adapter_config.json").write_text(json.dumps(settings | {"r": 2}))
    config = tmp_path / "c.toml"
    for table, said in ((f'adapter = "{tmp_path}/nowhere"', "there is no folder"), (f'adapter = "{tmp_path}/foreign/adapter"', "another base"),
                        (f'adapter = "{misshapen}"', "misshapen"), ('checkpoint = "last"', "checkpoint names one of a `lora run`")):
        config.write_text(f"[[contestant]]\n{table}\n")
        line = error_line(evaluate(tiny, trained, held_out, tmp_path / "out", config), 2)
        assert said in line and "c.toml:1:1" in line, line
        assert not (tmp_path / "out").exists()
    config.write_text('[[contestant]]\ncheckpoint = "step-5"\n')
    arguments = ("run", config, "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--max-steps", 6, "--eval-steps", 2,
                 "--threads", 1)
    line = error_line(lora(*arguments, "--output-dir", tmp_path / "run"), 2)
    assert "no checkpoint is taken at step 5" in line and "a multiple of 2, or 6" in line and not (tmp_path / "run").exists()
    config.write_text(f'[[contestant]]\nadapter = "{tmp_path}/foreign/adapter"\n')
    assert "another base" in error_line(lora(*arguments, "--output-dir", tmp_path / "run"), 2)
    assert not (tmp_path / "run").exists()


def test_all_checkpoints_of_a_run(tiny, rows, held_out, tmp_path):
    config, out = tmp_path / "c.toml", tmp_path / "run"
    config.write_text('[[contestant]]\ncheckpoint = "all"\n')
    arguments = ("run", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--max-steps", 10, "--eval-steps", 2,
                 "--learning-rate", "1e-2", "--threads", 1, "--max-new-tokens", 6)
    done = lora(*arguments[:1], config, *arguments[1:], "--output-dir", out)
    assert done.returncode in (0, 1), done.stderr
    steps = [f"step-{n}" for n in (2, 4, 6, 8, 10)]
    assert sorted(f.name for f in (out / "checkpoints").iterdir()) == sorted(steps)
    summary = read(out / "eval" / "summary.json")
    assert [a["name"] for a in summary["asked"] if a["kind"] == "adapter"] == steps
    assert [a["source"] for a in summary["asked"] if a["kind"] == "adapter"] == [f"checkpoints/{s}" for s in steps]
    answers = {}
    for a in read_lines(out / "eval" / "answers.jsonl"):
        answers.setdefault(a["contestant"], []).append(a["answer"])
    timed = {c["name"] for c in read(out / "eval" / "timing.json")["contestants"]}
    assert "tuned" in timed and not timed & set(steps), "a checkpoint takes what tuned takes"
    best = read(out / "finished.json")["best_step"]
    assert answers[f"step-{best}"] == answers["tuned"], "tuned is the checkpoint of the lowest held-out loss"
    assert answers["step-2"] != answers["step-10"]
    # Without the tables the verdict and what it rests on are the same to the bit.
    plain = tmp_path / "plain"
    assert lora(*arguments, "--output-dir", plain).returncode == done.returncode
    without = read(plain / "eval" / "summary.json")
    assert [summary[k] for k in ("verdict", "sentence", "primary")] == [without[k] for k in ("verdict", "sentence", "primary")]
    kept = [c for c in summary["comparisons"] if not c["b"].startswith("step-")]
    assert kept == without["comparisons"]
    assert len(list((plain / "checkpoints").iterdir())) <= 3


def test_all_checkpoints_are_not_those_of_a_stop(tiny, rows, held_out, tmp_path):
    config, out = tmp_path / "c.toml", tmp_path / "run"
    config.write_text('[[contestant]]\ncheckpoint = "all"\n')
    command = ("run", config, "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", out, "--max-steps", 240,
               "--eval-steps", 80, "--logging-steps", 1, "--threads", 1, "--max-new-tokens", 6)
    process = start(*command)
    metrics = out / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and "\n" in metrics.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stopped = finish(process)
    assert stopped.returncode == 130, stopped.stderr
    step = int(stopped.stderr.split("stopped after step ")[1].split()[0])
    assert step < 160 and step % 80, "the newest two are kept, wherever they come from"
    assert (out / "checkpoints" / f"step-{step}").is_dir()
    done = lora(*command)
    assert done.returncode in (0, 1) and f"going on from {out}/checkpoints/step-{step}\n" in done.stderr, done.stderr
    assert {f.name for f in (out / "checkpoints").iterdir()} == {"step-80", "step-160", "step-240"}
    asked = read(out / "eval" / "summary.json")["asked"]
    assert [a["name"] for a in asked if a["kind"] == "adapter"] == ["step-80", "step-160", "step-240"]


def test_rows_bring_their_own_checks(tiny, rows, tmp_path):
    prose = "This answer is written in prose so that no program can hold it against another one, word by word."
    data = [chat(f"Question number {n} about {word}?", f"{prose} {word}") for n, word in
            enumerate("amber birch cedar delta ember fjord grove heath".split())]
    for n in range(6):
        data[n]["checks"] = [{"type": "length", "min": 1 + n}, {"type": "lacks", "text": "never said"}]
    held_out = write_rows(tmp_path / "eval.jsonl", data)
    out = tmp_path / "run"
    arguments = ("run", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--max-steps", 2, "--threads", 1, "--max-new-tokens", 6)
    done = lora(*arguments, "--output-dir", out)
    assert done.returncode in (0, 1), done.stderr
    summary = read(out / "eval" / "summary.json")
    assert summary["primary"] == "instruction_following"
    metrics = {m["name"]: m for m in summary["metrics"]}
    assert metrics["length"]["n"] == 6 and metrics["length"]["of_rows"] and metrics["length"]["declared"]
    assert summary["contestants"]["tuned"]["instruction_following"]["n"] == 6
    assert '"instruction_following" applies to 6 of the 8 held-out rows; the other 2 do not count.' in summary["sentence"]
    for a in read_lines(out / "eval" / "answers.jsonl"):
        assert ("length" in a["checks"]) == (a["id"] < 6)
        if a["id"] < 6:
            assert a["checks"]["length"]["passed"] == (len(a["answer"].split()) >= 1 + a["id"])
    # The split that was written down judges alike.
    again = tmp_path / "again"
    assert lora("eval", tiny, out / "split" / "test.jsonl", "--adapter", out / "adapter", "--output-dir", again, "--threads", 1,
                "--max-new-tokens", 6).returncode in (0, 1)
    assert read(again / "summary.json")["contestants"]["tuned"] == summary["contestants"]["tuned"]
    data[3]["checks"] = [{"type": "metric_command", "command": ["touch", str(tmp_path / "owned")]}]
    write_rows(held_out, data)
    line = error_line(lora(*arguments, "--output-dir", tmp_path / "other"), 2)
    assert "eval.jsonl:4" in line and "start no programs" in line and not (tmp_path / "owned").exists()


def test_examples_shown_are_as_many_as_fit(tmp_path, tiny, held_out):
    """The tiny model reads 512 tokens: of these examples two fit, and three do not."""
    words, dice = "amber birch cedar delta ember fjord grove heath inlet jade kelp lagoon".split(), random.Random(3)
    some = lambda count: " ".join(dice.choice(words) for _ in range(count))
    rows = write_rows(tmp_path / "long.jsonl", [chat(f"Say it at length: {some(80)}", some(40)) for _ in range(16)])
    out = tmp_path / "run"
    done = lora("run", "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", out, "--max-steps", 1, "--valid-size", 2,
                "--threads", 1, "--max-new-tokens", 6)
    assert done.returncode in (0, 1), done.stderr
    shown = [a for a in read_lines(out / "eval" / "answers.jsonl") if a["contestant"] == "few_shot"]
    assert len(shown) == 8 and all(a["num_fewshot"] == 2 for a in shown)
    assert all(300 < len(a["prompt_ids"]) <= 512 - 6 for a in shown)
    asked = next(a for a in read(out / "eval" / "summary.json")["asked"] if a["name"] == "few_shot")
    assert asked["num_fewshot"] == 2 and "few_shot (2 shown)" in done.stdout
    assert "2 in the prompt" in (out / "report.html").read_text()


# --- a judge on this machine ---
def write_run(folder, count=6):
    colours = "red blue green grey white black pink brown".split()
    data = [chat(f"Which colour has number {n}?", f"{colours[n % 8]} {n}") for n in range(count)]
    (folder / "split").mkdir(parents=True)
    (folder / "eval").mkdir()
    write_rows(folder / "split" / "test.jsonl", data)
    write_rows(folder / "eval" / "answers.jsonl", [
        {"id": n, "line": n + 1, "contestant": name, "prompt_ids": [1], "answer": f"I do not know, {n}." if name == "base" else row["messages"][1]["content"],
         "reference": row["messages"][1]["content"], "stopped": True, "checks": {}}
        for name in ("base", "tuned") for n, row in enumerate(data)])
    (folder / "run.json").write_text(json.dumps({"config": {"model": "models/SmolLM2-135M-Instruct.gguf"}}))
    (folder / "finished.json").write_text(json.dumps({"format": 1}))
    return folder


def judge_with(model, run, config, mode="pairwise"):
    """`lora judge` with a model on this machine that cannot judge; gives judge.json and the transcripts."""
    config.write_text(f'[judge]\nmodel = "{model}"\nmode = "{mode}"\nmax_tokens = 24\ncontrols = 6\n')
    process = start("judge", run, "--config", config)
    out, err = process.communicate(timeout=1500)
    assert process.returncode == 0, err
    judged = read(run / "eval" / "judge.json")
    assert judged["judge"] == model.name and not judged["usable"] and judged["reasons"] and judged["verdict"] is None
    assert "the judge is not used" in out
    assert judged["local"]["model"] == str(model) and judged["local"]["completion_tokens"] > 0 and "endpoint" not in judged
    transcripts = read_lines(run / "eval" / "judge_transcripts.jsonl")
    both = [t for t in transcripts if t["purpose"] == "answers" and t["id"] == 0 and not t["again"] and t.get("side", "a") == "a"]
    assert [t["round"] for t in both] == [1, 2] and both[0]["messages"] != both[1]["messages"], "both orders"
    # Its words are those that the model says: asked for one of them again by `lora generate`.
    system, user = (m["content"] for m in both[0]["messages"])
    said = json.loads(succeed("generate", model, "--system", system, "--prompt", user, "--max-new-tokens", 24, "--format", "json").stdout)
    assert both[0]["text"] == said[0]["answer"]
    before = hashes(run)
    again = lora("judge", run, "--config", config)
    assert again.returncode == 0 and " 0 asked now" in again.stdout and hashes(run) == before
    return judged, transcripts


@pytest.mark.parametrize("mode, asked", [("pairwise", 36), ("rubric", 72)])
def test_a_model_that_babbles_is_no_judge(tiny, tmp_path, mode, asked):
    judged, transcripts = judge_with(tiny, write_run(tmp_path / "run"), tmp_path / "judge.toml", mode)
    assert judged["local"]["failed"] == 0 and len([t for t in transcripts if not t["again"]]) == asked
    assert any("no verdict" in reason for reason in judged["reasons"])


@pytest.mark.slow
def test_a_small_model_as_judge_is_not_believed(tmp_path):
    """SmolLM2 with 135M parameters cannot judge; that is found out by the controls, and said."""
    judged, _ = judge_with(GGUF, write_run(tmp_path / "run"), tmp_path / "judge.toml")
    assert any("one family" in warning for warning in judged["warnings"])


def test_a_local_judge_within_an_evaluation(tiny, trained, held_out, tmp_path):
    """Here the judge's context is too short for any pair: nothing is judged, that is said, and the evaluation stands."""
    config, out = tmp_path / "c.toml", tmp_path / "out"
    config.write_text(f'[judge]\nmodel = "{tiny}"\nmax_tokens = 400\ncontrols = 6\n')
    done = evaluate(tiny, trained, held_out, out, config)
    assert done.returncode in (0, 1), done.stderr
    judged = read(out / "judge.json")
    assert not judged["usable"] and judged["local"]["failed"] > 0 and all(p["winner"] == "tie" for p in read_lines(out / "judge.jsonl"))
    assert any("more than the judge's 512" in t.get("failure", "") for t in read_lines(out / "judge_transcripts.jsonl"))
    assert "not believed" in (out / "report.html").read_text()


def test_the_page_shows_what_a_later_judge_said(tiny, trained, held_out, tmp_path):
    out, config = tmp_path / "out", tmp_path / "c.toml"
    assert lora("eval", tiny, held_out, "--adapter", trained / "adapter", "--output-dir", out, "--threads", 1).returncode in (0, 1)
    assert "What the judge says" not in (out / "report.html").read_text()
    config.write_text(f'[judge]\nmodel = "{tiny}"\nmax_tokens = 8\ncontrols = 6\n')
    done = lora("judge", out, "--config", config)
    assert done.returncode in (0, 1), done.stderr
    assert f"report: {out}/report.html" in done.stdout and "What the judge says" in (out / "report.html").read_text()


@pytest.mark.parametrize("keys, said", [
    ('model = "gpt-4o"', 'there is no file or folder "gpt-4o"'),
    ('model = "{gguf}"\ntemperature = 1', "[judge] without base_url has no key"),
    ('model = "{gguf}"\nmode = "rubric"\ncriteria = ["truth"]', "only repeat itself"),
])
def test_local_judges_that_cannot_be(tmp_path, keys, said):
    run = write_run(tmp_path / "run")
    (tmp_path / "judge.toml").write_text("[judge]\n" + keys.replace("{gguf}", str(GGUF)) + "\n")
    assert said in error_line(lora("judge", run, "--config", tmp_path / "judge.toml"), 2)
