#!/bin/bash
# oracle.sh BIN [BIN] - what short seeded runs of a build give; with two builds, whether they agree.
#
#   tests/oracle.sh build/release/bin                     # prints one line a run
#   tests/oracle.sh ../old/build/release/bin build/release/bin
#
# A change that must not change results is checked with this against the build before it. The
# runs cover a goal task of each action mode (actuators, a hook, set-points that are absolute,
# lead or relative), a second rule of each setting that branches, audits, evaluations, and a
# learner that is killed with SIGKILL and resumed. A line holds the SHA-256 of the policy file and
# of the evaluations in the log. The numbers belong to one CPU type and one build of the libraries:
# they are compared on this machine and never stored. Exit code 1: the builds differ.
set -euo pipefail

if [[ $# -lt 1 || $# -gt 2 ]]; then
  echo "usage: tests/oracle.sh BIN [BIN]   (folders that hold telos, telos-learner, telos-actor)" >&2
  exit 64
fi

small=(run.steps=3000 train.warmup_steps=500 train.batch=64 'net.hidden=[32,32]'
  'outcome.hidden=[16,16]' eval.every=1000 eval.episodes=4 checkpoint.every=500 ledger.audit=0.25
  ledger.window=500)

# name, task, settings
runs=(
  'hook box2d'
  'motors ant'
  'lead sawyer-push'
  'gripper sawyer-faucet'
  'relative fetch-push-random'
  'joints tendon-arm'
  'head box2d outcome.scale=head outcome.likelihood=gaussian train.updates_per_step=0.5'
  'plain box2d net.standardize=false replay.hindsight=0 odac.discount_max=0.999 train.publish_every=300'
  'ring sawyer-push replay.capacity=1500 odac.time_kl_sign=0 agent.temperature=constant odac.bias_init=false'
)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# digest BIN NAME TASK SETTING..: runs it, kills the learner in the middle, resumes
digest() {
  local bin=$1 name=$2 task=$3 run=$scratch/$2
  shift 3
  rm -rf "$run"
  "$bin/telos" train "$task" --runs "$run" --name a --actors 2 --threads 1 "${small[@]}" "$@" \
    >"$scratch/out" 2>&1 &
  local launcher=$! folder
  # two checkpoints written: the kill lands somewhere behind the second
  until folder=$(echo "$run"/*/a) &&
    [[ $(find "$folder/checkpoints" -name state.json 2>/dev/null | wc -l) -ge 2 ]]; do
    kill -0 "$launcher" 2>/dev/null || break
    sleep 0.02
  done
  pkill -KILL -P "$launcher" telos-learner || true
  # `telos train` starts a killed learner again by itself
  if ! wait "$launcher"; then
    tail -n 20 "$scratch/out" >&2
    exit 1
  fi
  if ! grep -q 'resuming at' "$folder/log.txt"; then
    echo "oracle: the learner of $name ended before it could be killed" >&2
    exit 1
  fi
  printf '%-9s policy %s evaluations %s\n' "$name" \
    "$(sha256sum <"$folder/policy.safetensors" | cut -c1-16)" \
    "$(grep -ho 'evaluation of version.*' "$folder/log.txt" | sort -u | sha256sum | cut -c1-16)"
}

all() {
  local line
  for line in "${runs[@]}"; do
    # shellcheck disable=SC2086  # words of the table
    digest "$1" $line
  done
}

if [[ $# = 1 ]]; then
  all "$1"
else
  all "$1" >"$scratch/first"
  all "$2" >"$scratch/second"
  diff "$scratch/first" "$scratch/second" && cat "$scratch/first" && echo "the builds agree"
fi
