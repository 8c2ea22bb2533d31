"""Endpoints within `lora run` and `lora eval`: contestants beside base and tuned, and a judge over all of them."""
import contextlib
import itertools
import json
import os
import signal
import threading
import time

import pytest

import judge_server as faults
from judge_server import Server, honest
from program import error_line, finish, hashes, lora, start

KEY = "sk-very-secret-0123456789"
ENVIRONMENT = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()} | {"ENDPOINT_KEY": KEY}


@pytest.fixture
def server(held_out):
    """Knows the right answers when it is asked, and judges honestly when it is shown two."""
    known = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in map(json.loads, held_out.read_text().splitlines())}

    def speak(case):
        return honest(case) if case.first is not None else known.get(case.text, "no idea")

    with contextlib.ExitStack() as stack:
        yield stack.enter_context(Server(speak).running())


def write_config(path, server, judge="", contestant=""):
    keys = f'base_url = "{server.url}"\nmodel = "large-model"\napi_key_env = "ENDPOINT_KEY"\nmax_retries = 0\n'
    path.write_text(f'[judge]\n{keys}{judge}\n[[contestant]]\nname = "large"\n{keys}price_per_million_input = 1\n'
                    f'price_per_million_output = 10\n{contestant}\n')
    return path


def read_lines(path):
    return [json.loads(x) for x in path.read_text().splitlines()]


def no_key_in(folder):
    return not any(KEY.encode() in f.read_bytes() for f in folder.rglob("*") if f.is_file())


def test_eval_with_a_contestant_and_a_judge(tiny, trained, held_out, server, tmp_path):
    config, out = write_config(tmp_path / "c.toml", server), tmp_path / "out"
    done = lora("eval", tiny, held_out, "--adapter", trained / "adapter", "--output-dir", out, "--config", config, "--threads", 1, env=ENVIRONMENT)
    assert done.returncode in (0, 1), done.stderr
    answers = read_lines(out / "answers.jsonl")
    assert {a["contestant"] for a in answers} == {"base", "tuned", "large"}
    large = [a for a in answers if a["contestant"] == "large"]
    assert all(a["answer"] == a["reference"] and a["prompt_ids"] == [] and a["stopped"] for a in large) and len(large) == 8
    record, = json.loads((out / "endpoints.json").read_text())["contestants"]
    assert record["prompt_tokens"] == 800 and record["cost_per_1000_answers"] == pytest.approx(1000 * (100 * 1 + 10 * 10) / 1e6)
    assert record["latency_p95_s"] >= record["latency_median_s"] > 0
    pairs = [(c["a"], c["b"]) for c in json.loads((out / "summary.json").read_text())["comparisons"]]
    assert ("tuned", "large") in pairs and pairs[0] == ("tuned", "base")
    judged = json.loads((out / "judge.json").read_text())
    large = next(c for c in judged["comparisons"] if c["b"] == "large")
    assert judged["usable"] and large["a"] == "tuned" and large["losses"] > large["wins"]
    assert no_key_in(out)
    # All that `lora judge` asks was asked by `lora eval`: the same requests, the same bytes.
    before, asked = hashes(out), len(server.requests)
    again = lora("judge", out, "--config", config, env=ENVIRONMENT)
    assert again.returncode in (0, 1) and len(server.requests) == asked and hashes(out) == before, again.stderr


def test_run_goes_on_without_endpoints_that_fail(tiny, rows, held_out, server, tmp_path):
    server.always = faults.status(401, "who are you?")
    config = write_config(tmp_path / "c.toml", server, judge="decides = true\n")
    out = tmp_path / "out"
    arguments = ("run", config, "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", out, "--max-steps", 2,
                 "--threads", 1)
    without = {k: v for k, v in ENVIRONMENT.items() if k != "ENDPOINT_KEY"}
    assert "ENDPOINT_KEY is not set" in error_line(lora(*arguments, env=without), 2)
    assert not out.exists() and not server.requests  # before the training, not after it
    done = lora(*arguments, env=ENVIRONMENT)
    assert done.returncode in (0, 1), done.stderr
    assert "large is left out of the comparison" in done.stderr and "no judge was heard" in done.stderr
    assert (out / "finished.json").exists() and KEY not in done.stdout + done.stderr
    assert "status 401" in json.loads((out / "eval" / "endpoints.json").read_text())["contestants"][0]["left_out"]
    judged = json.loads((out / "eval" / "judge.json").read_text())
    assert judged["usable"] is False and "status 401" in judged["reasons"][0]
    assert {a["contestant"] for a in read_lines(out / "eval" / "answers.jsonl")} <= {"base", "few_shot", "tuned"}
    # Later, when it answers, it is heard.
    server.always = None
    assert lora("judge", out, "--config", config, env=ENVIRONMENT).returncode in (0, 1)
    assert json.loads((out / "eval" / "judge.json").read_text())["usable"] and no_key_in(out)


def test_a_judge_that_decides(tiny, rows, held_out, server, tmp_path):
    """It prefers whatever is not the base's answer; the checks see no difference."""
    out = tmp_path / "out"
    known = server.judge

    def judge(case):
        if case.first is None:
            return known(case)
        base = {a["answer"].strip() for a in read_lines(out / "eval" / "answers.jsonl") if a["contestant"] == "base"}
        worth = [2 if text == case.reference else 0 if text.strip() in base else 1 for text in (case.first, case.second)]
        return faults.verdict(*worth)

    server.judge = judge
    config = write_config(tmp_path / "c.toml", server, judge='decides = true\nagainst = ["base"]\n')
    done = lora("run", config, "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", out, "--max-steps", 12,
                "--learning-rate", "2e-2", "--threads", 1, "--format", "json", env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "eval" / "summary.json").read_text())
    judged = json.loads((out / "eval" / "judge.json").read_text())
    assert judged["usable"] and judged["decides"] and judged["verdict"] == "won", judged
    assert summary["verdict"] == "won" and summary["decided_by"] == "judge" and "By the judge large-model" in summary["sentence"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert summary["enough_examples"] is True and "Decided by the judge" in page and "It decides." in page
    told = json.loads(done.stdout)["evaluation"]
    assert told["verdict"] == "won" and told["decided_by"] == "judge"
    assert json.loads((out / "finished.json").read_text())["verdict"] == "won"


# --- stopped while the judge is asked ---
def evaluation(tiny, trained, data, config, out):
    return ("eval", tiny, data, "--adapter", trained / "adapter", "--output-dir", out, "--config", config, "--threads", 1)


def judgements(server):
    """How often the judge was asked; contestants are shown no two answers."""
    return sum(faults.read_case(body).first is not None for _, _, body in list(server.requests))


def results(folder):
    """What an evaluation wrote, but for what holds times, and the cache."""
    timed = ("timing.json", "endpoints.json", "report.html")
    return {name: what for name, what in hashes(folder).items() if name not in timed and not name.startswith("endpoint_cache")}


def stop_while_judging(server, command, after, which):
    """Stops the command once it has so many judgements, and its four connections wait for more."""
    speak, asked, release = server.judge, itertools.count(), threading.Event()

    def hold_back(case):
        if case.first is not None and next(asked) >= after:
            release.wait(120)
        return speak(case)

    server.judge = hold_back
    try:
        process = start(*command, env=ENVIRONMENT)
        deadline = time.monotonic() + 120
        while judgements(server) < after + 4 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(which)
        return finish(process)
    finally:
        release.set()
        server.judge = speak


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGKILL])
def test_an_evaluation_stopped_while_it_is_judged_is_gone_on_with(tiny, trained, rows, held_out, server, tmp_path, which):
    config, straight, out = write_config(tmp_path / "c.toml", server), tmp_path / "straight", tmp_path / "out"
    undisturbed = lora(*evaluation(tiny, trained, held_out, config, straight), env=ENVIRONMENT)
    assert undisturbed.returncode in (0, 1), undisturbed.stderr
    whole = judgements(server)
    assert "taken from" not in undisturbed.stderr and not (straight / "unfinished.json").exists()

    server.requests.clear()
    stopped = stop_while_judging(server, evaluation(tiny, trained, held_out, config, out), 20, which)
    if which == signal.SIGINT:
        assert stopped.returncode == 130 and "Give the same command again" in stopped.stderr, stopped.stderr
    else:
        assert stopped.returncode == -signal.SIGKILL
    assert (out / "answers.jsonl").exists() and not (out / "judge.json").exists() and not (out / "report.html").exists()
    before = hashes(out)
    server.requests.clear()
    assert "an unfinished evaluation of another" in error_line(lora(*evaluation(tiny, trained, rows, config, out), env=ENVIRONMENT), 2)
    assert hashes(out) == before and not server.requests

    done = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert done.returncode == undisturbed.returncode, done.stderr
    assert judgements(server) == len(server.requests) == whole - 20, "only what is missing"
    assert f"{whole} answers of the judge, {whole - 20} asked now, 20 taken from {out}/endpoint_cache" in done.stderr
    assert f"large: 8 answers, 8 taken from {out}/endpoint_cache" in done.stderr
    assert results(out) == results(straight) and (out / "report.html").exists() and no_key_in(out)
    assert "not empty" in error_line(lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT), 2)


def test_an_evaluation_whose_judge_fails_on_the_way_is_gone_on_with(tiny, trained, held_out, server, tmp_path):
    config = write_config(tmp_path / "c.toml", server, judge="concurrency = 1\n")
    straight, out = tmp_path / "straight", tmp_path / "out"
    undisturbed = lora(*evaluation(tiny, trained, held_out, config, straight), env=ENVIRONMENT)
    whole = judgements(server)
    asked = itertools.count()

    def fail_after_twenty(h, body):
        case = faults.read_case(body)
        if case.first is not None and next(asked) >= 20:
            faults.status(503, "no more today")(h, body)
        else:
            h.complete(server.judge(case))

    server.always = fail_after_twenty
    failed = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert failed.returncode == undisturbed.returncode, failed.stderr  # the checks decide
    assert "no judge was heard" in failed.stderr and "503" in failed.stderr and "give the same command again" in failed.stderr
    assert json.loads((out / "judge.json").read_text())["usable"] is False and (out / "report.html").exists()

    server.always = None
    server.requests.clear()
    done = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert done.returncode == undisturbed.returncode, done.stderr
    assert judgements(server) == len(server.requests) == whole - 20, "only what is missing"
    assert f"20 taken from {out}/endpoint_cache" in done.stderr
    assert results(out) == results(straight) and not (out / "unfinished.json").exists()


def test_an_evaluation_that_lacks_a_few_judgements_is_gone_on_with(tiny, trained, held_out, server, tmp_path):
    config = write_config(tmp_path / "c.toml", server, judge="concurrency = 1\n")
    straight, out = tmp_path / "straight", tmp_path / "out"
    lora(*evaluation(tiny, trained, held_out, config, straight), env=ENVIRONMENT)
    whole, asked = judgements(server), itertools.count()

    def fail_at_the_end(h, body):  # too few in a row to give up
        case = faults.read_case(body)
        if case.first is not None and next(asked) >= whole - 1:
            faults.status(503, "no more today")(h, body)
        else:
            h.complete(server.judge(case))

    server.always = fail_at_the_end
    lacking = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert lacking.returncode in (0, 1) and "give the same command again" in lacking.stderr, lacking.stderr
    assert (out / "unfinished.json").exists() and (out / "report.html").exists()
    # What a judge said in between, going on would replace.
    before = hashes(out)
    other = write_config(tmp_path / "other.toml", server, judge='rubric = "The shorter answer is the better one."\n')
    line = error_line(lora("judge", out, "--config", other, env=ENVIRONMENT), 2)
    assert str(out) in line and "has not finished" in line and "same `lora eval` command" in line and hashes(out) == before

    server.always = None
    server.requests.clear()
    done = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert judgements(server) == len(server.requests) == 1, "only what is missing"
    assert results(out) == results(straight) and not (out / "unfinished.json").exists(), done.stderr


@pytest.mark.parametrize("change", ['rubric = "The shorter answer is the better one."\n', "temperature = 0.5\n", "max_tokens = 99\n"])
def test_judgements_on_another_request_are_not_taken(tiny, trained, held_out, server, tmp_path, change):
    config, out = write_config(tmp_path / "c.toml", server), tmp_path / "out"
    assert stop_while_judging(server, evaluation(tiny, trained, held_out, config, out), 20, signal.SIGINT).returncode == 130
    write_config(config, server, judge=change)
    server.requests.clear()
    done = lora(*evaluation(tiny, trained, held_out, config, out), env=ENVIRONMENT)
    assert done.returncode in (0, 1), done.stderr
    asked = json.loads((out / "judge.json").read_text())["endpoint"]["answers"]
    assert judgements(server) == asked and f"{asked} answers of the judge, {asked} asked now;" in done.stderr


def test_a_run_stopped_while_it_is_judged_is_gone_on_with(tiny, rows, held_out, server, tmp_path):
    config, straight, out = write_config(tmp_path / "c.toml", server), tmp_path / "straight", tmp_path / "out"

    def command(folder):
        return ("run", config, "--model", tiny, "--train-data", rows, "--eval-data", held_out, "--output-dir", folder, "--max-steps", 2,
                "--threads", 1)

    undisturbed = lora(*command(straight), env=ENVIRONMENT)
    assert undisturbed.returncode in (0, 1), undisturbed.stderr
    whole = judgements(server)
    server.requests.clear()
    stopped = stop_while_judging(server, command(out), 20, signal.SIGINT)
    assert stopped.returncode == 130 and not (out / "finished.json").exists(), stopped.stderr
    server.requests.clear()
    # What a judge said in between, going on would replace.
    before = hashes(out)
    for folder in (out, out / "eval", f"{out}/eval/"):
        line = error_line(lora("judge", folder, "--config", config, "--data", out / "split" / "test.jsonl", env=ENVIRONMENT), 2)
        assert "has not finished" in line and "same `lora run` command" in line
    assert hashes(out) == before and not server.requests
    done = lora(*command(out), env=ENVIRONMENT)
    assert done.returncode == undisturbed.returncode, done.stderr
    assert judgements(server) == len(server.requests) == whole - 20, "only what is missing"
    assert f"20 taken from {out}/eval/endpoint_cache" in done.stderr
    assert results(out / "eval") == results(straight / "eval")
