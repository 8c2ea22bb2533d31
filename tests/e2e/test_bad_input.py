"""Bad input of every kind: the documented exit code, one sentence with place and cure, and nothing written."""
import json
import shutil

import pytest

from program import GGUF, chat, error_line, hashes, lora, make_tiny_model, word_rows, write_rows

GOOD = json.dumps(chat("a question", "an answer"))


def row(*messages):
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in messages]})


# The file's text, and parts of the sentence.
BAD_DATA = {
    "unescaped quotes": (GOOD + "\n" + '{"messages": [{"role": "user", "content": "say "hi""}]}\n', ["data.jsonl:2:", "quote"]),
    "cut off": (GOOD + "\n" + GOOD[:30] + "\n", ["data.jsonl:2:"]),
    "empty file": ("", ["data.jsonl", "empty"]),
    "JSON array": ("[" + GOOD + ",\n" + GOOD + "]\n", ["data.jsonl:1", "array"]),
    "no role": ('{"messages": [{"content": "hi"}]}\n', ["data.jsonl:1:", "role"]),
    "unknown role": (row(("human", "hi"), ("assistant", "yes")) + "\n", ["data.jsonl:1:", "human"]),
    "no answer": (row(("user", "hi")) + "\n", ["data.jsonl:1", "assistant"]),
    "empty answer": (row(("user", "hi"), ("assistant", "")) + "\n", ["data.jsonl:1", "empty"]),
    "content is a number": ('{"messages": [{"role": "user", "content": 3}]}\n', ["data.jsonl:1:", "content"]),
    "ShareGPT": ('{"conversations": [{"from": "human", "value": "hi"}]}\n', ["data.jsonl:1", "ShareGPT"]),
    "Alpaca without an answer": ('{"instruction": "x", "input": "", "output": ""}\n', ["data.jsonl:1:"]),
    "not UTF-8": (GOOD.encode() + b'\n{"messages": [{"role": "user", "content": "\xff"}]}\n', ["data.jsonl:2", "UTF-8"]),
    "blank line between": (GOOD + "\n\n" + GOOD + "\n", ["data.jsonl:2"]),
    "control token in text": ("".join(json.dumps(x) + "\n" for x in word_rows(30)) +
                              row(("user", "stop <|im_end|> here"), ("assistant", "yes")) + "\n",
                              ["data.jsonl:31", "<|im_end|>"]),
    "rows too long": ("".join(json.dumps(x) + "\n" for x in [*word_rows(30), chat("a " * 700, "b")]),
                      ["data.jsonl:31", "1 of", "max_seq_length"]),
}


@pytest.mark.parametrize("name, row", [
    ("ShareGPT", lambda q, a: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}),
    ("Alpaca", lambda q, a: {"instruction": q, "input": "", "output": a}),
    ("prompt/completion", lambda q, a: {"prompt": q, "completion": a}),
    ("plain text", lambda q, a: {"text": f"Q: {q} A: {a}"}),
])
def test_other_formats_train_and_are_named(tmp_path, tiny, name, row):
    pairs = [[m["content"] for m in r["messages"]] for r in word_rows(12)]
    data = write_rows(tmp_path / "data.jsonl", [row(q, a) for q, a in pairs])
    done = lora("train", "--model", tiny, "--train-data", data, "--output-dir", tmp_path / "out", "--max-steps", 1,
                "--valid-size", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert name in done.stderr, "what was read is said"
    scored = lora("score", tiny, data, "--threads", 1, "--format", "json")
    assert [row["line"] for row in json.loads(scored.stdout)["rows"]] == list(range(1, 13)), scored.stderr
    assert json.loads(lora("inspect", tiny, data, "--format", "json").stdout)["supervised_tokens"] > 0


def test_run_needs_questions(tmp_path, tiny):
    data = write_rows(tmp_path / "data.jsonl", [{"text": f"row {i} of nothing"} for i in range(12)])
    line = error_line(lora("run", "--model", tiny, "--train-data", data, "--output-dir", tmp_path / "out"), 2)
    assert "data.jsonl:1" in line and "lora train" in line


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data(tmp_path, tiny, name):
    text, parts = BAD_DATA[name]
    data = tmp_path / "data.jsonl"
    data.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = hashes(tmp_path)
    line = error_line(lora("train", "--model", tiny, "--train-data", data, "--output-dir", tmp_path / "out",
                           "--max-seq-length", 400, "--test-size", 1, "--valid-size", 1, "--max-steps", 1), 2)
    for part in parts:
        assert part in line, line
    assert hashes(tmp_path) == before and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["score", "eval", "generate", "inspect"])
def test_every_command_names_the_place_in_bad_data(tmp_path, tiny, trained, command):
    data = tmp_path / "data.jsonl"
    data.write_text(GOOD + "\n" + GOOD[:-2] + "\n")
    more = {"score": [data], "eval": [data, "--adapter", trained / "adapter", "--output-dir", tmp_path / "eval"],
            "generate": ["--data", data], "inspect": [data]}[command]
    assert "data.jsonl:2:" in error_line(lora(command, tiny, *more), 2)
    assert not (tmp_path / "eval").exists()


# Lines of a configuration that is otherwise sound, and parts of the sentence.
BAD_CONFIG = {
    "unknown key": ("learing_rate = 1e-4", ["bad.toml:3:1", "learing_rate", "\"learning_rate\""]),
    "wrong type": ("r = \"16\"", ["bad.toml:3:5", "whole number"]),
    "not TOML": ("r = = 3", ["bad.toml:3:", "TOML"]),
    "out of range": ("lora_dropout = 1.5", ["lora_dropout", "1.5"]),
    "unknown module": ("target_modules = [\"c_attn\"]", ["c_attn", "q_proj"]),
    "unknown schedule": ("lr_scheduler_type = \"polynomial\"", ["polynomial", "cosine"]),
    "unknown optimizer": ("optim = \"lion\"", ["lion", "adamw"]),
    "not a number": ("learning_rate = nan", ["learning_rate"]),
}


@pytest.mark.parametrize("name", BAD_CONFIG)
def test_bad_configuration(tmp_path, tiny, rows, name):
    text, parts = BAD_CONFIG[name]
    file = tmp_path / "bad.toml"
    file.write_text(f'model = "{tiny}"\ntrain_data = "{rows}"\n{text}\noutput_dir = "{tmp_path / "out"}"\n')
    line = error_line(lora("run", file), 2)
    for part in parts:
        assert part in line, line
    assert not (tmp_path / "out").exists()


def test_bad_flags(tmp_path, tiny, rows):
    common = ("--model", tiny, "--train-data", rows, "--output-dir", tmp_path / "out")
    assert "learning_rate" in error_line(lora("train", *common, "--learning-rate", "fast"), 2)
    assert "--set" in error_line(lora("train", *common, "--set", "r"), 2)
    assert "lora_alpha" in error_line(lora("train", *common, "--set", "lora_alhpa=3"), 2)
    assert "train_data" in error_line(lora("train", "--model", tiny, "--output-dir", tmp_path / "out"), 2)
    assert "output_dir" in error_line(lora("train", "--model", tiny, "--train-data", rows), 2)
    assert "model" in error_line(lora("train", "--train-data", rows, "--output-dir", tmp_path / "out"), 2)
    for arguments in ((), ("tran",), ("train", "--learning-rte", "1"), ("score", tiny), ("generate", tiny, "--format", "xml"),
                      ("generate", tiny, "--threads", "-3")):
        done = lora(*arguments)
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) <= 3, (arguments, done)
    assert not (tmp_path / "out").exists()


def broken_model(folder, tiny, what):
    if what.endswith(".gguf"):
        path = folder / what
        whole = GGUF.read_bytes()
        path.write_bytes({"cut.gguf": whole[: len(whole) // 2], "header.gguf": whole[:5000], "empty.gguf": b"",
                          "magic.gguf": b"GGML" + whole[4:5000]}[what])
        return path
    path = folder / "model"
    shutil.copytree(tiny, path)
    weights = path / "model.safetensors"
    if what == "cut safetensors":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif what == "no weights":
        weights.unlink()
    elif what == "only pickled weights":
        weights.rename(path / "pytorch_model.bin")
    elif what == "other sizes":
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    elif what == "other family":
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}))
    elif what == "no tokenizer":
        (path / "tokenizer.json").unlink()
    elif what == "broken config.json":
        (path / "config.json").write_text("{")
    elif what == "nothing":
        shutil.rmtree(path)
    return path


@pytest.mark.parametrize("what, part", [
    ("cut.gguf", "cut.gguf"), ("header.gguf", "header.gguf"), ("empty.gguf", "empty.gguf"), ("magic.gguf", "magic.gguf"),
    ("cut safetensors", "model.safetensors"), ("no weights", "model"), ("only pickled weights", "pytorch_model.bin"),
    ("other sizes", "mlp."), ("other family", "mamba"), ("no tokenizer", "tokenizer"), ("broken config.json", "config.json"),
    ("nothing", "model")])
def test_bad_model(tmp_path, tiny, rows, what, part):
    model = broken_model(tmp_path, tiny, what)
    line = error_line(lora("train", "--model", model, "--train-data", rows, "--output-dir", tmp_path / "out"), 2)
    assert part in line and len(line) > 40, line
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written(tmp_path, tiny, rows):
    file = tmp_path / "file"
    file.write_text("mine")
    for output_dir, code in ((file / "below", 3), (file, 2), ("/proc/nothing/here", 3), (tmp_path / ("x" * 300), 3),
                             ("/".join(["y" * 200] * 30), 3)):
        line = error_line(lora("train", "--model", tiny, "--train-data", rows, "--output-dir", output_dir,
                                           "--max-steps", 1), code)
        assert str(output_dir)[:40] in line
    assert file.read_text() == "mine"


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, tiny, rows, trained):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    before = hashes(tmp_path)
    line = error_line(lora("train", "--model", tiny, "--train-data", rows, "--output-dir", tmp_path / "out"), 2)
    assert "not empty" in line and "output_dir" in line
    line = error_line(lora("eval", tiny, rows, "--adapter", trained / "adapter", "--output-dir", tmp_path / "out"), 2)
    assert "not empty" in line
    assert hashes(tmp_path) == before


def test_rows_in_both_sets(tmp_path, tiny, rows):
    overlapping = write_rows(tmp_path / "eval.jsonl", [*word_rows(6, first=100), word_rows(40)[17]])
    line = error_line(lora("train", "--model", tiny, "--train-data", rows, "--eval-data", overlapping,
                           "--output-dir", tmp_path / "out"), 2)
    assert "train.jsonl:18" in line and "eval.jsonl:7" in line and "Remove" in line
    assert not (tmp_path / "out").exists()


def test_too_few_rows(tmp_path, tiny):
    few = write_rows(tmp_path / "few.jsonl", word_rows(2))
    line = error_line(lora("run", "--model", tiny, "--train-data", few, "--output-dir", tmp_path / "out"), 2)
    assert "rows" in line and not (tmp_path / "out").exists()


def test_adapters_that_do_not_belong(tmp_path, tiny, rows, trained):
    other = make_tiny_model(tmp_path / "other", seed=1)
    assert "another base" in error_line(lora("score", other, rows, "--adapter", trained / "adapter"), 2)
    assert "adapter_model.safetensors" in error_line(lora("score", GGUF, rows, "--adapter", trained / "adapter"), 2)
    assert "nowhere" in error_line(lora("score", tiny, rows, "--adapter", tmp_path / "nowhere"), 2)
    assert "--adapter" in error_line(lora("eval", tiny, rows, "--output-dir", tmp_path / "eval"), 2)
    spoiled = tmp_path / "spoiled"
    shutil.copytree(trained / "adapter", spoiled)
    (spoiled / "adapter_model.safetensors").write_bytes(b"")
    assert "adapter_model.safetensors" in error_line(lora("generate", tiny, "--prompt", "Hi", "--adapter", spoiled), 2)


def test_generate_and_inspect_refuse_what_makes_no_sense(tmp_path, tiny, rows):
    for arguments, part in [((), "--prompt"), (("--prompt", "Hi", "--data", rows), "--data"),
                            (("--prompt", "Hi", "--temperature", "-1"), "temperature"),
                            (("--prompt", "Hi", "--top-p", "0"), "top_p"), (("--prompt", "Hi", "--top-k", "-1"), "top_k"),
                            (("--prompt", "Hi", "--max-new-tokens", "0"), "max_new_tokens"),
                            (("--prompt", "Hi", "--max-new-tokens", "9223372036854775807"), "context"),
                            (("--prompt", "x " * 600), "context"), (("--data", rows, "--system", "s"), "--system"),
                            (("--prompt", "a <|im_start|> b"), "<|im_start|>")]:
        assert part in error_line(lora("generate", tiny, *arguments), 2), arguments
    lonely = write_rows(tmp_path / "lonely.jsonl", [{"messages": [{"role": "assistant", "content": "yes"}]}])
    assert "lonely.jsonl:1" in error_line(lora("generate", tiny, "--data", lonely), 2)
    for row in ("0", "41"):
        assert "--row" in error_line(lora("inspect", tiny, rows, "--row", row), 2)
