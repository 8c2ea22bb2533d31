#!/usr/bin/env python3
"""Plan against actual: memory and time of three configurations, planned by `lora plan` and then measured by `lora train`.

    bench/plan_versus_actual.py [--lora build/lora] [--steps 24] [--out plan.json]
    bench/plan_versus_actual.py --passes      what passes of other sizes and recompute levels cost, beside what is assumed

Run it on a quiet machine: nothing else may compute beside it. Exit code 1: memory is off by more than 10 %, or time by more than
20 %. Aim: 5 and 10 %.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GGUF = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
DATA = ROOT / "examples" / "json-extraction" / "data.jsonl"
BARS = {"bytes": 0.1, "seconds": 0.2}


def configurations(twin):
    yield "default", GGUF, []
    yield "256 tokens a pass, dropout", GGUF, ["--micro-batch-tokens", "256", "--lora-dropout", "0.1"]
    if twin:
        yield "NF4 of the fp32 twin, adamw_8bit", twin, ["--load-in-4bit", "--optim", "adamw_8bit"]
    else:
        yield "adamw_8bit, r 64, recompute cheap", GGUF, ["--optim", "adamw_8bit", "--r", "64", "--lora-alpha", "64",
                                                          "--recompute", "cheap"]


def run(lora, *arguments):
    began = time.monotonic()
    done = subprocess.run([lora, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), time.monotonic() - began


def actual_of(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    finished = json.loads((folder / "finished.json").read_text())
    peak = max([finished["peak_memory_bytes"]] + [line["peak_memory_bytes"] for line in lines])
    return peak, finished["training_seconds"]


def measure(lora, model, flags, steps):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        common = ["--model", model, "--train-data", DATA, "--max-steps", steps, "--valid-size", 20, *flags]
        plan, plan_seconds = run(lora, "plan", "--for", "train", "--format", "json", *common)
        run(lora, "train", "--format", "json", "--output-dir", folder / "run", *common)
        peak, seconds = actual_of(folder / "run")
    return {"planned_bytes": plan["memory"]["total"], "actual_bytes": peak, "memory": plan["memory"],
            "planned_seconds": plan["seconds"]["training"], "actual_seconds": seconds, "plan_took": plan_seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lora", default=ROOT / "build" / "lora")
    parser.add_argument("--twin", default=os.environ.get("LORA_HF_TWIN"), help="the fp32 twin of the bundled model")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--passes", action="store_true")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    results, missed = {}, []
    if arguments.passes:
        print(f"{'tokens':>7} {'recompute':>10} {'planned':>9} {'actual':>9} {'of 1024, none':>14}")
        first = None
        for recompute in ("none", "cheap", "block"):
            for tokens in (1024, 512, 256, 128, 64):
                r = measure(arguments.lora, GGUF, ["--micro-batch-tokens", tokens, "--recompute", recompute],
                            max(4, arguments.steps // 3))
                first = first or r["actual_seconds"]
                results[f"{tokens} {recompute}"] = r
                print(f"{tokens:>7} {recompute:>10} {r['planned_seconds']:>7.1f} s {r['actual_seconds']:>7.1f} s "
                      f"{r['actual_seconds'] / first:>13.2f}×", flush=True)
    else:
        for name, model, flags in configurations(arguments.twin):
            r = results[name] = measure(arguments.lora, model, flags, arguments.steps)
            off = {what: r[f"planned_{what}"] / r[f"actual_{what}"] - 1 for what in BARS}
            missed += [f"{name}: {what} {o:+.1%}" for what, o in off.items() if not abs(o) <= BARS[what]]
            print(f"{name}\n  memory: plan {r['planned_bytes'] / 1e6:.0f} MB, actual {r['actual_bytes'] / 1e6:.0f} MB, "
                  f"{off['bytes']:+.1%}\n"
                  f"  time:   plan {r['planned_seconds']:.1f} s, actual {r['actual_seconds']:.1f} s, "
                  f"{off['seconds']:+.1%}\n"
                  f"  planning took {r['plan_took']:.1f} s", flush=True)
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps(results, indent=1) + "\n")
    if missed:
        raise SystemExit("beyond the bar: " + "; ".join(missed))


if __name__ == "__main__":
    main()
