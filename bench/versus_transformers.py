#!/usr/bin/env python3
"""Decoding beside Transformers + PEFT: the same model, prompts and lengths, in alternating runs on the whole machine.

usage: versus_transformers.py --lora build/lora --gguf MODEL.gguf --hf MODEL_DIR --data TEST.jsonl [--adapter DIR]
                              [--python PYTHON] [--prompts 50] [--batch 16] [--lora-batch 16 32] [--new 64] [--rounds 5]

Greedy, fp32, end-of-text ignored, so every prompt gets --new tokens; time includes reading the prompts, not loading the
model. Transformers reads its prompts in batches of --batch, padded on the left, with key-value cache; lora.cpp keeps each
number of --lora-batch answers under way (`lora run` keeps 32). With --adapter both are measured a second time with it,
PEFT's not merged, as a contestant beside its base is asked. A round runs everything once, one after the other; printed are
every round, and the medians with their range. Leave the machine alone meanwhile.
"""
import argparse, json, re, statistics, subprocess, sys, tempfile

PEER = r"""
import json, sys, time
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, data, adapter, prompts, batch, new = sys.argv[1:7]
torch.set_num_threads(2)
tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
if adapter:
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, adapter).eval()
rows = [json.loads(line)["messages"] for line in open(data)][: int(prompts)]
texts = [tokenizer.apply_chat_template(m[:-1], add_generation_prompt=True, tokenize=False) for m in rows]
def answer(some):
    encoded = tokenizer(some, return_tensors="pt", padding=True, add_special_tokens=False)
    return model.generate(**encoded, max_new_tokens=int(new), min_new_tokens=int(new), do_sample=False)
with torch.inference_mode():
    answer(texts[:1])
    began = time.time()
    for i in range(0, len(texts), int(batch)):
        answer(texts[i:i + int(batch)])
print("SPEED", len(texts) * int(new) / (time.time() - began))
"""

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ("lora", "gguf", "hf", "data"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--adapter", default="")
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--prompts", type=int, default=50)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--lora-batch", type=int, nargs="+", default=[16, 32])
parser.add_argument("--new", type=int, default=64)
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()


def run(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(pattern, done.stdout + done.stderr)
    if done.returncode or not found:
        sys.exit(f"failed: {command}\n{done.stderr[-2000:]}")
    return float(found.group(1))


def lora(data, adapter, batch):
    command = [args.lora, "generate", args.gguf, "--data", data, "--max-new-tokens", str(args.new), "--batch-size",
               str(batch), "--ignore-eos", "--format", "json"]
    return run(command + (["--adapter", adapter] if adapter else []), r"\(([0-9.]+) tokens/s\)")


def transformers(data, adapter):
    return run([args.python, "-c", PEER, args.hf, data, adapter, str(args.prompts), str(args.batch), str(args.new)],
               r"SPEED ([0-9.]+)")


def spread(speeds):
    return f"{statistics.median(speeds):7.1f} ({min(speeds):.1f} … {max(speeds):.1f})"


with tempfile.TemporaryDirectory() as folder:
    data = f"{folder}/prompts.jsonl"
    with open(data, "w") as out:
        out.writelines(open(args.data).readlines()[: args.prompts])
    for adapter in [""] + ([args.adapter] if args.adapter else []):
        what = "tuned" if adapter else "base"
        theirs, ours = [], {batch: [] for batch in args.lora_batch}
        for number in range(args.rounds):
            theirs.append(transformers(data, adapter))
            for batch, speeds in ours.items():
                speeds.append(lora(data, adapter, batch))
            print(f"{what}, round {number + 1}: Transformers {theirs[-1]:.1f} tokens/s; lora.cpp "
                  + ", ".join(f"{speeds[-1]:.1f} with {batch}" for batch, speeds in ours.items()), flush=True)
        print(f"{what}: Transformers, batch {args.batch}: {spread(theirs)}")
        for batch, speeds in ours.items():
            ratio = statistics.median(speeds) / statistics.median(theirs)
            print(f"{what}: lora.cpp, {batch} under way: {spread(speeds)}, {ratio:.2f} times")
            print(json.dumps({"contestant": what, "lora_batch": batch, "batch": args.batch, "ratio": round(ratio, 2),
                              "lora_tokens_per_second": round(statistics.median(speeds), 1),
                              "transformers_tokens_per_second": round(statistics.median(theirs), 1)}), flush=True)
