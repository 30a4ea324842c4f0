#!/bin/bash
# setup.sh build|play|test - installs the Debian packages that are missing; silent when none is.
#
#   build   what ./deploy/run.sh needs: compiler, tools, libraries
#   play    that, and what telos-play needs: OpenGL without a display, PNG, WebP
#   test    that, and what ./tests/run.sh needs: test library, clang, linters
#
# Asks for nothing, uses sudo only when not root, and touches the network only when something is
# missing. Exit code 69: it is missing and cannot be installed from here.
set -euo pipefail

# libc6-dev is only recommended by gcc, so it is named here
build_packages=(gcc libc6-dev pkg-config cmake ninja-build libmujoco-dev libzmq3-dev libuv1-dev
  libprotobuf-c-dev protobuf-c-compiler libmicrohttpd-dev libopenblas-dev libdnnl-dev libyaml-dev libjansson-dev libxxhash-dev)
play_packages=(libosmesa6-dev libpng-dev libwebp-dev)
# libclang-rt-14-dev: clang's sanitizers and libFuzzer; libmujoco-samples: the model that the task
# tendon-arm includes; libopenmpi-dev, openmpi-bin: several processes share the updates of one learner;
# dpkg-dev, file: Debian packages (lintian, which has a look at them, is large and optional)
test_packages=(libcriterion-dev clang libclang-rt-14-dev clang-format clang-tidy shellcheck git
  libmujoco-samples libopenmpi-dev openmpi-bin gnuplot-nox dpkg-dev file)

case ${1-} in
build) packages=("${build_packages[@]}") ;;
play) packages=("${build_packages[@]}" "${play_packages[@]}") ;;
test) packages=("${build_packages[@]}" "${play_packages[@]}" "${test_packages[@]}") ;;
*)
  echo "usage: deploy/setup.sh build|play|test" >&2
  exit 64
  ;;
esac

unavailable() {
  echo "setup: $1" >&2
  exit 69
}

if ! command -v dpkg-query >/dev/null; then
  unavailable "this is not a Debian system: install the counterparts of these packages, then run\
 cmake --preset release && cmake --build --preset release: ${packages[*]}"
fi

# installed, one a line; dpkg-query complains about names it never heard of, which is no error here
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p' || true)
missing=()
for package in "${packages[@]}"; do
  if ! grep -qxF -- "$package" <<<"$installed"; then
    missing+=("$package")
  fi
done
if [[ ${#missing[@]} = 0 ]]; then
  exit 0
fi

by_hand="as root run: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
as_root=()
if [[ $(id -u) != 0 ]]; then
  if ! command -v sudo >/dev/null; then
    unavailable "not root and no sudo; $by_hand"
  fi
  as_root=(sudo)
fi

echo "setup: installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    if grep -q '^sudo: ' "$log"; then
      unavailable "sudo does not make us root, its last lines are above; $by_hand"
    fi
    unavailable "apt-get $1 failed (network? Debian 12?); its last lines are above"
  }
}
apt update
apt install --no-install-recommends "${missing[@]}"
