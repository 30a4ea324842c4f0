#!/bin/bash
# uninstall.sh [MANIFEST] - removes the files of an install manifest, and the folders that are empty
# then. The same is `cmake --build build/release --target uninstall`.
#
# The manifest is that of the last `cmake --install` from a build folder; default that of
# build/release. With DESTDIR in the environment, as at the installation. Files that others put
# beside ours stay, and so do the prefix itself and the folders that every system has below /usr and
# /usr/local. Exit code 66: nothing was installed from there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
manifest=${1:-$root/build/release/install_manifest.txt}
if [[ ! -f $manifest ]]; then
  echo "uninstall: $manifest is not there: nothing was installed from that folder" >&2
  exit 66
fi
mapfile -t files <"$manifest"

removed=0 top=''
for file in "${files[@]}"; do
  path=${DESTDIR-}$file
  if [[ -e $path || -L $path ]]; then
    rm -- "$path"
    removed=$((removed + 1))
  fi
  # the folder that has all of them
  top=${top:-${path%/*}}
  while [[ $path/ != "$top"/* ]]; do
    top=${top%/*}
  done
done

system='^/usr(/local)?/(bin|share|share/(man|doc|man/man1))$'
for file in "${files[@]}"; do
  folder=${DESTDIR-}${file%/*}
  # rmdir refuses a folder in which something is
  while [[ $folder != "$top" && ! $folder =~ $system ]] &&
    { [[ ! -e $folder ]] || rmdir -- "$folder" 2>/dev/null; }; do
    folder=${folder%/*}
  done
done
echo "uninstall: $removed files removed"
