#!/bin/bash
# check_setup.sh - deploy/setup.sh where packages are missing and cannot be installed: one line that
# says what to do. dpkg-query, id, sudo and apt-get are stand-ins.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# stand_in NAME TEXT: a command of this name in the folder that is all of PATH
stand_in() {
  printf '#!/bin/bash\n%s\n' "$2" >"$scratch/bin/$1"
  chmod +x "$scratch/bin/$1"
}
# expect WHAT CODE PART..: what setup.sh says has the parts
expect() {
  local what=$1 expected=$2 code=0 said part
  shift 2
  said=$(PATH=$scratch/bin deploy/setup.sh build 2>&1) || code=$?
  [[ $code = "$expected" ]] || said+=" (code $code)"
  for part; do
    if [[ $code != "$expected" || $said != *"$part"* ]]; then
      echo "check_setup: $what: expected code $expected and '$part', got: $said"
      failed=1
    fi
  done
}

mkdir "$scratch/bin"
for tool in bash env sed grep mktemp rm tail; do
  ln -s "$(command -v "$tool")" "$scratch/bin/$tool"
done
by_hand='as root run: apt-get update && apt-get install --no-install-recommends gcc '
expect 'not Debian' 69 'this is not a Debian system' 'libmujoco-dev'
stand_in dpkg-query ''
stand_in id 'echo 1000'
expect 'no sudo' 69 'not root and no sudo' "$by_hand"
stand_in sudo 'echo "sudo: a terminal is required to read the password" >&2; exit 1'
expect 'sudo without a terminal' 69 'a terminal is required' 'sudo does not make us root' "$by_hand"
# shellcheck disable=SC2016  # for the stand-in
stand_in sudo 'exec "$@"'
stand_in apt-get 'echo "E: nothing there" >&2; exit 100'
expect 'no network' 69 'E: nothing there' 'apt-get update failed'
stand_in apt-get ''
expect 'all is well' 0 'setup: installing'
# shellcheck disable=SC2016  # for the stand-in
stand_in dpkg-query 'for package; do echo "installed $package"; done'
if [[ $(PATH=$scratch/bin deploy/setup.sh build 2>&1) != '' ]]; then
  echo "check_setup: nothing is missing, and yet it says something"
  failed=1
fi
exit $failed
