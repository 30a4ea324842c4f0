#!/bin/bash
# check_layers.sh - the arrows between the folders, and functions that nobody may call.
#
#   common <- proto <- { actor, learner };  actor and learner never meet;  deploy starts a learner
#   as a program, so it knows the actor's files alone;  tests know all
#   inside common: base <- { config, nn, task }, which do not know each other
#   inside the learner: trainer -> rules -> { agent, worth } -> nn, and a minibatch is all that
#   these see of replay; messages between ranks know nothing of what they carry
#
# Includes are written from the root ("common/base/log.h"), so a few greps see everything.
# --self-test plants one offence of each kind in a scratch tree and demands that each is found.
set -euo pipefail
cd "$(dirname "$0")/.."

# what the files of each folder may include: folders, F/* for F and all below it, or single files;
# the longest name that fits a file decides
declare -A allowed=(
  [common/base]='common/base'
  [common/config]='common/base common/config'
  [common]='common common/base'
  [common/nn]='common common/base common/nn'
  [common/task]='common common/base common/task'
  [proto]='common/* proto'
  [actor]='common/* proto actor'
  [learner/nn]='common common/base common/config/config.h common/nn learner/nn'
  [learner/agent]='common common/base common/config common/nn learner/nn learner/replay/batch.h
    learner/agent'
  [learner/worth]='common common/base common/config common/nn learner/nn learner/replay/batch.h
    learner/agent/net.h learner/agent/scaling.h learner/worth'
  [learner/rules]='common common/base common/config common/nn learner/nn learner/replay/batch.h
    learner/agent learner/worth learner/rules'
  [learner/replay]='common common/base learner/replay'
  [learner/ranks]='common/base learner/ranks'
  [learner]='common/* proto learner/*'
  [deploy]='common/* proto actor deploy/*'
  [tests]='common/* proto actor learner/* deploy/* tests/*'
)

# unbounded, not reentrant, dependent on global state, blind to errors, or gone with NDEBUG
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|localtime|gmtime|ctime|asctime|rand|srand'
banned+='|atoi|atol|atoll|atof|assert|alloca'

# check ROOT: prints offences as file:line: reason: text; status 1 when there are any
check() {
  local root=$1 table='' folder
  for folder in "${!allowed[@]}"; do
    table+="$folder:${allowed[$folder]//$'\n'/ };"
  done
  # shellcheck disable=SC2016  # the dollars are awk's
  (cd "$root" && find . -type f \( -name '*.[ch]' -o -name '*.def' \) -not -path './build/*' \
    -printf '%P\0' | sort -z | xargs -0 -r awk -v table="$table" -v banned="$banned" '
    function offence(reason) { printf "%s:%d: %s: %s\n", FILENAME, FNR, reason, $0; bad = 1 }
    # may files whose row is "a b/* c/d.h" include this file, which stands in this folder
    function may(row, file, folder,    n, i, item) {
      n = split(row, item, " ")
      for (i = 1; i <= n; i++) {
        if (item[i] == folder || item[i] == file) return 1
        if (sub(/\/\*$/, "", item[i]) && index(folder "/", item[i] "/") == 1) return 1
      }
      return 0
    }
    BEGIN {
      n = split(table, rows, ";")
      for (i = 1; i <= n; i++) {
        at = index(rows[i], ":")
        if (at) row[substr(rows[i], 1, at - 1)] = substr(rows[i], at + 1)
      }
    }
    FNR == 1 {
      layer = FILENAME
      do sub(/\/[^\/]*$/, "", layer); while (!(layer in row))
    }
    {
      code = $0
      sub(/\/\/.*/, "", code)  # comments may name the functions
      if (code ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
        name = code
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        file = name
        if (!sub(/\/[^\/]*$/, "", name) || !may(row[layer], file, name))
          offence(layer " includes only " row[layer] ", from the root")
      }
      if (code ~ /^[ \t]*#[ \t]*include[ \t]*<(common|proto|actor|learner|deploy|tests)\//)
        offence("our own headers are included with quotes")
      if (code ~ "(^|[^a-zA-Z0-9_])(" banned ")[ \t]*[(]")
        offence("banned function")
    }
    END { exit bad }')
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
  plant common '#include "common/base/log.h"' clean
  plant common '#include "common/nn/policy.h"' found
  plant common '#include "proto/wire.h"' found
  plant common '  #  include "learner/rules/odac.h"' found
  plant common '#include "episode.h"' found
  plant common '#include "../common/episode.h"' found
  plant common '#include <common/episode.h>' found
  plant common '#include <stdio.h>' clean
  plant common/base '#include "common/config/config.h"' found
  plant common/config '#include "common/base/err.h"' clean
  plant common/config '#include "common/nn/policy.h"' found
  plant common/nn '#include "common/task/task.h"' found
  plant common/task '#include "common/nn/policy.h"' found
  plant proto '#include "actor/rollout.h"' found
  plant proto '#include "proto/telos.pb-c.h"' clean
  plant actor '#include "learner/ledger.h"' found
  plant actor '#include "proto/wire.h"' clean
  plant actor '#include "common/task/env.h"' clean
  plant learner '#include "actor/rollout.h"' found
  plant learner '#include "deploy/launch/status.h"' found
  plant learner/nn '#include "learner/replay/replay.h"' found
  plant learner/nn '#include "learner/agent/net.h"' found
  plant learner/nn '#include "common/nn/mlp_shape.h"' clean
  plant learner/agent '#include "learner/nn/mlp.h"' clean
  plant learner/agent '#include "learner/replay/batch.h"' clean
  plant learner/agent '#include "learner/replay/replay.h"' found
  plant learner/agent '#include "learner/worth/outcome.h"' found
  plant learner/agent '#include "learner/rules/rule.h"' found
  plant learner/worth '#include "learner/agent/net.h"' clean
  plant learner/worth '#include "learner/agent/agent.h"' found
  plant learner/worth '#include "learner/rules/rule.h"' found
  plant learner/rules '#include "learner/worth/outcome.h"' clean
  plant learner/rules '#include "learner/replay/batch.h"' clean
  plant learner/rules '#include "learner/replay/replay.h"' found
  plant learner/rules '#include "learner/trainer.h"' found
  plant learner/replay '#include "learner/rules/rule.h"' found
  plant learner/replay '#include "learner/nn/mlp.h"' found
  plant learner/replay '#include "proto/wire.h"' found
  plant learner/replay '#include "common/episode.h"' clean
  plant learner/rules '#include "learner/ranks/ranks.h"' found
  plant learner/ranks '#include "common/base/log.h"' clean
  plant learner/ranks '#include "learner/rules/updater.h"' found
  plant learner '#include "learner/ranks/ranks.h"' clean
  plant learner '#include "learner/rules/rule.h"' clean
  plant deploy/launch '#include "actor/rollout.h"' clean
  plant deploy/play '#include "deploy/launch/policy_source.h"' clean
  plant deploy/launch '#include "learner/trainer.h"' found
  plant deploy/launch '#include "tests/integration/harness.h"' found
  plant tests/unit '#include "actor/rollout.h"' clean
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
