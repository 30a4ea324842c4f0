#!/bin/bash
# check_page.sh BIN - the learner's page in a real Chromium, headless: it shows a run, and the console has
# no error.
#
# Optional: exit code 77 (skipped) where chromium is missing.
set -euo pipefail
bin=${1:?usage: tests/check_page.sh FOLDER of the programs}
command -v chromium >/dev/null || {
  echo "skipped: chromium is missing"
  exit 77
}
work=$(mktemp -d)
learner='' actor=
clean() {
  [[ -z $learner ]] || kill -9 "$learner" "$actor" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
"$bin/telos-learner" --task box2d --run "$work/run" wire.port=0 wire.weights_port=0 run.steps=1e9 \
  net.hidden=16 outcome.hidden=16 train.batch=32 eval.every=2000 eval.episodes=5 status.every=0.2 \
  >"$work/out" 2>&1 &
learner=$!
until url=$(grep -m1 -o 'http=http[^ ]*' "$work/out"); do
  kill -0 "$learner" || { cat "$work/out"; exit 1; }
  sleep 0.05
done
endpoint=$(grep -m1 -o 'endpoint=[^ ]*' "$work/out")
"$bin/telos-actor" --connect "${endpoint#endpoint=}" --threads 1 --name 'a<b>"c' >/dev/null 2>&1 &
actor=$!
until grep -q 'evaluation of version' "$work/out"; do
  sleep 0.1
done
HOME=$work timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
  --virtual-time-budget=8000 --enable-logging=stderr --dump-dom "${url#http=}/" >"$work/dom" 2>"$work/console"
if grep -E 'CONSOLE' "$work/console"; then
  echo "the page wrote to the console"
  exit 1
fi
# what was drawn: the task, the actor by its own strange name as text, both curves
for text in 'telos · box2d' 'a&lt;b&gt;"c' '<polyline' 'env steps' 'learner waits'; do
  grep -qF -- "$text" "$work/dom" || {
    echo "the page lacks: $text"
    exit 1
  }
done
[[ $(grep -o '<polyline' "$work/dom" | wc -l) = 2 ]] || { echo "not two curves"; exit 1; }
echo "passed"
