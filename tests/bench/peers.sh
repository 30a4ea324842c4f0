#!/bin/bash
# peers.sh [rates|score] [--build NAME=FOLDER[:SETTING;..]] .. [options] - Telos beside
# Stable-Baselines3, SBX (JAX) and PyTorch by hand. Optional: no other test and no CI runs it. It
# wants Python and PyPI, and the tasks of deploy/python on the library of build/release.
#
#   rates   updates a second at 2 x 256 and 2 x 128, on one core and on two (default). 10 minutes.
#           Options: --peers, --widths, --batch, --threads, --rounds, --cores (peers/rates.py)
#   score   wall clock to score 20 on fetch-push and 5 on sawyer-window, against SAC + HER on the
#           same MJCF. Hours. Options: --seeds, --score, --peers, --steps, --every, --limit,
#           --hidden, --cores (peers/time_to_score.py)
#
#   --build NAME=FOLDER[:SETTING;..]   a build of ours, and its settings; again for more. Ratios are
#       to the first. Default: Telos=build/release. For example
#         --build base=../old/build/release --build 'bf16=build/release:net.precision=bf16'
#       In a setting {threads} is the number of cores. A build needs bench_rate.
#
# It wants its cores for itself: OpenMP's threads wait for each other by spinning, and with another
# program on one of the cores PyTorch on two has been seen to make 1 update a second. Builds are
# made before: cmake --build --preset release. The first use makes a virtual environment in
# build/peers: 1 GB to download, 3 GB on disk. Results: build/peers/rates.csv and
# build/peers/score/time_to_score.csv, and Markdown on the standard output. Exit code 77 (a visible
# skip) where python3.11, cc, readelf or PyPI is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PYTHONPATH=$PWD/deploy/python
home=build/peers venv=build/peers/venv here=tests/bench/peers
what=rates builds=() options=()
while [[ $# -gt 0 ]]; do
  case $1 in
  rates | score) what=$1 && shift ;;
  --build) builds+=("$2") && shift 2 ;;
  --*) options+=("$1" "$2") && shift 2 ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
  esac
done
if [[ ${#builds[@]} = 0 ]]; then
  builds=(Telos=build/release)
fi

skip() {
  echo "skipped: $1"
  exit 77
}

# the virtual environment, once for each state of its two recipes
prepare() {
  local tool recipe
  for tool in python3.11 cc readelf; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
  done
  recipe=$(cat "$here/requirements.txt" "$here/stub_cuda.py" | sha256sum)
  if [[ $(cat "$venv/recipe" 2>/dev/null) = "$recipe" ]]; then
    return
  fi
  echo "peers: making $venv" >&2
  rm -rf "$venv"
  mkdir -p "$home"
  python3.11 -m venv "$venv" || skip "python3.11 cannot make virtual environments (python3-venv)"
  # all are listed with their versions, so nothing else is fetched: not what PyTorch wants of CUDA
  "$venv/bin/pip" install --quiet --no-deps --only-binary :all: -r "$here/requirements.txt" >&2 ||
    skip "PyPI cannot be reached, or lacks a package"
  "$venv/bin/python" "$here/stub_cuda.py" "$venv/lib/python3.11/site-packages" >&2
  echo "$recipe" >"$venv/recipe"
}

# telos_arguments PART: --telos NAME:FOLDER/PART[:SETTINGS] of every build into telos
telos_arguments() {
  local build folder rest
  telos=()
  for build in "${builds[@]}"; do
    rest=${build#*=}
    folder=${rest%%:*}
    if [[ ! -x $folder/$1 && ! -x $folder/$1/telos ]]; then
      echo "peers: there is no $folder/$1; build it first: cmake --build --preset release" >&2
      exit 69
    fi
    rest=${rest#"$folder"}
    telos+=(--telos "${build%%=*}:$folder/$1$rest")
  done
}

prepare
case $what in
rates)
  telos_arguments bench/bench_rate
  "$venv/bin/python" "$here/rates.py" --task actor/tasks/fetch-push.xml "${telos[@]}" \
    --out "$home/rates.csv" "${options[@]}"
  ;;
score)
  telos_arguments bin
  "$venv/bin/python" "$here/time_to_score.py" --tasks actor/tasks "${telos[@]}" \
    --out "$home/score" "${options[@]}"
  ;;
esac
