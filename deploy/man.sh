#!/bin/bash
# man.sh BIN FOLDER VERSION - manual pages of the programs in BIN and of the verbs of telos, into
# FOLDER/man1, from what their --help says.
#
# Our help has a form that leaves nothing to guess: "Examples:" and "Usage:" up to an empty line,
# items as "  TERM  text" with their continuation further in, "Exit codes:", and paragraphs.
set -euo pipefail
bin=$1 folder=$2 version=$3
rm -rf "$folder/man1"
mkdir -p "$folder/man1"
see=() # all pages, for SEE ALSO

# page NAME TEXT: the page of the program whose help is on standard input
page() {
  awk -v name="$1" -v text="$2" -v version="$version" '
    function roff(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); return s ~ /^[.\047]/ ? "\\&" s : s }
    function end_list() { if (item) { body = body ".PP\n"; item = 0 } }
    /^Examples:$/ { part = "examples"; next }
    /^Usage: / { part = "usage"; sub(/^Usage: /, "       ") }
    /^$/ && part != "" { part = ""; next }
    part == "examples" { sub(/^  /, ""); examples = examples roff($0) "\n"; next }
    part == "usage" { sub(/^       /, ""); usage = usage roff($0) "\n"; next }
    /^$/ { gap = 1; next }
    /^Exit codes: / { body = body ".SH \"EXIT STATUS\"\n"; sub(/^Exit codes: /, ""); item = gap = 0 }
    /^  [^ ]/ {
      term = substr($0, 3)
      rest = ""
      if (match(term, /  +/)) { rest = substr(term, RSTART + RLENGTH); term = substr(term, 1, RSTART - 1) }
      gsub(/  +/, " ", rest)
      body = body ".TP\n\\fB" roff(term) "\\fR\n" (rest != "" ? roff(rest) "\n" : "")
      item = 1
      gap = 0
      next
    }
    /^[a-z]+:$/ { body = body ".SS " roff(substr($0, 1, length($0) - 1)) "\n"; item = gap = 0; next }
    /^   / && item { sub(/^ +/, ""); body = body roff($0) "\n"; next }
    {
      end_list()
      if (gap) body = body ".PP\n"
      gap = 0
      body = body roff($0) "\n"
    }
    END {
      if (usage == "") exit 1
      printf ".TH %s 1 \"\" \"Telos %s\" \"Telos\"\n", roff(toupper(name)), version
      printf ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n%s.fi\n", roff(name), roff(text), usage
      printf ".SH DESCRIPTION\n%s", body
      if (examples != "") printf ".SH EXAMPLES\n.nf\n%s.fi\n", examples
    }' >"$folder/man1/$1.1"
  see+=("$1")
}

page telos 'trains policies that reach goals in MuJoCo' < <("$bin/telos" --help)
page telos-learner 'learner of Telos, for fleets' < <("$bin/telos-learner" --help)
page telos-actor 'actor of Telos, for fleets' < <("$bin/telos-actor" --help)
while IFS=$'\t' read -r verb text; do
  case $verb in
  help | version | --*) ;;
  *) page "telos-$verb" "$text" < <("$bin/telos" "$verb" --help) ;;
  esac
done < <("$bin/telos" completion words '')

for name in "${see[@]}"; do
  {
    echo '.SH "SEE ALSO"'
    for other in "${see[@]}"; do
      [[ $other = "$name" ]] || echo ".BR ${other//-/\\-} (1)"
    done
  } >>"$folder/man1/$name.1"
done
gzip -9n "$folder/man1"/*.1
