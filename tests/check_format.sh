#!/bin/bash
# check_format.sh - every C file of the tree is formatted by .clang-format. Changes nothing;
# `clang-format -i FILE` does. Exit code 77 (a visible skip) when clang-format is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v clang-format >/dev/null; then
  echo "skipped: clang-format is not installed"
  exit 77
fi
mapfile -d '' files < <(find common proto actor learner deploy tests -name '*.[ch]' -print0 | sort -z)
clang-format --dry-run -Werror "${files[@]}"
echo "${#files[@]} files"
