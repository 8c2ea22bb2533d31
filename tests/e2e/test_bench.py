"""`lora bench`, and the traces of --profile."""
import json
import statistics
import subprocess

import pytest

from program import GGUF, LORA, error_line, hashes, lora, succeed

QUICK = ["--steps", 3, "--warm-up", 1, "--threads", 1]


def highest_percent(result):
    """Percent of what BLAS can do; our own products may do more, by as much as they are faster."""
    return 110 * max(1, result["panel_gflops"] / result["peak_gflops"])


def bench(*arguments):
    return json.loads(succeed("bench", *arguments, *QUICK, "--format", "json").stdout)


def test_figures_of_a_tiny_model(tiny, rows):
    result = bench(tiny, rows)
    step, flops = result["step"], result["flops_per_step"]
    assert result["threads"] == 1 and len(result["seconds"]) == 3 and step["examples"] == 8
    assert 0 < step["supervised_tokens"] < step["unique_tokens"] <= step["tokens"]
    assert result["median_seconds"] == statistics.median(result["seconds"])
    assert result["examples_per_second"] == pytest.approx(8 / result["median_seconds"])
    assert result["tokens_per_second"] == pytest.approx(step["tokens"] / result["median_seconds"])

    # 2 layers of q, o 32x32, k, v 16x32, gate, up, down 48x32; r 16 on all; the head is the embedding.
    layer = 2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32
    adapter = 16 * (2 * (32 + 32) + 2 * (16 + 32) + 3 * (48 + 32))
    vocabulary = json.loads((tiny / "config.json").read_text())["vocab_size"]
    assert result["adapter_parameters"] == 2 * adapter
    assert flops["frozen"] == pytest.approx(4 * 2 * layer * step["unique_tokens"])
    assert flops["adapter"] == pytest.approx(6 * 2 * adapter * step["unique_tokens"])
    assert flops["head"] == pytest.approx(4 * vocabulary * 32 * step["supervised_tokens"])
    assert flops["attention"] > 14 * 2 * 4 * 8 * step["unique_tokens"]  # each sees itself at least
    assert flops["total"] == pytest.approx(flops["frozen"] + flops["adapter"] + flops["attention"] + flops["head"])
    assert sum(shape["flops"] for shape in flops["frozen_shapes"]) == pytest.approx(flops["frozen"])

    # Percent of the speed of light, from its parts.
    limit = (flops["total"] - flops["head"]) / (1e9 * result["peak_gflops"]) + flops["head"] / (1e9 * result["head_gflops"])
    assert result["limit_seconds"] == pytest.approx(limit)
    assert 0.1 < result["speed_of_light_percent"] < highest_percent(result)
    assert result["percent_of_panels"] == pytest.approx(
        flops["total"] / (1e7 * result["panel_gflops"]) / result["median_seconds"], rel=0.3)
    assert len(result["peak_gflops_rounds"]) == 3 and min(result["peak_gflops_rounds"]) > 0.1
    both_ways = [rate[way] for rate in result["gemm"] for way in ("forward_gflops", "backward_gflops")]
    assert result["peak_gflops"] == pytest.approx(max(both_ways))
    assert {(rate["out"], rate["in"]) for rate in result["gemm"]} == {(32, 32), (16, 32), (48, 32), (32, 48)}
    assert 20e6 < result["peak_memory_bytes"] < 3e9

    parts = {part["name"]: part for part in result["parts"]}
    assert sum(part["seconds"] for part in parts.values()) == pytest.approx(statistics.mean(result["seconds"]), rel=0.05)
    assert sum(part["limit_seconds"] for part in parts.values()) == pytest.approx(limit)
    for name in ("frozen matrices", "adapter", "attention", "head", "softmax of the head", "norms, rope, activation", "optimizer"):
        assert parts[name]["seconds"] > 0, name
    assert parts["unpacking"]["seconds"] > 0  # fp32, and laid out all the same
    assert parts["dropout"]["seconds"] == 0


def test_nothing_is_written(tmp_path, tiny, rows):
    before = hashes(tiny)
    done = subprocess.run([LORA, "bench", tiny, rows, *map(str, QUICK)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in ("speed of light", "GEMM peak", "examples/s", "peak memory", "where a step goes", "frozen matrices"):
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == [] and hashes(tiny) == before


def test_random_rows(tiny):
    result = bench(tiny, "--tokens", 60, "--shared", 30, "--supervised", 20)
    # A row's last token is predicted and not read; the 30 that all share are laid once.
    assert result["step"] == {"examples": 8, "tokens": 8 * 59, "unique_tokens": 30 + 8 * 29, "supervised_tokens": 160, "passes": 1}
    alone = bench(tiny, "--tokens", 60, "--shared", 30, "--supervised", 20, "--share-prefixes", "false")
    assert alone["step"]["unique_tokens"] == 8 * 59


def test_a_configuration_with_flags_after_it(tmp_path, tiny, rows):
    config = tmp_path / "my.toml"
    config.write_text(f'model = "{tiny}"\ntrain_data = "{rows}"\nr = 4\nlora_dropout = 0.1\n')
    by_place, by_name = bench(config, "--per-device-train-batch-size", 1), bench("--config", config)
    assert by_place["step"]["examples"] == 4 and by_name["step"]["examples"] == 8
    assert by_place["adapter_parameters"] == 2 * 4 * (2 * (32 + 32) + 2 * (16 + 32) + 3 * (48 + 32))
    parts = {part["name"]: part["seconds"] for part in by_place["parts"]}
    assert parts["dropout"] > 0


def test_a_packed_base_is_unpacked():
    result = bench(GGUF, "--tokens", 24, "--shared", 8, "--supervised", 4, "--per-device-train-batch-size", 1,
                   "--gradient-accumulation-steps", 1)
    parts = {part["name"]: part["seconds"] for part in result["parts"]}
    assert parts["unpacking"] > 0 and result["step"]["unique_tokens"] == 23
    assert 1 < result["speed_of_light_percent"] < highest_percent(result)


@pytest.mark.parametrize("arguments, words", [
    ([], ["model"]),
    (["{tiny}", "--tokens", "10", "--shared", "8", "--supervised", "4"], ["--shared", "from 0 to 6"]),
    (["{tiny}", "--tokens", "10", "--supervised", "10"], ["--supervised", "from 1 to 9"]),
    (["{tiny}", "nowhere.jsonl"], ["nowhere.jsonl"]),
])
def test_wrong_use(tiny, arguments, words):
    line = error_line(lora("bench", *[a.format(tiny=tiny) for a in arguments]), 2)
    for word in words:
        assert word in line


# --- Traces ---------------------------------------------------------------------------------------------------------------


class Event:
    def __init__(self, line):
        self.name, self.args, self.inner = line["name"], line.get("args", {}), []
        self.begin = round(1000 * line["ts"])  # nanoseconds
        self.end = self.begin + round(1000 * line["dur"])

    duration = property(lambda self: self.end - self.begin)
    parts = property(lambda self: sum(part["ms"] * 1e6 for part in self.args.values()))

    def below(self):
        for event in self.inner:
            yield event
            yield from event.below()


def read_trace(path):
    """The outermost events, after a look at each: inside of the one around it, beside its siblings, not exceeded by its parts."""
    document = json.loads(path.read_text())
    assert document["otherData"]["events_left_out"] == 0
    metadata = [line for line in document["traceEvents"] if line["ph"] == "M"]
    assert len(metadata) == 1 and metadata[0]["name"] == "process_name"
    lines = [line for line in document["traceEvents"] if line["ph"] != "M"]
    assert {line["ph"] for line in lines} == {"X"} and {(line["pid"], line["tid"]) for line in lines} == {(1, 1)}
    outermost, open_ones = [], []
    for event in sorted(map(Event, lines), key=lambda e: (e.begin, -e.end)):
        while open_ones and open_ones[-1].end <= event.begin:
            open_ones.pop()
        if open_ones:
            assert event.end <= open_ones[-1].end, (event.name, open_ones[-1].name)
        (open_ones[-1].inner if open_ones else outermost).append(event)
        open_ones.append(event)
    for event in [e for top in outermost for e in (top, *top.below())]:
        assert sum(e.duration for e in event.inner) + event.parts <= event.duration * 1.0001 + 1000, event.name
    return metadata[0]["args"]["name"], outermost


def hold_steps(steps, layers=2, passes=1):
    """Phases of each step, in their order; what stands in none of them is a few per cent."""
    for step in steps:
        assert [e.name for e in step.inner] == ["pass"] * passes + ["gradient_norm", "optimizer"]
        for one in step.inner[:passes]:
            assert [e.name for e in one.inner] == ["forward", "backward"]
            for direction in one.inner:
                names = [e.name for e in direction.inner]
                assert {n: names.count(n) for n in ("norm_linear", "rope", "attention", "linear_residual", "gated_mlp", "head_loss")} == {
                    "norm_linear": layers, "rope": 2 * layers, "attention": layers, "linear_residual": layers, "gated_mlp": layers,
                    "head_loss": 1}
                products = [e for e in direction.inner if e.name in ("norm_linear", "linear_residual", "gated_mlp")]
                assert all(e.args["adapter"]["count"] > 0 for e in products)
                # Nobody asks for the gradient of the embeddings.
                without = [e.name for e in products if "gemm" not in e.args]
                assert without == (["norm_linear"] if direction.name == "backward" else [])


def test_trace_of_a_bench(tmp_path, tiny, rows):
    trace = tmp_path / "trace.json"
    result = bench(tiny, rows, "--profile", trace, "--micro-batch-tokens", 80)
    process, steps = read_trace(trace)
    assert process == "lora bench" and [e.name for e in steps] == ["step"] * 3
    hold_steps(steps, passes=[e.name for e in steps[0].inner].count("pass"))
    assert sum(len([e for e in s.inner if e.name == "pass"]) for s in steps) == pytest.approx(3 * result["step"]["passes"])
    # The trace says what the clock around a step says, and its innermost times together are a step.
    assert [e.duration / 1e9 for e in steps] == pytest.approx(result["seconds"], rel=0.03)
    operations = sum(e.duration for s in steps for e in s.below() if not e.inner)
    assert operations > 0.5 * sum(e.duration for e in steps)


def test_trace_of_a_packed_base(tmp_path):
    trace = tmp_path / "trace.json"
    bench(GGUF, "--tokens", 101, "--shared", 0, "--supervised", 10, "--per-device-train-batch-size", 1,
          "--gradient-accumulation-steps", 1, "--profile", trace)
    _, steps = read_trace(trace)
    hold_steps(steps, layers=30)
    for step in steps:
        assert sum(e.duration for e in step.inner) > 0.95 * step.duration
        one = step.inner[0]
        assert sum(e.duration for e in one.inner) > 0.95 * one.duration
        for direction in one.inner:
            assert sum(e.duration for e in direction.inner) > 0.9 * direction.duration, direction.name
            # Four groups of matrices in each layer (q, k, v; o; gate, up; down), unpacked together, and none for the gradient
            # of the embeddings; the head tile by tile.
            chunks = sum(e.args["unpack"]["count"] for e in direction.inner if "unpack" in e.args)
            assert chunks >= 4 * 30 - 1


def test_trace_of_a_training(tmp_path, tiny, rows):
    trace, out = tmp_path / "trace.json", tmp_path / "run"
    succeed("train", "--model", tiny, "--train-data", rows, "--output-dir", out, "--max-steps", 4, "--valid-size", 4,
            "--eval-steps", 2, "--threads", 1, "--profile", trace)
    process, (whole,) = read_trace(trace)
    assert process == whole.name == "lora train"
    names = [e.name for e in whole.inner]
    assert {n: names.count(n) for n in ("load", "step", "evaluate", "checkpoint")} == {
        "load": 1, "step": 4, "evaluate": 3, "checkpoint": 2}
    hold_steps([e for e in whole.inner if e.name == "step"])
    finished = json.loads((out / "finished.json").read_text())
    assert finished["training_seconds"] * 1e9 < whole.duration


def test_a_trace_overwrites_nothing(tmp_path, tiny, rows):
    trace = tmp_path / "trace.json"
    trace.write_text("mine")
    for command in (["bench", tiny, rows], ["train", "--model", tiny, "--train-data", rows, "--output-dir", tmp_path / "run"]):
        line = error_line(lora(*command, "--profile", trace), 2)
        assert str(trace) in line and "there already" in line
    assert trace.read_text() == "mine" and not (tmp_path / "run").exists()


def test_no_trace_of_a_run_that_was_refused(tmp_path, tiny):
    trace = tmp_path / "trace.json"
    error_line(lora("train", "--model", tiny, "--train-data", tmp_path / "none.jsonl", "--output-dir", tmp_path / "run",
                    "--profile", trace), 2)
    assert not trace.exists()
