#!/bin/bash
# check_layers.sh - the arrows between the folders, and functions that nobody may call.
#
#   common <- proto <- { actor, learner } <- { deploy, tests };  actor and learner never meet
#
# Includes are written from the root ("common/mlp.h"), so a few greps see everything.
# --self-test plants one offence of each kind in a scratch tree and demands that each is found.
set -euo pipefail
cd "$(dirname "$0")/.."

# what the files of each folder may include
declare -A allowed=(
  [common]='common'
  [proto]='common|proto'
  [actor]='common|proto|actor'
  [learner]='common|proto|learner'
  [deploy]='common|proto|actor|learner|deploy'
  [tests]='common|proto|actor|learner|deploy|tests'
)
all='common|proto|actor|learner|deploy|tests'

# unbounded, not reentrant, dependent on global state, blind to errors, or gone with NDEBUG
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|localtime|gmtime|ctime|asctime|rand|srand'
banned+='|atoi|atol|atoll|atof|assert|alloca'

# check ROOT: prints offences as file:line: reason: text; status 1 when there are any
check() {
  local root=$1 layer bad=0
  for layer in common proto actor learner deploy tests; do
    [[ -d $root/$layer ]] || continue
    # shellcheck disable=SC2016  # the dollars are awk's
    (cd "$root" && find "$layer" -type f \( -name '*.[ch]' -o -name '*.def' \) -print0 |
      sort -z | xargs -0 -r awk -v layer="$layer" -v may="${allowed[$layer]}" -v all="$all" \
      -v banned="$banned" '
      function offence(reason) { printf "%s:%d: %s: %s\n", FILENAME, FNR, reason, $0; bad = 1 }
      {
        code = $0
        sub(/\/\/.*/, "", code)  # comments may name the functions
        if (code ~ /^[ \t]*#[ \t]*include[ \t]*"/ && code !~ "\"(" may ")/")
          offence(layer " includes only " may ", from the root")
        if (code ~ "^[ \t]*#[ \t]*include[ \t]*<(" all ")/")
          offence("our own headers are included with quotes")
        if (code ~ "(^|[^a-zA-Z0-9_])(" banned ")[ \t]*[(]")
          offence("banned function")
      }
      END { exit bad }') || bad=1
  done
  return $bad
}

# plant FOLDER TEXT EXPECT: a tree with only this line must give EXPECT (found or clean)
plant() {
  local folder=$1 text=$2 expect=$3 result=clean
  rm -rf "${scratch:?}"/*
  mkdir -p "$scratch/$folder"
  printf '// planted\n%s\n' "$text" >"$scratch/$folder/planted.c"
  check "$scratch" >/dev/null || result=found
  if [[ $result != "$expect" ]]; then
    echo "self-test: in $folder, expected $expect, got $result: $text"
    failed=1
  fi
  planted=$((planted + 1))
}

self_test() {
  local scratch failed=0 planted=0 name
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the name of now
  trap "rm -rf '$scratch'" EXIT
  plant common '#include "common/mlp.h"' clean
  plant common '#include "proto/wire.h"' found
  plant common '  #  include "learner/odac.h"' found
  plant common '#include "mlp.h"' found
  plant common '#include "../common/mlp.h"' found
  plant common '#include <common/mlp.h>' found
  plant common '#include <stdio.h>' clean
  plant proto '#include "actor/env.h"' found
  plant proto '#include "proto/telos.pb-c.h"' clean
  plant actor '#include "learner/ledger.h"' found
  plant actor '#include "proto/wire.h"' clean
  plant learner '#include "actor/rollout.h"' found
  plant learner '#include "deploy/launch/status.h"' found
  plant deploy/launch '#include "learner/trainer.h"' clean
  plant deploy/launch '#include "tests/integration/harness.h"' found
  plant tests/unit '#include "actor/env.h"' clean
  for name in ${banned//|/ }; do
    plant learner "  x = $name(y);" found
    plant tests/unit "$name (y);" found
  done
  plant common '  snprintf(a, n, "x"); strtok_r(a, b, c); localtime_r(t, tm); cr_assert(x);' clean
  plant common '  static_assert(sizeof(int) == 4, "x");  // not assert() or rand()' clean
  plant common '  a = b / atoi(c);' found
  echo "$planted plants, $([[ $failed = 0 ]] && echo 'all as expected' || echo 'some missed')"
  return $failed
}

case ${1-} in
'') check . ;;
--self-test) self_test ;;
*)
  echo "usage: tests/check_layers.sh [--self-test]" >&2
  exit 64
  ;;
esac
