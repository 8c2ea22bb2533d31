#!/usr/bin/env python3
"""A model against itself: how often is a difference found where there is none?

usage: base_against_itself.py --lora build/lora --eval-tool build/tools/eval_tool --gguf MODEL.gguf --data TEST.jsonl
                              [--pairs 20] [--temperature 0.7] [--max-new-tokens 64] [--checks FILE.json] [--record FILE]

The model answers all rows of TEST.jsonl twice a pair, sampled with seeds of its own each time; one set is called tuned, the other
base, and the program's own scoring and verdict judge them, as `lora eval` would. There are 2 × --pairs sets of answers, none used
twice. --checks: an array of [[check]] tables as JSON, the metric that decides among them: take one that the model passes on some
20 to 60 % of the rows, since one that it always fails can never show anything. --record keeps the answers there, and takes those
that it finds there. Prints wins, losses, p and verdict of each pair. Exit code 1: *won* or *worse* was said
more often than chance allows (a binomial test of at most 2.5 % for each, at 5 %).
"""
import argparse, collections, json, math, os, subprocess, sys


def answers_of(args, seed, recorded):
    if str(seed) not in recorded:
        command = [args.lora, "generate", args.gguf, "--data", args.data, "--temperature", str(args.temperature), "--seed", str(seed),
                   "--max-new-tokens", str(args.max_new_tokens), "--batch-size", "50", "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        recorded[str(seed)] = [answer["answer"] for answer in json.loads(done.stdout)]
        if args.record:
            with open(args.record + ".new", "w", encoding="utf-8") as file:
                json.dump(recorded, file, ensure_ascii=False)
            os.replace(args.record + ".new", args.record)
    return recorded[str(seed)]


def judged(args, checks, tuned, base):
    request = {"verdict": os.path.abspath(args.data), "contestants": {"tuned": tuned, "base": base}, "checks": checks}
    done = subprocess.run([args.eval_tool], input=json.dumps(request) + "\n", capture_output=True, text=True)
    summary = json.loads(done.stdout)
    if "error" in summary:
        sys.exit(summary["error"])
    return summary


def tail(n, at_least, p):
    """P(X >= at_least) of a binomial."""
    return sum(math.comb(n, k) * p**k * (1 - p)**(n - k) for k in range(at_least, n + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lora", "eval-tool", "gguf", "data"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--checks")
    parser.add_argument("--record")
    args = parser.parse_args()
    checks = json.load(open(args.checks)) if args.checks else []
    recorded = json.load(open(args.record)) if args.record and os.path.exists(args.record) else {}
    counts, rates, can_show = collections.Counter(), [], 0
    for pair in range(args.pairs):
        summary = judged(args, checks, answers_of(args, 2 * pair + 1, recorded), answers_of(args, 2 * pair + 2, recorded))
        primary = summary["primary"]
        one = next(c for c in summary["comparisons"] if c["metric"] == primary)
        both = [summary["contestants"][name][primary] for name in ("tuned", "base")]
        rates += [rate["value"] for rate in both]
        counts[summary["verdict"]] += 1
        can_show += one["wins"] + one["losses"] >= 6  # with fewer, the exact test cannot reach 0.05
        print(f"{pair + 1:>3}  {primary}: {both[0]['value']:.2f} against {both[1]['value']:.2f} of {both[0]['n']}, {one['wins']} wins, "
              f"{one['losses']} losses, p {one['p']:.4f}, {summary['verdict']}", flush=True)
    print(f"{args.pairs} pairs, {primary} {min(rates):.2f} … {max(rates):.2f}, in {can_show} of them a difference could have been shown: "
          + ", ".join(f"{verdict} {count}" for verdict, count in sorted(counts.items())))
    too_often = [verdict for verdict in ("won", "worse") if tail(args.pairs, counts[verdict], 0.025) < 0.05]
    return 1 if too_often else 0


if __name__ == "__main__":
    sys.exit(main())
