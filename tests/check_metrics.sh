#!/bin/bash
# check_metrics.sh BIN - a real scrape of a learner against Prometheus' own promtool (Debian: package
# prometheus), the alerts too; and every series that the Grafana board and the alerts name is there.
#
# Optional: exit code 77 (skipped) where promtool is missing. The names are checked anyway.
set -euo pipefail
bin=${1:?usage: tests/check_metrics.sh FOLDER of the programs}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
learner=
clean() {
  [[ -z $learner ]] || kill -9 "$learner" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

"$bin/telos-learner" --task box2d --run "$work/run" wire.port=0 wire.weights_port=0 >"$work/out" 2>&1 &
learner=$!
until url=$(grep -m1 -o 'http=http[^ ]*' "$work/out"); do
  kill -0 "$learner" || { cat "$work/out"; exit 1; }
  sleep 0.05
done
port=${url##*:}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
sed '1,/^\r$/d' <&3 >"$work/scrape"

series=$(grep -c '^# TYPE' "$work/scrape")
echo "$series series"
[[ $series -ge 60 ]] || { echo "expected at least 60"; exit 1; }
# words of expressions that are no function, label or keyword of PromQL
missing=0
names=$(grep -ohE '"expr": ".*"|expr: .*' deploy/grafana/telos.json deploy/prometheus/alerts.yml |
  grep -oE '\b(telos|process)_[a-z0-9_]+' | sed -E 's/_(bucket|sum|count)$//' | sort -u)
for name in $names; do
  grep -q "^# TYPE $name " "$work/scrape" || {
    echo "no series $name"
    missing=1
  }
done
[[ $missing = 0 ]] || exit 1
echo "$(wc -w <<<"$names") names of the board and the alerts are there"
command -v promtool >/dev/null || {
  echo "skipped: promtool is missing (Debian: prometheus)"
  exit 77
}
promtool check metrics <"$work/scrape"
promtool check rules deploy/prometheus/alerts.yml
