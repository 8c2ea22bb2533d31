#!/usr/bin/env python3
"""A model against itself: how often is a difference found where there is none?

usage: base_against_itself.py --lora build/lora --eval-tool build/tools/eval_tool --gguf MODEL.gguf --data TEST.jsonl
                              [--pairs 20] [--temperature 0.7] [--max-new-tokens 64] [--record FILE] [--lora-args '…']

The model answers all rows of TEST.jsonl twice a pair, sampled with a seed of its own each time: no set of answers serves twice. One
set is called tuned, the other base, and the program's own scoring and verdict judge them as `lora eval` does.

A metric that the base never or always passes could show nothing. So an answer counts when its chrF against the reference is at
least the median of a pilot's (seed 0, used for nothing else): about half do. The same answers are judged a second time by chrF
itself, a score, which has another test. Prints wins, losses, p and verdict of each pair. --record keeps the answers in FILE, and
takes those that it finds there, so that a stopped run goes on. Exit code 1: *won* was said more often than in 2.5 % of pairs by
more than chance explains (binomial test, 5 %); the same holds for *worse*.
"""
import argparse, collections, json, math, os, shlex, statistics, subprocess, sys


def asked(tool, request):
    done = subprocess.run([tool], input=json.dumps(request) + "\n", capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    if "error" in answer:
        sys.exit(f"{tool}: {answer['error']}")
    return answer


class Answers:
    """Sets of answers by seed, from the record or from the model."""

    def __init__(self, args):
        self.args = args
        self.known = {}
        if args.record and os.path.exists(args.record):
            with open(args.record, encoding="utf-8") as file:
                self.known = json.load(file)

    def of(self, seed):
        if str(seed) not in self.known:
            args = self.args
            command = [args.lora, "generate", args.gguf, "--data", args.data, "--temperature", str(args.temperature), "--seed",
                       str(seed), "--max-new-tokens", str(args.max_new_tokens), "--batch-size", "64", "--format", "json"]
            done = subprocess.run(command + shlex.split(args.lora_args), capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            self.known[str(seed)] = [answer["answer"] for answer in json.loads(done.stdout)]
            self.save()
        return self.known[str(seed)]

    def save(self):
        if self.args.record:
            with open(self.args.record + ".new", "w", encoding="utf-8") as file:
                json.dump(self.known, file, ensure_ascii=False)
            os.replace(self.args.record + ".new", self.args.record)


def tail(n, at_least, p):
    """P(X >= at_least) of a binomial."""
    return sum(math.comb(n, k) * p**k * (1 - p)**(n - k) for k in range(at_least, n + 1))


def judge_pairs(args, answers, name, check):
    """All pairs by one metric; True: no verdict came too often."""
    counts, rates, could = collections.Counter(), [], 0
    for pair in range(args.pairs):
        contestants = {"tuned": answers.of(2 * pair + 1), "base": answers.of(2 * pair + 2)}
        summary = asked(args.eval_tool, {"verdict": os.path.abspath(args.data), "contestants": contestants, "checks": [check]})
        one = next(c for c in summary["comparisons"] if c["metric"] == summary["primary"])
        both = [summary["contestants"][side][summary["primary"]]["value"] for side in ("tuned", "base")]
        rates += both
        counts[summary["verdict"]] += 1
        could += one["wins"] + one["losses"] >= 6  # with fewer, an exact test cannot reach 0.05
        print(f"{name} {pair + 1:>3}: {both[0]:.3f} against {both[1]:.3f}, {one['wins']} wins, {one['losses']} losses, p {one['p']:.4f}, "
              f"{summary['verdict']}", flush=True)
    print(f"{name}: {args.pairs} pairs, rates {min(rates):.3f} … {max(rates):.3f}, in {could} a difference could have been shown: "
          + ", ".join(f"{verdict} {count}" for verdict, count in sorted(counts.items())), flush=True)
    return all(tail(args.pairs, counts[verdict], 0.025) >= 0.05 for verdict in ("won", "worse"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lora", "eval-tool", "gguf", "data"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--record")
    parser.add_argument("--lora-args", default="")
    args = parser.parse_args()
    answers = Answers(args)
    with open(args.data, encoding="utf-8") as file:
        references = [json.loads(line)["messages"][-1]["content"] for line in file]
    scores = asked(args.eval_tool, {"overlap": [list(pair) for pair in zip(answers.of(0), references, strict=True)]})["chrf"]
    middle = round(statistics.median(scores), 4)
    print(f"{len(references)} rows; an answer counts from chrF {middle} on, the median of the pilot", flush=True)
    fair = [judge_pairs(args, answers, "counts", {"type": "chrf", "pass_at": middle, "primary": True}),
            judge_pairs(args, answers, "chrF", {"type": "chrf", "primary": True})]
    return 0 if all(fair) else 1


if __name__ == "__main__":
    sys.exit(main())
