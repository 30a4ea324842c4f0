#!/bin/bash
# mujoco.sh 3 - a MuJoCo 3 beside Debian's 2.2.2, from its Python wheel: prints the folder for
# -DMUJOCO_ROOT. The first call downloads it into build/ by pip and checks its digest; later ones need
# no network. Exit code 69: it cannot be had.
set -euo pipefail
# the one place of the version
version=3.12.0
digest=7614dc941d49b5dfee54b102e4225a1ce14dc341065d1d0ba44cb8547c78770f # sha256 of the wheel for Python 3.11

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
folder=$root/build/mujoco-$version
unavailable() {
  echo "mujoco: $1" >&2
  exit 69
}
if [[ ${1-} != 3 ]]; then
  echo "usage: deploy/mujoco.sh 3" >&2
  exit 64
fi
if [[ ! -d $folder/mujoco ]]; then
  python3 -m pip --version >/dev/null 2>&1 || unavailable "pip is missing: apt-get install python3-pip"
  echo "mujoco: fetching MuJoCo $version (20 MB)" >&2
  mkdir -p "$root/build"
  work=$(mktemp -d "$root/build/mujoco.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download -q --no-deps --only-binary=:all: --implementation cp --python-version 3.11 \
    --platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64 -d "$work" "mujoco==$version" \
    >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    unavailable "pip cannot fetch it (network?); or unpack the wheel of MuJoCo $version into $folder"
  }
  wheel=$(echo "$work"/mujoco-*.whl)
  echo "$digest  $wheel" | sha256sum --check --status ||
    unavailable "$wheel is not the file that was published: its digest differs"
  python3 -m zipfile -e "$wheel" "$work/unpacked"
  mv "$work/unpacked" "$folder"
fi
echo "$folder/mujoco"
