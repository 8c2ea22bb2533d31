#!/usr/bin/env bash
# Runs an example from its config to its verdict.
# usage: demo.sh CONFIG.toml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=${1:?usage: demo.sh CONFIG.toml}

[[ -f $config ]] || { echo "demo: no $config" >&2; exit 2; }
output=$(sed -n 's/^output_dir *= *"\(.*\)".*/\1/p' "$config")
if [[ -f $output/eval/summary.json ]]; then
  echo "demo: $output holds a finished run; its verdict: $(sed -n 's/.*"verdict": "\(.*\)".*/\1/p' "$output/eval/summary.json")."
  echo "demo: every prompt with both answers: $output/eval/answers.jsonl. To begin anew: rm -r $output && make demo"
  exit 0
fi
status=0
build/lora run "$config" || status=$?

echo
case $status in
  0) echo "demo: finished; the run is in $output." ;;
  1) echo "demo: finished; the verdict is against the tuned model, the table says why. The run is in $output." ;;
  130) echo "demo: interrupted; 'make demo' resumes it." ;;
  *) echo "demo: not finished (exit $status). 'make demo' resumes it; to begin anew: rm -r $output" ;;
esac
exit "$status"
