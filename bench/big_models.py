#!/usr/bin/env python3
"""Peak memory of training models far larger than the examples': random weights in the shapes of Llama-3.2-1B and Llama-3-8B.

usage: big_models.py --lora build/lora --hf MODEL_DIR [--shapes 1b,8b] [--work DIR] [--steps 3] [--batch 2] [--tokens 240]
                     [--micro-batch-tokens 256] [--lora-args '…'] [--keep]

1b: a checkpoint in bf16, quantized when it is loaded (load_in_4bit). 8b: a checkpoint that bitsandbytes packed (NF4, double
quantization), embedding and head in bf16, 5.7 GB. Each is written piece by piece, trained for --steps steps (r 16 on all seven
projections, --batch rows of --tokens tokens), and removed. --hf lends its tokenizer and template. Memory is the peak resident
set of the whole process as the system counted it, mapped file pages included. Exit code 1: more than 3 GB (1b) or 8 GB (8b).
Needs `./setup --dev`.
"""
import argparse, json, math, os, pathlib, random, shlex, shutil, struct, subprocess, sys, tempfile

import torch
from bitsandbytes import functional

VOCAB = 128256
SHAPES = {
    "1b": {"hidden": 2048, "inner": 8192, "layers": 16, "heads": 32, "kv": 8, "tied": True, "packed": False, "limit": 3e9},
    "8b": {"hidden": 4096, "inner": 14336, "layers": 32, "heads": 32, "kv": 8, "tied": False, "packed": True, "limit": 8e9},
}
TYPES = {torch.bfloat16: "BF16", torch.float32: "F32", torch.uint8: "U8"}
WORDS = """amber birch cedar delta ember fjord grove heath inlet jade kelp lagoon maple north ocean pine river stone summer table
tower valley water winter market garden window letter bridge copper signal paper""".split()


def linear_shapes(shape):
    hidden, inner, kv = shape["hidden"], shape["inner"], shape["hidden"] // shape["heads"] * shape["kv"]
    return {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (kv, hidden), "self_attn.v_proj": (kv, hidden),
            "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner)}


def random_matrix(rows, columns):
    torch.manual_seed(rows + columns)
    return (torch.randn(rows, columns) * columns**-0.5).to(torch.bfloat16)


def raw(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def pieces_of_linear(rows, columns, packed):
    """What a checkpoint holds of one weight: {suffix: (type, shape, bytes)}."""
    weight = random_matrix(rows, columns)
    if not packed:
        return {"": ("BF16", [rows, columns], raw(weight))}
    codes, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    parts = {"": codes, **{"." + name: part for name, part in state.as_dict(packed=True).items()}}
    return {suffix: (TYPES[part.dtype], list(part.shape), raw(part)) for suffix, part in parts.items()}


class Repeated:
    """The bytes of a large matrix of random numbers, given out tile by tile."""

    def __init__(self, rows, columns):
        self.size = 2 * rows * columns
        self.tile = raw(random_matrix(1 << 10, columns))

    def chunks(self):
        for at in range(0, self.size, len(self.tile)):
            yield self.tile[:self.size - at]


def write_checkpoint(folder, shape, tokenizer_folder):
    """All layers share one set of random numbers, so that only one layer's lies in memory here."""
    hidden = shape["hidden"]
    ones = ("BF16", [hidden], raw(torch.ones(hidden, dtype=torch.bfloat16)))
    layer = {"input_layernorm.weight": ones, "post_attention_layernorm.weight": ones}
    for name, (rows, columns) in linear_shapes(shape).items():
        for suffix, piece in pieces_of_linear(rows, columns, shape["packed"]).items():
            layer[f"{name}.weight{suffix}"] = piece
    table = Repeated(VOCAB, hidden)
    entries = [("model.embed_tokens.weight", ("BF16", [VOCAB, hidden], table)), ("model.norm.weight", ones)]
    if not shape["tied"]:
        entries.append(("lm_head.weight", ("BF16", [VOCAB, hidden], table)))
    entries += [(f"model.layers.{i}.{name}", piece) for i in range(shape["layers"]) for name, piece in layer.items()]

    header, at = {}, 0
    for name, (kind, sizes, data) in entries:
        size = data.size if isinstance(data, Repeated) else len(data)
        header[name] = {"dtype": kind, "shape": sizes, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, (_, _, data) in entries:
            for chunk in data.chunks() if isinstance(data, Repeated) else [data]:
                file.write(chunk)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB, "hidden_size": hidden,
              "intermediate_size": shape["inner"], "num_hidden_layers": shape["layers"],
              "num_attention_heads": shape["heads"], "num_key_value_heads": shape["kv"],
              "head_dim": hidden // shape["heads"], "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
              "rope_theta": 500000.0, "hidden_act": "silu", "tie_word_embeddings": shape["tied"], "torch_dtype": "bfloat16"}
    if shape["packed"]:
        config["quantization_config"] = {
            "quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8"}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tokenizer_folder / name).exists():
            shutil.copy(tokenizer_folder / name, folder / name)
    return at


def write_rows(path, count, words):
    rng = random.Random(1)
    with open(path, "w") as file:
        for _ in range(count):
            question, answer = (" ".join(rng.choices(WORDS, k=n)) for n in (words // 2, words - words // 2))
            file.write(json.dumps({"messages": [{"role": "system", "content": "Go on."}, {"role": "user", "content": question},
                                                {"role": "assistant", "content": answer}]}) + "\n")


def train(args, shape, model, work):
    # A word of the list is 1.11 tokens of SmolLM2's tokenizer on average, the template's own are 20.
    write_rows(work / "rows.jsonl", args.steps * args.batch, round((args.tokens - 20) / 1.11))
    command = [args.lora, "train", "--model", model, "--train-data", work / "rows.jsonl", "--output-dir", work / "run",
               "--eval-strategy", "no", "--max-steps", args.steps, "--per-device-train-batch-size", args.batch,
               "--gradient-accumulation-steps", 1, "--logging-steps", 1, "--lr-scheduler-type", "constant",
               "--micro-batch-tokens", args.micro_batch_tokens, "--max-seq-length", 512]
    command += ([] if shape["packed"] else ["--load-in-4bit", "true"]) + shlex.split(args.lora_args)
    print("$ " + shlex.join(map(str, command)), flush=True)
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    if child.returncode:
        sys.exit(f"lora failed with {child.returncode}")
    return usage.ru_maxrss * 1024, [json.loads(line) for line in open(work / "run" / "metrics.jsonl")]


def measure(args, name):
    shape = SHAPES[name]
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"big-{name}-", dir=args.work))
    try:
        model = work / "model"
        model.mkdir()
        size = write_checkpoint(model, shape, pathlib.Path(args.hf))
        print(f"{name}: a checkpoint of {size / 1e9:.2f} GB in {model}", flush=True)
        peak, lines = train(args, shape, model, work)
    finally:
        if not args.keep:
            shutil.rmtree(work)
    losses = [line["loss"] for line in lines]
    ends = [0] + [line["seconds"] for line in lines]
    result = {"shape": name, "checkpoint_gb": round(size / 1e9, 3), "peak_gb": round(peak / 1e9, 3), "limit_gb": shape["limit"] / 1e9,
              "seconds_a_step": [round(b - a, 2) for a, b in zip(ends, ends[1:])],
              "tokens_a_step": [line["tokens"] for line in lines], "losses": [round(loss, 4) for loss in losses]}
    print("RESULT " + json.dumps(result), flush=True)
    if not all(map(math.isfinite, losses)):
        sys.exit(f"{name}: a loss is not finite")
    return peak <= shape["limit"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lora", required=True)
    parser.add_argument("--hf", required=True)
    parser.add_argument("--shapes", default="1b,8b")
    parser.add_argument("--work")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=240)
    parser.add_argument("--micro-batch-tokens", type=int, default=256)
    parser.add_argument("--lora-args", default="")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    return 0 if all([measure(args, name) for name in args.shapes.split(",")]) else 1


if __name__ == "__main__":
    sys.exit(main())
