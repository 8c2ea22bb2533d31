"""`--device`: a GPU trains as the CPU's plain operations do; one that is not there is refused by name. That every tensor lies
where it must is shown without a GPU by src/model/device_test.cpp."""
import json

import pytest

from program import error_line, lora, succeed

NO_GPU = ("./setup --cuda", "no NVIDIA GPU")


def train(tiny, rows, folder, *more):
    return lora("train", "--model", tiny, "--train-data", rows, "--output-dir", folder, "--max-steps", 4, "--valid-size", 4, *more)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.needs_gpu)])
def test_a_device_trains_and_scores_as_the_plain_operations_do(tiny, rows, tmp_path, device):
    done = train(tiny, rows, tmp_path / "there", "--device", device)
    if any(words in done.stderr for words in NO_GPU):
        pytest.skip("needs an NVIDIA GPU, and a program built with ./setup --cuda")
    assert done.returncode == 0, done.stderr
    assert train(tiny, rows, tmp_path / "plain", "--reference").returncode == 0
    there, plain = ([json.loads(line)["loss"] for line in open(tmp_path / name / "metrics.jsonl")] for name in ("there", "plain"))
    assert len(plain) == 4 and there == pytest.approx(plain, rel=1e-4)
    adapter = ("--adapter", tmp_path / "plain" / "adapter", "--format", "json")
    scores = [json.loads(succeed("score", tiny, rows, *adapter, *more).stdout) for more in (("--device", device), ("--reference",))]
    assert scores[0]["nll"] == pytest.approx(scores[1]["nll"], rel=1e-4)
    assert scores[0]["tokens"] == scores[1]["tokens"] > 0


def test_what_is_not_there_is_refused(tiny, rows, tmp_path):
    assert "cpu, cuda, or cuda:N" in error_line(train(tiny, rows, tmp_path / "run", "--device", "gpu"), 2)
    assert "cuda:77" in error_line(train(tiny, rows, tmp_path / "run", "--device", "cuda:77"), 2)
    assert not (tmp_path / "run").exists()
    assert "device" in error_line(lora("bench", tiny, rows, "--set", "device=\"cuda\""), 2)
    assert "memory_limit" in error_line(lora("plan", tiny, rows, "--device", "cuda", "--memory-limit", "3GB"), 2)


def test_the_plan_says_what_it_does_not_know_of_a_gpu(tiny, rows):
    plan = json.loads(succeed("plan", tiny, rows, "--device", "cuda", "--format", "json").stdout)
    assert "seconds" not in plan and any(note.startswith("device:") for note in plan["notes"])
