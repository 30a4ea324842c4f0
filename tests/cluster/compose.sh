#!/bin/bash
# compose.sh - deploy/compose.yaml with real containers: builds the images, prints their sizes, trains
# Box 2D with four actors, kills actors and the learner on the way, and compares the policy with that
# of `telos train` on this machine, bit for bit. Then the same with the keys as secrets.
#
# Optional: wants Docker, docker-compose and, where no registry is reached, debootstrap and root.
# Exit code 77: skipped, one of these is missing. TELOS_BIN: the programs (build/release/bin).
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TELOS_BIN:-$PWD/build/release/bin}

skip() {
  echo "skipped: $1"
  exit 77
}
command -v docker-compose >/dev/null || skip "docker-compose is missing"
docker info >/dev/null 2>&1 || skip "no Docker daemon answers"
[[ -x $bin/telos ]] || skip "no programs in $bin; cmake --build --preset release, or TELOS_BIN"
if [[ -z ${BASE-} ]]; then
  deploy/docker/base.sh || skip "there is no base image"
  export BASE=telos-base:12
fi

work=$(mktemp -d)
project=telos$$
export RUN=demo TASK=box2d SETTINGS='run.steps=30000 checkpoint.every=1000'
files=(-f deploy/compose.yaml)
compose() {
  docker-compose -p "$project" "${files[@]}" "$@"
}
clean() {
  [[ -n ${KEEP-} ]] && { echo "kept: $work, project $project"; return; }
  compose down -v -t 5 >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
fail() {
  echo "FAILED: $1" >&2
  compose logs --tail 40 >&2 || true
  exit 1
}

# crash NAME: ends the container's process from outside, and waits until Docker has started it again
crash() {
  local name=${project}_$1 before
  before=$(docker inspect -f '{{.RestartCount}}' "$name")
  kill -9 "$(docker inspect -f '{{.State.Pid}}' "$name")"
  for ((i = 0; i < 600; i++)); do
    [[ $(docker inspect -f '{{.RestartCount}}' "$name") = "$before" ]] || return 0
    sleep 0.1
  done
  fail "$1 is not started again"
}

# steps N: until the learner has committed so many
steps() {
  local said=
  for ((i = 0; i < 600; i++)); do
    said=$(docker exec "${project}_learner_1" telos health 2>/dev/null) || true
    said=${said%% of *}
    if ((${said##* } + 0 >= $1)) 2>/dev/null; then
      return
    fi
    sleep 0.2
  done
  fail "the learner does not come to $1 steps"
}

# finish: until learner and actors have ended
finish() {
  local code
  code=$(timeout 600 docker wait "${project}_learner_1") || fail "the learner does not end"
  [[ $code = 0 ]] || fail "the learner ended with $code"
  compose run --rm policy >"$work/policy" 2>/dev/null
  cmp "$work/policy" "$work/runs/reference/policy.safetensors" || fail "another policy"
}

echo "images:"
compose build >"$work/log" 2>&1 || {
  tail -n 30 "$work/log" >&2
  fail "the images cannot be built"
}
base=$(docker image inspect -f '{{.Size}}' "$BASE")
for image in telos-actor telos-learner; do
  size=$(docker image inspect -f '{{.Size}}' "$image")
  echo "  $image $((size / 1000000)) MB, $(((size - base) / 1000000)) MB beyond its base"
done

# the same run without containers
read -ra settings <<<"$SETTINGS"
(cd "$work" && "$bin/telos-learner" --task box2d --run runs/reference wire.port=0 wire.weights_port=0 \
  "${settings[@]}" >"$work/learner" 2>&1 &
  until endpoint=$(grep -m1 -o 'endpoint=[^ ]*' "$work/learner"); do sleep 0.1; done
  "$bin/telos-actor" --connect "${endpoint#endpoint=}" >/dev/null 2>&1
  wait)

compose up -d --scale actor=4 >/dev/null 2>&1 || fail "the fleet does not start"
steps 4000
crash actor_1
crash actor_2
steps 9000
crash learner_1
steps 13000
docker restart -t 60 "${project}_learner_1" >/dev/null  # SIGTERM: it saves
docker restart -t 5 "${project}_actor_3" >/dev/null
steps 17000
crash actor_4
finish
echo "passed: four actors; they and the learner killed four times and stopped twice: the policy of a run without containers"

# keys as secrets, of which only their owner, the user of the image, may read the secret ones
compose down -v -t 5 >/dev/null 2>&1
(cd "$work" && "$bin/telos" keys new learner actor && "$bin/telos" keys allow actor) >/dev/null
chown 10001 "$work"/keys/*.key_secret
export KEYS=$work/keys
files+=(-f deploy/compose.secrets.yaml)
compose up -d >/dev/null 2>&1 || fail "the fleet does not start with secrets"
finish
echo "passed: the same with keys as secrets"
