#!/usr/bin/env bash
# The stages of `make test`, each with its wall time against its budget.
# usage: test.sh [STAGE...]     stages: setup build unit parity e2e sanitizers, and on request: slow bench fuzz
# environment: FUZZ_SECONDS (20) for each fuzz target, PYTEST_ARGS for parity and e2e
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

default_stages=(setup build unit parity e2e sanitizers)
declare -A budget=([setup]=240 [build]=720 [unit]=300 [parity]=420 [e2e]=360 [sanitizers]=300)
export LORA_CACHE=${LORA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lora.cpp}
export CCACHE_DIR=${CCACHE_DIR:-$LORA_CACHE/ccache}
fuzz_seconds=${FUZZ_SECONDS:-20}

die() { echo "test: $*" >&2; exit 1; }

preset() { # NAME [ninja target...]: configure and build
  local name=$1
  shift
  cmake --preset "$name" --log-level=WARNING >/dev/null
  cmake --build --preset "$name" ${@:+--target "$@"} -- --quiet
}

python_tests() { # DIRECTORY [pytest option...]
  local directory=$1 reference extra=()
  shift
  read -ra extra <<<"${PYTEST_ARGS:-}"
  [[ -n $(find "$directory" -name 'test_*.py' 2>/dev/null) ]] || die "$directory holds no test_*.py"
  reference=$LORA_CACHE/venv-$(sha256sum <requirements/dev.txt | cut -c1-12)
  # LORA_NO_SKIP: with everything set up, a skipped test is a failure (tests/conftest.py).
  LORA_NO_SKIP=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false \
    "$reference/bin/python" -m pytest -q -rs --durations=5 -p no:cacheprovider "${extra[@]}" "$@" "$directory"
}

stage_setup() { ./setup --dev; }
stage_build() { preset test; }
stage_unit() { ctest --test-dir build --output-on-failure --no-tests=error -j 2 -LE slow; }
stage_parity() { python_tests tests/parity -m 'not slow'; }
stage_e2e() { python_tests tests/e2e -m 'not slow'; }
stage_sanitizers() { # ctest last: its closing lines are what CI reads
  stage_fuzz
  preset asan
  ctest --test-dir build-asan --output-on-failure --no-tests=error -j 2 -LE slow
}

stage_fuzz() { # every target on its corpus and beyond it; a crash leaves its input in build-fuzz/crashes
  preset fuzz tests/fuzz/all
  local targets=() target name
  mapfile -t targets < <(find build-fuzz/tests/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' | sort)
  ((${#targets[@]})) || die "tests/fuzz made no fuzz_* program"
  mkdir -p build-fuzz/crashes
  # Two at a time, each with its own log: what a target says matters only when it fails.
  printf '%s\n' "${targets[@]}" | FUZZ_SECONDS=$fuzz_seconds xargs -P 2 -I{} scripts/fuzz_one.sh {} ||
    die "a fuzz target failed (see above)"
  for target in "${targets[@]}"; do
    name=$(basename "$target")
    printf '  %-28s %s\n' "$name" "$(grep -E '^Done ' "build-fuzz/$name.log" | tail -n 1)"
  done
  echo "fuzz: ${#targets[@]} targets, $fuzz_seconds s each, no crash"
}

stage_slow() { python_tests tests/parity -m slow && python_tests tests/e2e -m slow; }

stage_bench() { # alone on the machine, or the figures say nothing
  preset release
  build/lora bench examples/json-extraction/config.toml
}

stages=("$@")
((${#stages[@]})) || stages=("${default_stages[@]}")
for stage in "${stages[@]}"; do
  declare -F "stage_$stage" >/dev/null || die "no stage '$stage' (there are: ${default_stages[*]} slow bench fuzz)"
done

summary=()
begin=$SECONDS
for stage in "${stages[@]}"; do
  echo "=== $stage (budget ${budget[$stage]:-none} s)"
  start=$SECONDS status=0
  set +e # a stage is a subshell of its own with `set -e`, which would not hold on the left of `||`
  (set -e; "stage_$stage")
  status=$?
  set -e
  seconds=$((SECONDS - start))
  line="$stage: $seconds s"
  ((seconds <= ${budget[$stage]:-$seconds})) || line+=" (over its budget of ${budget[$stage]} s)"
  echo "=== $line"
  summary+=("$line")
  if ((status)); then
    echo "test: stage $stage failed; alone: scripts/test.sh $stage" >&2
    exit "$status"
  fi
done
printf 'test: %s\n' "${summary[@]}" "all stages passed in $((SECONDS - begin)) s"
