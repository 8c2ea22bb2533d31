#!/usr/bin/env python3
"""lora.cpp beside TRL + PEFT: the same model, rows and settings, in alternating runs on the whole machine.

usage: versus_trl.py --lora build/lora --gguf MODEL.gguf --hf MODEL_DIR --data TRAIN.jsonl
                     [--python PYTHON] [--peer 'COMMAND'] [--rounds 5] [--steps 10] [--dropout 0] [--lora-args '…']

SmolLM2-135M in fp32, r 16 on all seven projections, 8 examples a step. The peer gets its best setting: grouped by length,
with tcmalloc. --peer replaces bench/peer_trl.py by another command that prints a RESULT line with samples_s (or
examples_per_second), peak_rss_mib (or peak_memory_bytes) and trainer_ready_s (or first_step_begun).
Prints every round and the medians. Leave the machine alone meanwhile.
"""
import argparse, glob, json, os, shlex, statistics, subprocess, sys, tempfile, time

here = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
for name in ("lora", "gguf", "hf", "data"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--python", default=sys.executable)
parser.add_argument("--peer")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--warm", type=int, default=3)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--lora-args", default="")
args = parser.parse_args()


def run_lora():
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "run")
        command = [args.lora, "train", "--model", args.gguf, "--train-data", args.data, "--output-dir", out,
                   "--max-steps", str(args.steps), "--eval-strategy", "no", "--eval-steps", "1000000",
                   "--per-device-train-batch-size", "4", "--gradient-accumulation-steps", "2", "--max-seq-length", "512",
                   "--lr-scheduler-type", "cosine", "--lora-dropout", str(args.dropout)] + shlex.split(args.lora_args)
        started = time.time()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        begun = None
        for line in process.stderr:
            if line.startswith("training on"):
                begun = time.time() - started
        if process.wait() != 0:
            sys.exit("lora failed: " + " ".join(command))
        lines = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
        measured = lines[args.warm:]
        seconds = lines[-1]["seconds"] - lines[args.warm - 1]["seconds"]
        return {"examples_per_second": sum(l["examples"] for l in measured) / seconds, "first_step_begun": begun,
                "first_step_done": begun + lines[0]["seconds"], "peak_memory_bytes": lines[-1]["peak_memory_bytes"],
                "tokens_per_second": sum(l["tokens"] for l in measured) / seconds}


def run_peer():
    if args.peer:
        command = shlex.split(args.peer)
    else:
        command = [args.python, os.path.join(here, "peer_trl.py"), args.hf, args.data, "--steps", str(args.steps),
                   "--warm", str(args.warm), "--dropout", str(args.dropout)]
    environment = dict(os.environ)
    tcmalloc = sorted(glob.glob("/usr/lib/*/libtcmalloc_minimal.so.4")) or sorted(glob.glob("/usr/lib/*/libtcmalloc.so.4"))
    if tcmalloc:
        environment["LD_PRELOAD"] = tcmalloc[0]
    text = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    found = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if not found:
        sys.exit("the peer printed no RESULT: " + " ".join(command))
    result = json.loads(found[-1][7:])
    return {"examples_per_second": result.get("examples_per_second", result.get("samples_s")),
            "first_step_begun": result.get("first_step_begun", result.get("trainer_ready_s")),
            "first_step_done": result.get("first_step_done", result.get("first_step_done_s")),
            "peak_memory_bytes": result.get("peak_memory_bytes", result.get("peak_rss_mib", 0) * 2**20)}


rounds = {"lora": [], "trl": []}
for number in range(args.rounds):
    for name, run in (("trl", run_peer), ("lora", run_lora)):
        result = run()
        rounds[name].append(result)
        print(number + 1, name, json.dumps({k: round(v, 3) for k, v in result.items()}), flush=True)
median = {name: {key: statistics.median(r[key] for r in results) for key in results[0]} for name, results in rounds.items()}
for name, values in median.items():
    print("median", name, json.dumps({k: round(v, 3) for k, v in values.items()}))
lora, trl = median["lora"], median["trl"]
print(f"lora.cpp: {lora['examples_per_second'] / trl['examples_per_second']:.2f} x the examples/s, "
      f"{100 * lora['peak_memory_bytes'] / trl['peak_memory_bytes']:.0f} % of the memory, first step begun in "
      f"{100 * lora['first_step_begun'] / trl['first_step_begun']:.0f} % of the time")
