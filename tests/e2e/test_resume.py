"""A training that is killed, interrupted or short of disk goes on to the bytes of a straight run."""
import fcntl
import json
import os
import random
import resource
import signal
import string
import subprocess
import time

import pytest

from program import adapter_bytes, chat, error_line, finish, hashes, lora, start, succeed, write_rows

STEPS = 240


def command(tiny, rows, output_dir):
    return ("train", "--model", tiny, "--train-data", rows, "--output-dir", output_dir, "--max-steps", STEPS,
            "--learning-rate", "5e-3", "--lora-dropout", "0.1", "--eval-steps", 7, "--test-size", 4, "--valid-size", 4,
            "--threads", 1)


def record(output_dir):
    """metrics.jsonl without what differs from run to run."""
    lines = [json.loads(x) for x in (output_dir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in x.items() if k not in ("seconds", "peak_memory_bytes")} for x in lines]


def wait_for_steps(output_dir, count, process):
    file = output_dir / "metrics.jsonl"
    while process.poll() is None and (not file.exists() or file.read_text().count("\n") < count):
        time.sleep(0.01)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, tiny, rows):
    folder = tmp_path_factory.mktemp("run") / "straight"
    began = time.monotonic()
    succeed(*command(tiny, rows, folder))
    return folder, time.monotonic() - began


def expect_same(output_dir, straight):
    assert adapter_bytes(output_dir) == adapter_bytes(straight[0])
    assert record(output_dir) == record(straight[0])


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path, tiny, rows, straight):
    succeed(*command(tiny, rows, tmp_path / "again"))
    expect_same(tmp_path / "again", straight)
    succeed(*command(tiny, rows, tmp_path / "other"), "--seed", 1)
    assert adapter_bytes(tmp_path / "other") != adapter_bytes(straight[0])


def test_killed_at_random_times(tmp_path, tiny, rows, straight):
    seed = int(os.environ.get("LORA_TEST_SEED", time.time_ns() % 1000000))
    print("LORA_TEST_SEED =", seed)
    chance = random.Random(seed)
    output_dir, kills = tmp_path / "killed", 0
    for attempt in range(60):
        process = start(*command(tiny, rows, output_dir))
        # Half of the kills come anywhere, in the beginning too; half after some further steps.
        if attempt % 2 == 0:
            try:
                process.wait(chance.uniform(0, 0.35 * straight[1]))
            except subprocess.TimeoutExpired:
                pass
        else:
            done = len(record_or_nothing(output_dir))
            wait_for_steps(output_dir, done + chance.randrange(1, 40), process)
        if process.poll() is None and kills < 6:
            process.kill()
            finish(process)
            kills += 1
            continue
        finished = finish(process)
        assert finished.returncode == 0, finished.stderr
        break
    assert kills >= 3
    assert (output_dir / "finished.json").exists()
    expect_same(output_dir, straight)
    split = {f.name: f.read_bytes() for f in (output_dir / "split").iterdir()}
    assert split == {f.name: f.read_bytes() for f in (straight[0] / "split").iterdir()}


def record_or_nothing(output_dir):
    file = output_dir / "metrics.jsonl"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, tiny, rows, straight, which):
    output_dir = tmp_path / "interrupted"
    process = start(*command(tiny, rows, output_dir))
    wait_for_steps(output_dir, 23, process)
    process.send_signal(which)
    done = finish(process)
    line = error_line_after_progress(done, 130)
    assert "stopped after step" in line and "a checkpoint is saved" in line and "same command" in line
    step = int(line.split("stopped after step ")[1].split()[0])
    assert 23 <= step < STEPS and (output_dir / "checkpoints" / f"step-{step}").is_dir()
    resumed = succeed(*command(tiny, rows, output_dir))
    assert f"step-{step}" in resumed.stderr
    expect_same(output_dir, straight)


def test_interrupted_while_the_held_out_loss_is_computed(tmp_path, tiny):
    """Of 200 rows, a pass each: a second or so, of which it waits for one pass. Its line is written when the
    run goes on, once."""
    chance = random.Random(3)

    def words(count):
        return " ".join("".join(chance.choices(string.ascii_lowercase, k=7)) for _ in range(count))

    rows = write_rows(tmp_path / "many.jsonl", [chat(words(6), words(3)) for _ in range(240)])

    def arguments(output_dir):
        return ("train", "--model", tiny, "--train-data", rows, "--output-dir", output_dir, "--max-steps", 6,
                "--eval-steps", 3, "--logging-steps", 2, "--learning-rate", "5e-3", "--lora-dropout", "0.1",
                "--valid-size", 200, "--micro-batch-tokens", 16, "--threads", 1)

    succeed(*arguments(tmp_path / "straight"))
    output_dir = tmp_path / "interrupted"
    process = start(*arguments(output_dir))
    wait_for_steps(output_dir, 1, process)  # the line of step 2
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    line = error_line_after_progress(finish(process), 130)
    assert "stopped after step 3 of 6, before its held-out loss was known; a checkpoint is saved" in line
    state = output_dir / "checkpoints" / "step-3" / "state.json"
    assert json.loads(state.read_text())["awaits_evaluation"]
    assert [x["step"] for x in record(output_dir)] == [2]
    resumed = succeed(*arguments(output_dir))
    assert "checkpoints/step-3" in resumed.stderr
    assert not json.loads(state.read_text())["awaits_evaluation"]
    assert [x["step"] for x in record(output_dir)] == [2, 3, 4, 6]
    expect_same(output_dir, (tmp_path / "straight",))


def error_line_after_progress(done, code):
    assert done.returncode == code, done.stderr
    lines = [x for x in done.stderr.splitlines() if x.startswith("lora: ")]
    assert len(lines) == 1 and done.stderr.splitlines()[-1] == lines[0], done.stderr
    return lines[0]


def test_a_full_disk(tmp_path, tiny, rows, straight):
    """No file may grow over 100 kB: the first checkpoint cannot be written."""
    output_dir = tmp_path / "full"

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = lora(*command(tiny, rows, output_dir), preexec_fn=limit, restore_signals=False)
    line = error_line_after_progress(done, 3)
    assert str(output_dir) in line and "cannot be written" in line
    assert not list((output_dir / "checkpoints").glob("step-*")) and not (output_dir / "adapter").exists()
    succeed(*command(tiny, rows, output_dir))
    expect_same(output_dir, straight)


def test_a_run_that_goes_on_tomorrow_prints_the_date_it_began_on(tmp_path, tiny, rows):
    """The two time zones are 26 hours apart, so the second sitting has another date."""
    template = tmp_path / "dated.jinja"
    template.write_text("{{ strftime_now('%Y-%m-%d') }}{% for m in messages %}<|im_start|>{{ m.role }}\n"
                        "{{ m.content }}<|im_end|>\n{% endfor %}"
                        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    output_dir = tmp_path / "dated"
    arguments = (*command(tiny, rows, output_dir), "--chat-template", template)
    process = start(*arguments, env=os.environ | {"TZ": "XXX-14"})
    wait_for_steps(output_dir, 10, process)
    process.send_signal(signal.SIGINT)
    error_line_after_progress(finish(process), 130)
    began = json.loads((output_dir / "run.json").read_text())["template_date"]
    succeed(*arguments, env=os.environ | {"TZ": "XXX+12"})
    other = tmp_path / "other"
    succeed(*command(tiny, rows, other), "--chat-template", template, env=os.environ | {"TZ": "XXX+12"})
    assert json.loads((other / "run.json").read_text())["template_date"] < began, "the test's dates must differ"
    assert adapter_bytes(other) != adapter_bytes(output_dir)
    dated = tmp_path / "told"
    succeed(*command(tiny, rows, dated), "--chat-template", template, "--chat-template-date", began)
    assert record(dated) == record(output_dir)


def test_a_torn_checkpoint_is_passed_over(tmp_path, tiny, rows, straight):
    output_dir = tmp_path / "torn"
    process = start(*command(tiny, rows, output_dir))
    wait_for_steps(output_dir, 40, process)
    process.kill()
    finish(process)
    steps = sorted((int(x.name[5:]) for x in (output_dir / "checkpoints").glob("step-*")))
    torn = output_dir / "checkpoints" / f"step-{steps[-1]}" / "optimizer.safetensors"
    torn.write_bytes(torn.read_bytes()[:-100])
    resumed = succeed(*command(tiny, rows, output_dir))
    assert f"going on from {output_dir}/checkpoints/step-{steps[-2]}\n" in resumed.stderr
    expect_same(output_dir, straight)


def test_other_options_or_data_do_not_resume_it(tmp_path, tiny, rows, straight):
    folder, before = straight[0], hashes(straight[0])
    (tmp_path / "more.jsonl").write_text(rows.read_text() + rows.read_text().splitlines()[0] + "\n")
    for change in (("--learning-rate", "1e-3"), ("--train-data", tmp_path / "more.jsonl"), ("--seed", 5)):
        line = error_line(lora(*command(tiny, rows, folder), *change) if change[0] == "--seed" else
                          lora(*[change[1] if i and command(tiny, rows, folder)[i - 1] == change[0] else x
                                 for i, x in enumerate(command(tiny, rows, folder))]), 2)
        assert str(folder) in line and "other options, data, model or thread count" in line and "output_dir" in line
    line = error_line(lora(*command(tiny, rows, folder)), 2)
    assert "finished" in line and "output_dir" in line
    assert hashes(folder) == before


def test_a_folder_is_worked_in_by_one_at_a_time(tmp_path, tiny, rows):
    """A run that lives on in a lost terminal, and the same command given again."""
    output_dir = tmp_path / "out"
    output_dir.mkdir()
    held = os.open(output_dir, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    done = lora(*command(tiny, rows, output_dir))
    assert "another lora works in this folder" in error_line(done, 2)
    assert list(output_dir.iterdir()) == []
    os.close(held)
    succeed(*command(tiny, rows, output_dir))
    assert "makes its page again" in error_line(lora(*command(tiny, rows, output_dir)), 2)
