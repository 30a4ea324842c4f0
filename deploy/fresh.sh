#!/bin/bash
# fresh.sh FOLDER - prints --fresh, for cmake, when the build folder was configured for a source tree
# that stands elsewhere: a checkout that was copied or moved takes its build folders along, and they
# would go on building the tree that they came from. Prints nothing otherwise.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${1:?usage: deploy/fresh.sh FOLDER}/CMakeCache.txt
if [[ -f $cache ]]; then
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$cache")
  if [[ $(realpath -m -- "$home") != "$root" ]]; then
    echo --fresh
  fi
fi
