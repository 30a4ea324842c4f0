#!/bin/bash
# check_shell.sh - shellcheck on every script. Exit code 77 (a visible skip) when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v shellcheck >/dev/null; then
  echo "skipped: shellcheck is not installed"
  exit 77
fi
mapfile -d '' files < <(find deploy tests -name '*.sh' -print0 | sort -z)
shellcheck -x .ci/run "${files[@]}"
echo "$((${#files[@]} + 1)) scripts"
