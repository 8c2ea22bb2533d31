#!/usr/bin/env python3
"""How training grows: time a token against the length of rows, memory against tokens in a pass, drawn as an SVG.

usage: scaling.py --lora build/lora --model MODEL.gguf --out scaling.svg [--lengths 128,256,512,1024,2048,4096]
                  [--passes 256,512,1024,2048,4096] [--steps 2] [--lora-args '…']

Every point is a run of `lora bench` with random rows that share nothing. Time: each step lays as many tokens as the longest
row has, in one pass, so that only the length differs. Memory: rows of the shortest length, more and more of them in a pass.
Prints each term with what it should grow by and what it grew by; exit code 1 when one grew by a third more than that.
Leave the machine alone meanwhile. Needs Python alone.
"""
import argparse, json, math, os, shlex, statistics, subprocess, sys

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ("lora", "model", "out"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--lengths", default="128,256,512,1024,2048,4096")
parser.add_argument("--passes", default="256,512,1024,2048,4096")
parser.add_argument("--steps", type=int, default=2)
parser.add_argument("--lora-args", default="")
args = parser.parse_args()
lengths, passes = ([int(n) for n in text.split(",")] for text in (args.lengths, args.passes))
if min(lengths + passes) < 8 or sorted(lengths) != lengths or sorted(passes) != passes:
    sys.exit("scaling: --lengths and --passes are ascending numbers, 8 or more")
if len(lengths) < 2 or len(passes) < 3:
    sys.exit("scaling: growth needs two --lengths and three --passes")
if os.path.exists(args.out):
    sys.exit(f"scaling: {args.out} is there already, and nothing is overwritten")


def bench(row_tokens, pass_tokens):
    rows = max(1, pass_tokens // row_tokens)
    # One token more than is read: the last is predicted only.
    command = [args.lora, "bench", args.model, "--tokens", row_tokens + 1, "--shared", 0, "--supervised", max(1, row_tokens // 4),
               "--per-device-train-batch-size", rows, "--gradient-accumulation-steps", 1, "--micro-batch-tokens", rows * row_tokens,
               "--max-seq-length", row_tokens + 1, "--warm-up", 1, "--steps", args.steps, "--format", "json", *shlex.split(args.lora_args)]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("scaling: " + " ".join(map(str, command)) + " failed")
    result = json.loads(done.stdout)
    assert result["step"]["passes"] == 1 and result["step"]["unique_tokens"] == rows * row_tokens, result["step"]
    return result


def slope(xs, ys):
    """Least squares: (intercept, slope)."""
    x, y = statistics.mean(xs), statistics.mean(ys)
    rise = sum((a - x) * (b - y) for a, b in zip(xs, ys)) / max(sum((a - x) ** 2 for a in xs), 1e-300)
    return y - rise * x, rise


def chart(title, x_label, y_label, xs, series, left):
    """One picture, 460 wide, its left edge at `left`: lines over a logarithmic x axis."""
    top, bottom, width, height = 50, 290, 360, 240
    highest = 1.08 * max(max(ys) for _, ys in series)
    at_x = lambda x: left + 70 + width * (math.log(x / xs[0]) / max(math.log(xs[-1] / xs[0]), 1e-9))
    at_y = lambda y: bottom - height * y / highest
    text = lambda x, y, words, more="": f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'
    parts = [text(left + 70, 25, title, 'font-size="15" font-weight="bold"'), text(left + 70, 42, y_label)]
    for i in range(5):
        y = highest / 1.08 * i / 4
        parts += [f'<line x1="{left + 70}" x2="{left + 70 + width}" y1="{at_y(y):.1f}" y2="{at_y(y):.1f}" stroke="#ddd"/>',
                  text(left + 64, at_y(y) + 4, f"{y:.3g}", 'text-anchor="end"')]
    parts += [text(at_x(x), bottom + 18, x, 'text-anchor="middle"') for x in xs]
    parts.append(text(left + 70 + width / 2, bottom + 36, x_label, 'text-anchor="middle"'))
    for (name, ys), colour in zip(series, ("#1b6ca8", "#c8553d", "#4d9078", "#888")):
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in zip(xs, ys))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in zip(xs, ys)]
        parts.append(text(at_x(xs[-1]) - 6, at_y(ys[-1]) - 8, name, f'text-anchor="end" fill="{colour}"'))
    return parts


too_much = []


def claim(name, unit, values, allowed):
    """A term's growth from the first to the last value, beside what it may grow by."""
    grown = values[-1] / max(values[0], 1e-12)
    fine = grown <= 4 / 3 * allowed
    print(f"{name:<46} {values[0]:9.3f} … {values[-1]:9.3f} {unit:<10} grew {grown:6.2f} times, expected {allowed:6.2f}"
          f"{'' if fine else '   TOO MUCH'}", flush=True)
    if not fine:
        too_much.append(name)


timed = [bench(n, lengths[-1]) for n in lengths]
per_token = {"all": [], "attention": [], "frozen matrices": []}
for n, result in zip(lengths, timed):
    parts = {part["name"]: part["seconds"] for part in result["parts"]}
    tokens = result["step"]["unique_tokens"]
    for name, values in per_token.items():
        values.append(1e3 * (result["median_seconds"] if name == "all" else parts[name]) / tokens)
    print(f"rows of {n:5} tokens: {per_token['all'][-1]:.3f} ms a token, attention {per_token['attention'][-1]:.3f}, "
          f"{result['speed_of_light_percent']:.1f} % of the speed of light", flush=True)
sized = [bench(lengths[0], n) for n in passes]
in_pass = [round(result["step"]["unique_tokens"]) for result in sized]
memory = [result["peak_memory_bytes"] / 2**20 for result in sized]
for n, mebibytes in zip(in_pass, memory):
    print(f"{n:5} tokens in a pass: {mebibytes:.0f} MiB", flush=True)

print()
keys = [(n + 1) / 2 for n in lengths]
claim("frozen matrices, time a token", "ms", per_token["frozen matrices"], 1)
claim("attention, time a token: as the keys it sees", "ms", per_token["attention"], keys[-1] / keys[0])
# (All together grows by what they weigh, which FLOPs don't tell: they are not equally fast.)
claim("all but attention, time a token", "ms", [a - b for a, b in zip(per_token["all"], per_token["attention"])], 1)
fixed, each = slope(in_pass, memory)
between = [(m - l) / (b - a) for l, m, a, b in zip(memory, memory[1:], in_pass, in_pass[1:])]
claim("memory of one more token in a pass", "MiB", between, 1)
print(f"memory = {fixed:.0f} MiB + {each:.3f} MiB a token in a pass")

parts = chart("Time a token", "tokens of a row", "ms a token", lengths, list(per_token.items()), 0)
parts += chart("Memory", "tokens in a pass", "MiB, peak of the process", in_pass, [("peak", memory)], 480)
with open(args.out, "w", encoding="utf-8") as file:
    file.write('<svg xmlns="http://www.w3.org/2000/svg" width="960" height="340" font-family="sans-serif" font-size="12">\n'
               '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
print("drawn: " + args.out)
sys.exit(1 if too_much else 0)
