#!/usr/bin/env python3
"""Nothing can be learned from answers that were shuffled: `lora run` on such data must not say that the tuned model won.

usage: random_labels.py --lora build/lora --gguf MODEL.gguf [--data examples/json-extraction/data.jsonl]
                        [--config examples/json-extraction/config.toml] [--output-dir DIR] [--seed 1] [--lora-args '…']

Every answer goes to another row with the same system prompt (the same schema), so the answers stay as they are, as a whole: only
what they have to do with their questions is gone, in training and held-out rows alike. Prints the rates and the comparisons of
the primary metric. Exit code 1: the verdict is won or prompting_suffices. The run takes as long as the example's.
"""
import argparse, collections, json, os, random, shlex, subprocess, sys, tempfile


def shuffled(lines, seed):
    rng = random.Random(seed)
    rows = [json.loads(line) for line in lines]
    groups = collections.defaultdict(list)
    for i, row in enumerate(rows):
        groups[row["messages"][0]["content"]].append(i)
    kept = 0
    answers = [row["messages"][-1]["content"] for row in rows]
    for group in groups.values():
        order = group[:]
        rng.shuffle(order)
        for here, there in zip(order, order[1:] + order[:1]):  # one cycle: nobody keeps his own
            rows[here]["messages"][-1]["content"] = answers[there]
            kept += answers[here] == answers[there]
    return rows, kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lora", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--data", default="examples/json-extraction/data.jsonl")
    parser.add_argument("--config", default="examples/json-extraction/config.toml")
    parser.add_argument("--output-dir")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lora-args", default="")
    args = parser.parse_args()
    work = args.output_dir or tempfile.mkdtemp(prefix="random-labels-")
    os.makedirs(work, exist_ok=True)
    rows, kept = shuffled(open(args.data, encoding="utf-8").read().splitlines(), args.seed)
    data, out = os.path.join(work, "shuffled.jsonl"), os.path.join(work, "run")
    with open(data, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    print(f"{len(rows)} rows, of which {kept} got an answer equal to their own")
    command = [args.lora, "run", args.config, "--model", args.gguf, "--train-data", data, "--output-dir", out]
    command += shlex.split(args.lora_args)
    print("$ " + shlex.join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1):  # 1: the verdict is worse
        sys.exit(f"lora failed with {done.returncode}")
    summary = json.load(open(os.path.join(out, "eval", "summary.json")))
    primary, verdict = summary["primary"], summary["verdict"]
    for name, rates in summary["contestants"].items():
        print(name, json.dumps({metric: f"{rate['value']:.3f} of {rate['n']}" for metric, rate in rates.items()}))
    for one in summary["comparisons"]:
        if one["metric"] == primary:
            print(f"{one['a']} against {one['b']}, {primary}: {one['wins']} wins, {one['losses']} losses, p {one['p']:.3g}")
    print(f"verdict: {verdict}. {summary['sentence']}\nreport: {out}/report.html")
    return 0 if verdict in ("no_difference_shown", "worse") else 1


if __name__ == "__main__":
    sys.exit(main())
