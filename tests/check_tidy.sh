#!/bin/bash
# check_tidy.sh BUILD_FOLDER - clang-tidy (.clang-tidy) on every source file that the build
# compiles, except those that use Criterion: its assertion macros unfold into so many branches that
# one test takes the analyser half a minute. The folder must have been built by clang, so that
# compile_commands.json and generated headers are there. Exit code 77 (a visible skip) when
# clang-tidy is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v clang-tidy >/dev/null; then
  echo "skipped: clang-tidy is not installed"
  exit 77
fi
build=${1:?usage: tests/check_tidy.sh BUILD_FOLDER}
if [[ ! -f $build/compile_commands.json ]]; then
  echo "skipped: no $build/compile_commands.json (configure with -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)"
  exit 77
fi

# our own files, each once; generated ones are not ours
root=$(pwd -P)
mapfile -t files < <(sed -nE "s|^ *\"file\": \"$root/(.*)\",?\$|\1|p" "$build/compile_commands.json" |
  grep -E '^(common|proto|actor|learner|deploy|tests)/' | sort -u |
  xargs grep -L '<criterion/criterion.h>')
if [[ ${#files[@]} = 0 ]]; then
  echo "$build/compile_commands.json names no file of $root"
  exit 1
fi
# one process a file, on all cores; "N warnings generated" counts suppressed ones: noise
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build" 2> >(grep -vE '^[0-9]+ warnings?( and [0-9]+ errors?)? generated' >&2)
echo "${#files[@]} files"
