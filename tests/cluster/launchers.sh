#!/bin/bash
# launchers.sh [TIMES] - kill -9 of `telos train`, 100 times unless said otherwise, at moments between its
# start and a second later: 3 seconds after each, no process of it is left, none of its ports is taken,
# and no temporary file lies in its folder or in TMPDIR. Then the run goes on to its end.
#
# Optional, for it takes some minutes. TELOS_BIN: the programs (build/release/bin).
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TELOS_BIN:-$PWD/build/release/bin}
times=${1:-100}
[[ -x $bin/telos ]] || { echo "skipped: no programs in $bin"; exit 77; }

work=$(mktemp -d)
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
clean() {
  pkill -9 -f "$work" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
settings=(run.steps=1e6 checkpoint.every=500 net.hidden=16 outcome.hidden=16 train.batch=32)
worst=0
for ((i = 1; i <= times; i++)); do
  "$bin/telos" train box2d --runs "$work" --name run --actors 3 "${settings[@]}" >"$work/out" 2>&1 &
  launcher=$!
  # 0 to 1 s, the same series each time
  sleep "0.$((i * 37 % 100))"
  kill -9 "$launcher" 2>/dev/null || true
  { wait "$launcher" || true; } 2>/dev/null
  for ((tick = 0; tick < 30; tick++)); do
    pgrep -f "$work/box2d" >/dev/null || break
    sleep 0.1
  done
  worst=$((tick > worst ? tick : worst))
  if pgrep -af "$work/box2d"; then
    echo "FAILED: kill $i left these after 3 s"
    exit 1
  fi
  port=$(grep -ohm1 'endpoint=tcp://127.0.0.1:[0-9]*' "$work/out" | grep -o '[0-9]*$' || true)
  if [[ -n $port ]] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "FAILED: kill $i: port $port is still taken"
    exit 1
  fi
  [[ -z $(ls -A "$TMPDIR") ]] || { echo "FAILED: kill $i left files in TMPDIR"; exit 1; }
done
"$bin/telos" train box2d --runs "$work" --name run "${settings[@]}" >"$work/out" 2>&1 &
launcher=$!
for ((tick = 0; tick < 600; tick++)); do
  ! grep -qE '^progress steps=[1-9]' "$work/out" || break
  sleep 0.1
done
kill -TERM "$launcher"
code=0
wait "$launcher" || code=$?
[[ $code = 75 ]] || {
  tail -n 5 "$work/out"
  echo "FAILED: the run does not go on (exit code $code)"
  exit 1
}
# a checkpoint or file that was begun when it was killed is gone, too
left=$(find "$work/box2d" -name '*.tmp*' | head -n 3)
[[ -z $left ]] || { echo "FAILED: $left"; exit 1; }
echo "passed: $times launchers killed; nothing was left after $(printf '%d.%d' $((worst / 10)) $((worst % 10))) s at most; the run went on"
