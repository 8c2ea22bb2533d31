#!/usr/bin/env bash
# Runs an example from its config to its verdict: train, compare with the base, diagnose, report.
# usage: demo.sh CONFIG.toml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=${1:?usage: demo.sh CONFIG.toml}

[[ -f $config ]] || { echo "demo: no $config" >&2; exit 2; }
output=$(sed -n 's/^output_dir *= *"\(.*\)".*/\1/p' "$config")
status=0
build/lora run "$config" || status=$?

echo
if [[ -f $output/report.html ]]; then
  echo "demo: the run is in $output; the report, with every prompt and both answers: $output/report.html"
fi
case $status in
  0) ;;
  1) echo "demo: the verdict is not in favour of the tuned model; the table and the report say why." ;;
  130) echo "demo: interrupted; 'make demo' resumes it." ;;
  *) echo "demo: not finished (exit $status). 'make demo' resumes; to begin anew: rm -r $output" ;;
esac
exit "$status"
