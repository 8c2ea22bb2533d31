#!/usr/bin/env python3
"""The loss of each of 50 optimizer steps beside TRL + PEFT's: the same rows in the same order, the same initial adapter, schedule,
optimizer and precision (fp32, no dropout).

usage: loss_curve.py --lora build/lora --gguf MODEL.gguf --hf MODEL_DIR --data TRAIN.jsonl [--steps 50] [--bar 0.01] [--seed 0]
                     [--precisions auto,medium] [--trl-bf16] [--python PYTHON] [--json FILE]

lora.cpp trains as usual, once with each float32_matmul_precision of --precisions (auto, unless told); its order of rows is worked
out from its seed, and TRL gets the rows in that order and the adapter as lora.cpp begins with it (its first step has the
learning rate 0). That both met the same rows shows in the number of supervised
tokens of each step, which must be equal. Prints both curves; exit code 1: a step's losses differ by more than --bar, relatively.
--trl-bf16 trains with TRL in bfloat16 too and prints how far that is from TRL in fp32, which no bar is for: what "medium" may be
compared with.
Needs `./setup --dev`. Speed does not matter here, so the machine need not be quiet.
"""
import argparse, json, math, os, shlex, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1
ORDER_STREAM = 0x6F72646572  # src/train/trainer.cpp


def mix64(*words):
    """src/base/hash.h: SplitMix64's finaliser; of two words, of the first one's and the second together."""
    if len(words) == 2:
        return mix64(mix64(words[0]) ^ words[1])
    x = (words[0] + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def permutation(seed, epoch, n):
    """src/base/random.h."""
    key, counter, order = mix64(seed, mix64(ORDER_STREAM, epoch)), 0, list(range(n))
    for i in range(n, 1, -1):
        while True:
            product = mix64(key, counter) * i
            counter += 1
            if product & MASK >= (1 << 64) % i:
                break
        j = product >> 64
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def batches(seed, rows, batch, steps):
    epoch, found = 0, []
    while len(found) < steps:
        order = permutation(seed, epoch, rows)
        found += [order[i:i + batch] for i in range(0, rows, batch)]
        epoch += 1
    return found[:steps]


def train_lora(args, out, *more):
    command = [args.lora, "train", "--model", args.gguf, "--train-data", args.data, "--output-dir", out, "--eval-strategy", "no",
               "--eval-steps", "1000000", "--logging-steps", "1", "--per-device-train-batch-size", "4",
               "--gradient-accumulation-steps", "2", "--max-seq-length", "512", "--lr-scheduler-type", "cosine", "--warmup-steps", "10",
               "--learning-rate", "2e-4", "--weight-decay", "0", "--max-grad-norm", "1", "--r", "16", "--lora-alpha", "32",
               "--lora-dropout", "0", "--seed", str(args.seed), *more]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).returncode:
        sys.exit("lora failed: " + shlex.join(command))
    return [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]


def train_trl(args, out, work, adapter, steps, *more):
    rows = open(args.data, encoding="utf-8").read().splitlines()
    data = os.path.join(work, "in_order.jsonl")
    with open(data, "w", encoding="utf-8") as file:
        for batch in batches(args.seed, len(rows), 8, steps):
            if len(batch) != 8:
                sys.exit("the rows do not make whole batches of 8: TRL would take rows of the next epoch into the last one")
            file.writelines(rows[i] + "\n" for i in batch)
    command = [args.python, os.path.join(here, "peer_loss_curve.py"), args.hf, data, adapter, out, "--steps", str(steps), *more]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"TRL failed: {shlex.join(command)}\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in open(out)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lora", "gguf", "hf", "data"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bar", type=float, default=0.01)
    parser.add_argument("--precisions", default="auto")
    parser.add_argument("--trl-bf16", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        # Whole batches only: the first rows of the file, as many as 8 divides.
        rows = open(args.data, encoding="utf-8").read().splitlines()
        args.data = os.path.join(work, "rows.jsonl")
        with open(args.data, "w", encoding="utf-8") as file:
            file.writelines(row + "\n" for row in rows[:len(rows) // 8 * 8])
        train_lora(args, os.path.join(work, "first"), "--max-steps", "1")
        ours = {precision: train_lora(args, os.path.join(work, precision), "--max-steps", str(args.steps), "--float32-matmul-precision",
                                      precision) for precision in args.precisions.split(",")}
        trl = lambda name, *more: train_trl(args, os.path.join(work, name), work, os.path.join(work, "first", "adapter"), args.steps, *more)
        theirs = trl("trl.jsonl")
        in_bf16 = trl("trl-bf16.jsonl", "--bf16") if args.trl_bf16 else None
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"lora": ours, "trl": theirs, "trl-bf16": in_bf16}, file)
    if in_bf16:
        compare("TRL in bfloat16", in_bf16, theirs, math.inf)
    return max([compare(f"lora.cpp, {precision}", curve, theirs, args.bar) for precision, curve in ours.items()])


def compare(name, ours, theirs, bar):
    """Prints both curves. 1: they are more than `bar` apart somewhere."""
    worst, unequal = (0, 0), []
    print(f"{name}, beside TRL in fp32\n"
          f"{'step':>5} {name.split(',')[0][:10]:>10} {'TRL':>10} {'relative':>9} {'norm':>8} {'norm':>8} {'rate':>9} {'rate':>9} {'answer tokens':>14}")
    for a, b in zip(ours, theirs, strict=True):
        difference = abs(a["loss"] - b["loss"]) / abs(b["loss"])
        if not (difference <= worst[0] or math.isnan(worst[0])):  # a loss that is no number is the worst
            worst = (difference, a["step"])
        if a["supervised_tokens"] != b["supervised_tokens"]:
            unequal.append(a["step"])
        print(f"{a['step']:>5} {a['loss']:>10.6f} {b['loss']:>10.6f} {difference:>9.1e} {a['grad_norm']:>8.4f} {b['grad_norm']:>8.4f} "
              f"{a['learning_rate']:>9.2e} {b['learning_rate']:>9.2e} {a['supervised_tokens']:>7}{b['supervised_tokens']:>7}")
    if unequal:
        sys.exit(f"steps {unequal} met other rows: their supervised tokens differ, so the curves say nothing")
    print(f"largest relative difference {worst[0]:.2e}, at step {worst[1]}" + (f"; the bar is {bar}" if bar < math.inf else ""), flush=True)
    return 0 if worst[0] <= bar else 1


if __name__ == "__main__":
    sys.exit(main())
