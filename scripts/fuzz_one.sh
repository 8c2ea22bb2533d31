#!/usr/bin/env bash
# Runs one libFuzzer program for FUZZ_SECONDS on a copy of its corpus, tests/fuzz/corpus/NAME (fuzz_NAME is the program).
# usage: fuzz_one.sh PROGRAM
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$1
name=$(basename "$program")
corpus=build-fuzz/corpus/$name
mkdir -p "$corpus" build-fuzz/crashes
seeds=tests/fuzz/corpus/${name#fuzz_}
[[ ! -d $seeds ]] || cp -n "$seeds"/* "$corpus"/
if ! "$program" "$corpus" -max_total_time="${FUZZ_SECONDS:-20}" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
  -artifact_prefix="build-fuzz/crashes/$name-" >"build-fuzz/$name.log" 2>&1; then
  tail -n 40 "build-fuzz/$name.log" >&2
  echo "fuzz: $name failed; its input is in build-fuzz/crashes, its log is build-fuzz/$name.log" >&2
  exit 1
fi
