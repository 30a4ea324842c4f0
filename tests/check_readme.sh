#!/bin/bash
# check_readme.sh TELOS - the page of settings is that of the program; and links between pages lead somewhere.
#
# --write puts the program's own table into that page instead of complaining.
set -euo pipefail
cd "$(dirname "$0")/.."
telos=$1
begin='<!-- settings: written by tests/check_readme.sh -->'
end='<!-- /settings -->'

table=$(mktemp) now=$(mktemp)
trap 'rm -f "$table" "$now"' EXIT
"$telos" config --markdown >"$table"
awk -v begin="$begin" -v end="$end" '$0 == end { on = 0 } on; $0 == begin { on = 1 }' common/config/README.md >"$now"

if [[ ${2-} == --write ]]; then
  awk -v begin="$begin" -v end="$end" -v table="$table" '
    $0 == end { on = 0 }
    !on
    $0 == begin { on = 1; while ((getline line < table) > 0) print line }' common/config/README.md >"$now"
  cp "$now" common/config/README.md
  exit 0
fi
if ! diff -u "$now" "$table"; then
  echo "common/config/README.md: the settings differ from the program's; tests/check_readme.sh $telos --write" >&2
  exit 1
fi

# Every link of our pages: the file is there, and so is the heading, in the form that GitHub gives it.
slugs() {
  sed -n 's/^#\{1,4\} //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}
broken=0
while IFS=: read -r page link; do
  target=${link%%#*} heading=
  [[ $link != *'#'* ]] || heading=${link#*#}
  file=$page
  [[ -z $target ]] || file=$(dirname "$page")/$target
  if [[ ! -e $file ]]; then
    echo "$page: $link leads nowhere"
    broken=1
  elif [[ -n $heading ]] && ! slugs "$file" | grep -qxF -- "$heading"; then
    echo "$page: $link: no such heading"
    broken=1
  fi
done < <(git ls-files --cached --others --exclude-standard '*.md' | while read -r page; do
  awk '/^```/ { code = !code } !code' "$page" | grep -oE '\]\([^) ]+\)' | sed "s|^](|$page:|; s|)\$||" || true
done | grep -vE ':(https?|mailto):')
exit "$broken"
