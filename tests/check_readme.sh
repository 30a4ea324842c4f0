#!/bin/bash
# check_readme.sh TELOS - README's settings are those of the program, and its map names what exists.
#
# --write puts the program's own table into README instead of complaining.
set -euo pipefail
cd "$(dirname "$0")/.."
telos=$1
begin='<!-- settings: written by tests/check_readme.sh -->'
end='<!-- /settings -->'

table=$(mktemp) now=$(mktemp)
trap 'rm -f "$table" "$now"' EXIT
"$telos" config --markdown >"$table"
awk -v begin="$begin" -v end="$end" '$0 == end { on = 0 } on; $0 == begin { on = 1 }' README.md >"$now"

if [[ ${2-} == --write ]]; then
  awk -v begin="$begin" -v end="$end" -v table="$table" '
    $0 == end { on = 0 }
    !on
    $0 == begin { on = 1; while ((getline line < table) > 0) print line }' README.md >"$now"
  cp "$now" README.md
  exit 0
fi
if ! diff -u "$now" "$table"; then
  echo "README.md: the settings differ from the program's; tests/check_readme.sh $telos --write" >&2
  exit 1
fi
