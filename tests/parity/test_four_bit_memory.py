"""A model of Llama-3.2-1B's shape, with random weights in bf16, trains with load_in_4bit in 3 GB: neither the model in full
precision nor its mapped file ever lies in memory whole. Slow: it writes a checkpoint of 2.5 GB.

LORA_BUILD_DIR   the build tree with tools/model_tool (build)
"""
import json
import os
import pathlib
import struct
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("LORA_BUILD_DIR", ROOT / "build")) / "tools" / "model_tool"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")]

HIDDEN, INNER, LAYERS, VOCAB, KV = 2048, 8192, 16, 128256, 512
GIB = 1 << 30


def tensors():
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    yield "model.norm.weight", (HIDDEN,)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (HIDDEN,)
        yield layer + "post_attention_layernorm.weight", (HIDDEN,)
        yield layer + "self_attn.q_proj.weight", (HIDDEN, HIDDEN)
        yield layer + "self_attn.k_proj.weight", (KV, HIDDEN)
        yield layer + "self_attn.v_proj.weight", (KV, HIDDEN)
        yield layer + "self_attn.o_proj.weight", (HIDDEN, HIDDEN)
        yield layer + "mlp.gate_proj.weight", (INNER, HIDDEN)
        yield layer + "mlp.up_proj.weight", (INNER, HIDDEN)
        yield layer + "mlp.down_proj.weight", (HIDDEN, INNER)


def bf16(values):
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def write_model(folder):
    """Tile by tile, so that the test itself needs little memory."""
    rng = np.random.default_rng(0)
    tile = bf16(rng.normal(0, HIDDEN**-0.5, 1 << 20))
    header, at = {}, 0
    for name, shape in tensors():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors():
            left = int(np.prod(shape))
            if len(shape) == 1:
                file.write(bf16(np.ones(left)).tobytes())
                continue
            while left > 0:
                file.write(np.roll(tile, int(rng.integers(len(tile))))[:left].tobytes())
                left -= len(tile)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
        "tie_word_embeddings": True}))


def test_a_model_of_1b_trains_in_3_gb(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    write_model(model)
    rng = np.random.default_rng(1)
    shared = rng.integers(0, VOCAB, 80).tolist()
    examples = [{"ids": shared + rng.integers(0, VOCAB, 100).tolist(), "supervised": [0] * 130 + [1] * 50} for _ in range(4)]
    job = {"what": "steps", "model": str(model), "base": "4bit", "examples": examples, "batches": [[0, 1, 2, 3]] * 3,
           "new_adapter": {"r": 16, "lora_alpha": 32}, "learning_rate": 1e-3, "lr_scheduler_type": "constant"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    with open(tmp_path / "answer.json", "w") as answer:
        child = subprocess.Popen([TOOL, tmp_path / "job.json"], stdout=answer)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    (model / "model.safetensors").unlink()
    assert status == 0
    losses = json.loads((tmp_path / "answer.json").read_text())["losses"]
    peak = usage.ru_maxrss * 1024
    print(f"peak {peak / 1e9:.2f} GB, losses {losses}")
    assert all(np.isfinite(losses)) and losses[2] < losses[0]
    assert peak < 3 * GIB
