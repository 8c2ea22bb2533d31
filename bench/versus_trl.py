#!/usr/bin/env python3
"""lora.cpp beside TRL + PEFT: the same model, rows and settings, in alternating runs, each with the whole machine in turn.

usage: versus_trl.py --lora build/lora --gguf MODEL.gguf --hf MODEL_DIR --data TRAIN.jsonl [--rows fp32,dropout,…|all]
                     [--gemma-gguf MODEL.gguf --gemma-hf MODEL_DIR] [--rounds 5] [--steps N] [--warm N] [--only NAME,…]
                     [--python PYTHON] [--peer 'COMMAND'] [--json FILE] [--lora-args '…']

Rows, all with r 16 on all seven projections and the loss on answers:
  fp32         SmolLM2-135M, 8 examples a step, products in full (highest), and, for comparison, as training over a quantized file has
               them by itself (high); TRL at its fastest (4 × 2), with the least memory (1 × 8), and, for comparison, in
               bf16, which computes something else: products with 8 bits of each number instead of 24
  dropout      the same with lora_dropout 0.05
  batch32      the same with 32 examples a step (TRL: 4 × 8, 8 × 4)
  long-prompt  8 examples a step that share a prompt of 600 tokens and have 150 of their own
  4bit         a 4-bit base: lora.cpp with NF4 made from MODEL_DIR and with MODEL.gguf, each also below a fifth of what TRL takes
               (635 MB in fp32, 500 MB in bf16); TRL with bitsandbytes' NF4, computing in fp32, and in bf16. lora.cpp's products take 16
               bits of each number at least, as float32_matmul_precision is by itself over a quantized base; those called …-bf16 have
               bf16 = true, 8 bits, as TRL in bf16
  gemma        Gemma-3-270M, vocabulary 262k, 8 examples a step; lora.cpp from the GGUF, TRL from its fp32 twin

TRL runs grouped by length and with tcmalloc. Grouping sorts 9 steps of the example's rows by length, longest first, so 9 steps
are measured (4 of batch32) after the warm ones: every length once. The ratio of tokens/s (padding not counted) does not depend on
which rows a program met. Memory is the peak resident set of the process as the system counted it, on both sides.

--peer replaces the fastest TRL by a command that prints a RESULT line with samples_s (or examples_per_second),
trainer_ready_s (or first_step_begun), first_step_done_s and real_tok_s; {hf}, {data}, {dropout}, {batch}, {accumulation}, {steps},
{warm} and {max_length} in it are filled in. --only leaves out the other programs of a row. Prints every round, then one table of
medians. Leave the machine alone meanwhile.
"""
import argparse, glob, json, os, shlex, statistics, string, subprocess, sys, tempfile, time

import versus_trl_data

here = os.path.dirname(os.path.abspath(__file__))
FASTEST, LEAST = {"batch": 4, "accumulation": 2}, {"batch": 1, "accumulation": 8}
HIGHEST = ["--float32-matmul-precision", "highest"]
NF4, BF16 = ["--load-in-4bit", "true"], ["--bf16", "true"]
# Of each row: settings for both sides, and by program what it has of its own.
ROWS = {
    "fp32": {"programs": {"lora": {"arguments": HIGHEST}, "lora-high": {}, "trl": FASTEST, "trl-least": LEAST, "trl-bf16": FASTEST | {"bf16": True}}},
    "dropout": {"dropout": 0.05, "programs": {"lora": {"arguments": HIGHEST}, "trl": FASTEST, "trl-least": LEAST}},
    "batch32": {"steps": 6, "warm": 2, "examples": 32,
                "programs": {"lora": {"arguments": HIGHEST}, "trl": {"batch": 4, "accumulation": 8}, "trl-8x4": {"batch": 8, "accumulation": 4}}},
    "long-prompt": {"steps": 9, "max_length": 1024, "data": "long-prompt", "programs": {"lora": {"arguments": HIGHEST}, "trl": FASTEST, "trl-least": LEAST}},
    "4bit": {"programs": {"lora": {"model": "hf", "arguments": NF4}, "trl": FASTEST | {"nf4": "float32"},
                          "lora-gguf": {}, "trl-bf16": FASTEST | {"nf4": "bfloat16"},
                          "lora-635MB": {"model": "hf", "arguments": NF4 + ["--memory-limit", "635MB"]},
                          "lora-gguf-635MB": {"arguments": ["--memory-limit", "635MB"]},
                          "lora-bf16": {"model": "hf", "arguments": NF4 + BF16}, "lora-gguf-bf16": {"arguments": BF16},
                          "lora-500MB-bf16": {"model": "hf", "arguments": NF4 + BF16 + ["--memory-limit", "500MB"]},
                          "lora-gguf-500MB-bf16": {"arguments": BF16 + ["--memory-limit", "500MB"]}}},
    "gemma": {"prefix": "gemma_", "template": "gemma", "programs": {"lora": {"arguments": HIGHEST + ["--chat-template", "gemma"]},
                                                                    "trl": FASTEST, "trl-least": LEAST}},
}
DEFAULTS = {"steps": 12, "warm": 3, "examples": 8, "dropout": 0.0, "max_length": 512, "template": "chatml", "prefix": "", "data": ""}


def timed(command, environment, work):
    """Runs it; its output, its peak resident memory, and when (since the start) it said that the training begins."""
    output = os.path.join(work, "output")
    started, begun = time.time(), None
    with open(output, "w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True)
        errors = []
        for line in process.stderr:
            errors.append(line)
            if begun is None and line.startswith("training on"):
                begun = time.time() - started
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    if process.returncode:
        sys.exit(f"failed ({process.returncode}): {shlex.join(command)}\n{''.join(errors)[-3000:]}")
    return open(output).read(), usage.ru_maxrss * 1024, begun


def run_lora(args, row, program):
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "run")
        model = getattr(args, row["prefix"] + program.get("model", "gguf"))
        command = [args.lora, "train", "--model", model, "--train-data", row["data"], "--output-dir", out,
                   "--max-steps", str(row["steps"]), "--eval-strategy", "no", "--eval-steps", "1000000", "--logging-steps", "1",
                   "--per-device-train-batch-size", "4", "--gradient-accumulation-steps", str(row["examples"] // 4),
                   "--max-seq-length", str(row["max_length"]), "--lr-scheduler-type", "cosine",
                   "--lora-dropout", str(row["dropout"])] + program.get("arguments", []) + shlex.split(args.lora_args)
        _, peak, begun = timed(command, None, work)
        lines = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    measured = lines[row["warm"]:]
    seconds = lines[-1]["seconds"] - lines[row["warm"] - 1]["seconds"]
    return {"examples_per_second": sum(l["examples"] for l in measured) / seconds,
            "tokens_per_second": sum(l["tokens"] for l in measured) / seconds,
            "first_step_begun": begun, "first_step_done": begun + lines[0]["seconds"], "peak_memory_bytes": peak}


def run_trl(args, row, program, replaced):
    settings = {"hf": getattr(args, row["prefix"] + "hf")} | row | program
    if replaced:
        command = shlex.split(string.Formatter().vformat(args.peer, (), settings))
    else:
        command = [args.python, os.path.join(here, "peer_trl.py"), settings["hf"], row["data"]]
        for name in ("steps", "warm", "batch", "accumulation", "dropout", "max_length", "template", "nf4"):
            if name in settings:
                command += ["--" + name.replace("_", "-"), str(settings[name])]
        command += ["--bf16"] if settings.get("bf16") else []
    environment = dict(os.environ)
    tcmalloc = sorted(glob.glob("/usr/lib/*/libtcmalloc_minimal.so.4")) or sorted(glob.glob("/usr/lib/*/libtcmalloc.so.4"))
    if tcmalloc:
        environment["LD_PRELOAD"] = tcmalloc[0]
    with tempfile.TemporaryDirectory() as work:
        text, peak, _ = timed(command, environment, work)
    found = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if not found:
        sys.exit("the peer printed no RESULT: " + shlex.join(command))
    result = json.loads(found[-1][7:])
    of = lambda ours, theirs: result[ours] if ours in result else result[theirs]
    return {"examples_per_second": of("examples_per_second", "samples_s"), "tokens_per_second": of("tokens_per_second", "real_tok_s"),
            "first_step_begun": of("first_step_begun", "trainer_ready_s"),
            "first_step_done": of("first_step_done", "first_step_done_s"), "peak_memory_bytes": peak}


def measure(args, name, row):
    """{program: [result of each round]}; the order of the programs turns with each round."""
    results = {program: [] for program in row["programs"]}
    for number in range(args.rounds):
        order = list(row["programs"])
        for program in order if number % 2 == 0 else reversed(order):
            run = run_lora if program.startswith("lora") else run_trl
            more = [] if program.startswith("lora") else [bool(args.peer) and program == "trl"]
            results[program].append(run(args, row, row["programs"][program], *more))
            print(name, number + 1, program, json.dumps({k: round(v, 3) for k, v in results[program][-1].items()}), flush=True)
    return results


def table(rows):
    """Medians in Markdown, and each of our programs against each of theirs."""
    medians = {name: {program: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
                      for program, rounds in results.items()} for name, results in rows.items()}
    lines = ["| row | program | examples/s | tokens/s | peak memory | first step begun | done |", "|---|---|---|---|---|---|---|"]
    for name, programs in medians.items():
        for program, m in programs.items():
            speeds = [r["examples_per_second"] for r in rows[name][program]]
            lines.append(f"| {name} | {program} | {m['examples_per_second']:.3f} ({min(speeds):.3f} … {max(speeds):.3f}) "
                         f"| {m['tokens_per_second']:.0f} | {m['peak_memory_bytes'] / 1e6:.0f} MB "
                         f"| {m['first_step_begun']:.2f} s | {m['first_step_done']:.2f} s |")
    lines += ["", "| row | | examples/s | tokens/s | peak memory | first step begun | done |", "|---|---|---|---|---|---|---|"]
    for name, programs in medians.items():
        for a in (p for p in programs if p.startswith("lora")):
            for b in (p for p in programs if not p.startswith("lora")):
                ratio = {key: programs[a][key] / programs[b][key] for key in programs[a]}
                lines.append(f"| {name} | {a} / {b} | {ratio['examples_per_second']:.2f} × | {ratio['tokens_per_second']:.2f} × "
                             f"| {ratio['peak_memory_bytes']:.0%} | {ratio['first_step_begun']:.1%} | {ratio['first_step_done']:.1%} |")
    return "\n".join(lines)


def chosen_rows(args, parser, work):
    names = list(ROWS) if args.rows == "all" else args.rows.split(",")
    for name in names:
        if name not in ROWS:
            parser.error(f"no row {name}; there are: {', '.join(ROWS)}")
        row = DEFAULTS | ROWS[name]
        for side in ("gguf", "hf"):
            if not getattr(args, row["prefix"] + side):
                parser.error(f"the row {name} needs --{row['prefix'].replace('_', '-')}{side}")
        row["steps"], row["warm"] = args.steps or row["steps"], args.warm or row["warm"]
        if row["steps"] <= row["warm"]:
            parser.error("--steps must be more than --warm")
        if row["data"]:
            row["data"] = os.path.join(work, name + ".jsonl")
            versus_trl_data.write_long_prompt(row["data"], args.hf, rows=row["steps"] * row["examples"])
        else:
            row["data"] = args.data
        if args.only:
            row["programs"] = {p: row["programs"][p] for p in row["programs"] if p in args.only.split(",")}
        yield name, row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lora", "gguf", "hf", "data"):
        parser.add_argument("--" + name, required=True)
    for name in ("gemma-gguf", "gemma-hf", "peer", "only", "json"):
        parser.add_argument("--" + name)
    parser.add_argument("--rows", default="fp32")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--warm", type=int)
    parser.add_argument("--lora-args", default="")
    args = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as work:
        for name, row in list(chosen_rows(args, parser, work)):
            measured[name] = measure(args, name, row)
            if args.json:  # after each row: hours of measuring must not be lost to what comes later
                with open(args.json, "w") as file:
                    json.dump(measured, file, indent=1)
            print(table({name: measured[name]}), flush=True)
    if len(measured) > 1:
        print("\n" + table(measured))


if __name__ == "__main__":
    main()
