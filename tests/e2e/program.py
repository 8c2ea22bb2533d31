"""Runs the built program, and makes what it is run on: rows of data, and a tiny random model with a real tokenizer.

Steps of the tiny model take milliseconds, so that a test can stop and go on with a training many times. Needs the
reference packages (requirements/dev.txt), a build (LORA_BUILD_DIR) and the bundled model (LORA_GGUF) with its Hugging
Face twin (LORA_HF_TWIN).
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
LORA = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build")) / "lora"
GGUF = pathlib.Path(os.environ.get("LORA_GGUF", ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"))
HF_TWIN = pathlib.Path(os.environ.get("LORA_HF_TWIN", "/nonexistent"))


def start(*arguments, **options):
    return subprocess.Popen([LORA, *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def finish(process):
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def lora(*arguments, **options):
    return finish(start(*arguments, **options))


def succeed(*arguments, **options):
    done = lora(*arguments, **options)
    assert done.returncode == 0, (arguments, done.stderr)
    return done


def chat(*turns):
    """A row: user and assistant in turn."""
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def word_rows(count, first=0):
    """Rows that are no near duplicates of each other."""
    words = "amber birch cedar delta ember fjord grove heath inlet jade kelp lagoon maple north ocean pine".split()
    rows = []
    for n in range(first, first + count):
        a, b, c = words[n % 16], words[n // 16 % 16], words[(7 * n + 3) % 16]
        rows.append(chat(f"Give the code of {a} {b} {c}" + " please" * (n % 3), f"{c} {a}" + f" and {b}" * (n % 2)))
    return rows


def make_tiny_model(folder, seed=0):
    import numpy
    from safetensors.numpy import save_file

    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (HF_TWIN / name).exists():
            shutil.copy(HF_TWIN / name, folder / name)
    twin = json.loads((HF_TWIN / "config.json").read_text())
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": twin["vocab_size"],
              "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True,
              "bos_token_id": twin.get("bos_token_id"), "eos_token_id": twin.get("eos_token_id")}
    (folder / "config.json").write_text(json.dumps(config))
    random = numpy.random.default_rng(seed)
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], 32), "model.norm.weight": (32,)}
    for layer in range(2):
        name = f"model.layers.{layer}."
        shapes |= {name + "input_layernorm.weight": (32,), name + "post_attention_layernorm.weight": (32,),
                   name + "self_attn.q_proj.weight": (32, 32), name + "self_attn.k_proj.weight": (16, 32),
                   name + "self_attn.v_proj.weight": (16, 32), name + "self_attn.o_proj.weight": (32, 32),
                   name + "mlp.gate_proj.weight": (48, 32), name + "mlp.up_proj.weight": (48, 32),
                   name + "mlp.down_proj.weight": (32, 48)}
    tensors = {}
    for name, shape in shapes.items():
        values = random.normal(size=shape) * (0.3 if len(shape) > 1 else 0.1) + (0 if len(shape) > 1 else 1)
        tensors[name] = values.astype(numpy.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def hashes(folder):
    """What lies in a folder, by content."""
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in sorted(folder.rglob("*")) if f.is_file()}


def adapter_bytes(output_dir):
    return (output_dir / "adapter" / "adapter_model.safetensors").read_bytes()


def error_line(done, code):
    """The one sentence on standard error of a run that was refused; fails when there is anything else."""
    assert done.returncode == code, (done.args[1:], done.returncode, done.stderr)
    assert done.stdout == "", done.stdout
    lines = [x for x in done.stderr.splitlines() if x and not x.startswith("note: ")]
    errors = [x for x in lines if x.startswith("lora: ")]
    assert len(errors) == 1 and lines[-1] == errors[0], done.stderr
    for word in ("terminate called", "Traceback", "internal error", "what():", "c10", "std::", "nlohmann"):
        assert word not in done.stderr, done.stderr
    return errors[0]
