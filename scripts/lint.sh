#!/usr/bin/env bash
# usage: lint.sh lint | format
# `lint` says what is not in order and changes nothing; `format` rewrites the C++ sources by .clang-format.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./setup --lint
cache=${LORA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lora.cpp}
clang_format=$cache/venv-lint-$(sha256sum <requirements/lint.txt | cut -c1-12)/bin/clang-format
mapfile -t sources < <(find src tools tests bench \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' \) | sort)
((${#sources[@]})) || { echo "lint: no sources found" >&2; exit 1; }

case ${1:-lint} in
  format) exec "$clang_format" -i "${sources[@]}" ;;
  lint) ;;
  *) echo "usage: lint.sh lint | format" >&2; exit 2 ;;
esac

bad=0
complain() { printf 'lint: %s\n' "$1" >&2; bad=1; }

forbid() { # PATTERN WHY FILE...: no line of the files, comment lines aside, matches PATTERN
  local pattern=$1 why=$2 found
  shift 2
  found=$(grep -nHP "$pattern" "$@" | grep -vP '^[^:]+:\d+:\s*(//|\*)|// lint: allow' || true)
  [[ -z $found ]] || { printf '%s\n' "$found" >&2; complain "$why"; }
}

"$clang_format" --dry-run -Werror "${sources[@]}" || complain "formatting; 'make format' mends it"

forbid '(=|return|\()\s*new\b(?!\s*\()' 'raw new: use std::make_unique, a container or a value' "${sources[@]}"
forbid '\b(malloc|calloc|realloc|free)\s*\(' 'C allocation: use a container' "${sources[@]}"
forbid '^\s*delete(\[\])?\s' 'raw delete: let an owner do it' "${sources[@]}"
forbid 'using namespace std;' 'using namespace std' "${sources[@]}"
forbid '(?<![:\w.])(std::)?s?rand\s*\(' 'rand(): use base/random.h' "${sources[@]}"
forbid '#pragma omp' 'OpenMP pragmas: use at::parallel_for' "${sources[@]}"
forbid '\b(TODO|FIXME|XXX)\b' 'unfinished work belongs in an issue' "${sources[@]}"

# The house: a room includes only the rooms that CMakeLists.txt names for it.
rooms=$(find src -mindepth 1 -maxdepth 1 -type d -printf '%f|')
while read -r room below; do
  [[ -d src/$room ]] || continue
  allowed="$room${below:+|${below// /|}}"
  found=$(grep -rnP "#include \"(?!($allowed)/)(${rooms%|})/" "src/$room" --include='*.h' --include='*.cpp' || true)
  [[ -z $found ]] || { printf '%s\n' "$found" >&2; complain "src/$room may include only: $room $below"; }
done < <(tr '\n' ' ' <CMakeLists.txt | grep -oP 'lora_room\(\K[^)]*' | sed -e 's/ LIBS.*//' -e 's/ ROOMS / /' -e 's/  */ /g')

# Headers *-inl.h are read once for each instruction set.
while read -r header; do
  complain "$header: no #pragma once"
done < <(find src tests bench -name '*.h' ! -name '*-inl.h' -exec grep -L '^#pragma once' {} +)

if command -v shellcheck >/dev/null; then
  shellcheck setup scripts/*.sh .ci/run || complain "shell scripts"
else
  echo "lint: no shellcheck here, shell scripts not checked (./setup --dev installs it)" >&2
fi

((bad == 0)) && echo "lint: ${#sources[@]} files in order"
exit "$bad"
