#!/bin/bash
# check_run.sh - deploy/run.sh with the real cmake and ninja, on a tree that is built in no time.
#
# The tree has the script, a preset, a glob as ours has one, and a "program" that is a copied text. It
# is built, changed, copied and moved; each time the program that runs has to be that of the tree in
# which the script stands, and nothing is said when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# make_tree FOLDER
make_tree() {
  mkdir -p "$1/deploy"
  cp deploy/run.sh deploy/fresh.sh "$1/deploy"
  printf '#!/bin/sh\n' >"$1/deploy/setup.sh"
  chmod +x "$1/deploy/setup.sh"
  cat >"$1/CMakePresets.json" <<'END'
{"version": 4, "configurePresets": [
  {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}"}]}
END
  cat >"$1/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(tree LANGUAGES NONE)
file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/*.xml)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/bin/telos DEPENDS ${CMAKE_SOURCE_DIR}/telos.sh ${files}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/bin
  COMMAND sh -n ${CMAKE_SOURCE_DIR}/telos.sh
  COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/telos.sh ${CMAKE_BINARY_DIR}/bin/telos)
add_custom_target(programs DEPENDS ${CMAKE_BINARY_DIR}/bin/telos)
add_custom_target(tasks)
END
  program "$1" one
}

# program FOLDER TEXT: the tree's program says TEXT and its arguments
program() {
  printf '#!/bin/sh\necho %s "$@"\n' "$2" >"$1/telos.sh"
  chmod +x "$1/telos.sh"
}

failed=0
# expect WHAT CODE OUTPUT SAID FOLDER: run.sh version in the folder. SAID is a part of what the script
# says; "" means nothing at all.
expect() {
  local code=0 output said
  output=$("$5/deploy/run.sh" version 2>"$scratch/said") || code=$?
  said=$(cat "$scratch/said")
  if [[ $code != "$2" || $output != "$3" || ($4 = '' && $said != '') || $said != *"$4"* ]]; then
    printf 'check_run: %s: expected code %s, "%s", saying "%s"; got %s, "%s", "%s"\n' \
      "$1" "$2" "$3" "$4" "$code" "$output" "$said"
    failed=1
  fi
}

tree=$scratch/tree
make_tree "$tree"
expect 'the first start builds' 0 'one version' 'building telos in' "$tree"
expect 'nothing changed' 0 'one version' '' "$tree"
program "$tree" two
expect 'a changed file' 0 'two version' 'building what changed' "$tree"
expect 'nothing changed again' 0 'two version' '' "$tree"
touch "$tree/new.xml"
expect 'a new file of the glob' 0 'two version' 'building what changed' "$tree"
expect 'nothing changed after that' 0 'two version' '' "$tree"

cp -r "$tree" "$scratch/copy"
program "$scratch/copy" three
expect 'a copy builds itself' 0 'three version' 'building telos in' "$scratch/copy"
expect 'a copy that is up to date' 0 'three version' '' "$scratch/copy"
expect 'the tree that was copied' 0 'two version' '' "$tree"

mv "$scratch/copy" "$scratch/moved"
program "$scratch/moved" four
expect 'a moved tree builds itself' 0 'four version' 'building telos in' "$scratch/moved"
if [[ -e $scratch/copy ]]; then
  echo "check_run: the folder from which a tree was moved is there again"
  failed=1
fi
ln -s "$scratch/moved" "$scratch/link"
expect 'through a link it is the same tree' 0 'four version' '' "$scratch/link"

echo 'if' >"$tree/telos.sh"
expect 'a build that fails' 70 '' 'the build failed; its output is above' "$tree"
exit $failed
