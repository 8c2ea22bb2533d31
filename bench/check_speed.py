#!/usr/bin/env python3
"""Throughput of `lora check` beside a Python loop of json.loads over the same file, in one run.

usage: check_speed.py [--mb 400] [--program build/lora] [--repeat 3] [--all-checks]
Rows are chats of ordinary length (a few hundred bytes to a few kB), some of them with escapes, code and text beyond
ASCII. The file is made from a seed in a temporary folder. Prints MB/s of both (best of the repeats), their ratio and
the peak memory. Its start counts.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

WORDS = ("the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all "
         "her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new "
         "some could these two may first then do any like my now over such our man me even most made after also did many off before must well back "
         "through years much where your way down should because long each just state those people too mister how little good world make very year "
         "model answer question table city river price bottle window garden letter engine signal paper bridge winter summer market kitchen").split()
FOREIGN = ["größer", "café", "naïve", "straße", "mañana", "日本語の文", "данные", "😀", "–", "’"]


def sentence(rng, n):
    words = rng.choices(WORDS, k=n)
    if rng.random() < 0.1:
        words[rng.randrange(n)] = rng.choice(FOREIGN)
    return " ".join(words).capitalize() + "."


def text(rng, sentences):
    out = " ".join(sentence(rng, rng.randint(5, 18)) for _ in range(sentences))
    kind = rng.random()
    if kind < 0.1:
        out += "\n\n```python\ndef f(x):\n    return {\"a\": x}\n```"
    elif kind < 0.2:
        out += "\n- " + "\n- ".join(sentence(rng, 6) for _ in range(4))
    return out


def make(path, megabytes):
    rng = random.Random(1)
    pool = [text(rng, rng.randint(1, 8)) for _ in range(4000)]
    size = 0
    with open(path, "w", encoding="utf-8") as f:
        while size < megabytes * 1e6:
            n = rng.choice([1, 1, 1, 2, 3])
            messages = [{"role": "system", "content": "You are a helpful assistant. Be brief."}]
            for _ in range(n):
                messages += [{"role": "user", "content": f"{rng.randrange(10**9)} {rng.choice(pool)}"},
                             {"role": "assistant", "content": f"{rng.choice(pool)} {rng.choice(pool)}"}]
            line = json.dumps({"messages": messages}, ensure_ascii=False) + "\n"
            size += len(line.encode())
            f.write(line)


def python_seconds(path):
    code = "import json,sys\nfor line in open(sys.argv[1], 'rb'): json.loads(line)"
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, path], check=True)
    return time.perf_counter() - begin


def check_seconds(program, path, arguments):
    begin = time.perf_counter()
    process = subprocess.Popen([program, "check", path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(out.decode())
    return seconds, usage.ru_maxrss / 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=400)
    parser.add_argument("--program", default=str(pathlib.Path(os.environ.get("LORA_BUILD_DIR", "build")) / "lora"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--all-checks", action="store_true")
    options = parser.parse_args()
    arguments = [] if options.all_checks else ["--structural-only"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.jsonl")
        make(path, options.mb)
        size = os.path.getsize(path) / 1e6
        python, ours, memory = [], [], []
        for _ in range(options.repeat):  # in turns: what else the machine does hits both
            python.append(python_seconds(path))
            seconds, peak = check_seconds(options.program, path, arguments)
            ours.append(seconds)
            memory.append(peak)
    print(f"{size:.0f} MB: json.loads {size / min(python):.0f} MB/s, lora check {' '.join(arguments)} {size / min(ours):.0f} MB/s "
          f"({min(python) / min(ours):.2f} times as fast; {60 * size / min(ours):.0f} MB/min), peak memory {max(memory):.0f} MB")


if __name__ == "__main__":
    main()
