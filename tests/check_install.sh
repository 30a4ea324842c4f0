#!/bin/bash
# check_install.sh BUILD - installs the build folder to a prefix and moves that elsewhere; then trains
# there with a clean environment, completes words in bash, and removes all of it again.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd -P)
scratch=$(mktemp -d)
manifest=$build/install_manifest.txt
# shellcheck disable=SC2317  # the trap calls it
finish() {
  # whoever installed from this folder before can still remove that
  rm -f "$manifest"
  if [[ -f $scratch/manifest ]]; then
    mv "$scratch/manifest" "$manifest"
  fi
  rm -rf "$scratch"
}
trap finish EXIT
if [[ -f $manifest ]]; then
  cp "$manifest" "$scratch/manifest"
fi

failed=0
fail() {
  echo "check_install: $*"
  failed=1
}
there=$scratch/there # where it is moved to
clean() {
  env -i PATH="$there/bin:/usr/bin:/bin" "$@"
}

# ---- install, move, run ----
cmake --install "$build" --prefix "$scratch/first place" >"$scratch/log" || fail "cmake --install"
cp "$manifest" "$scratch/installed"
mv "$scratch/first place" "$there"
for program in "$there"/bin/*; do
  if readelf -d "$program" | grep -E 'R(UN)?PATH' | grep -F "$build"; then
    fail "${program##*/} looks for libraries in the build folder"
  fi
done
mkdir "$scratch/work"
cd "$scratch/work"
clean telos --version | grep -q '^telos [0-9.]* ([^)]' || fail "telos --version"
[[ $(clean telos task list | head -n 1) = "$there/share/telos/tasks" ]] || fail "telos task list"
clean telos train box2d --name a run.steps=1500 >"$scratch/log" 2>&1 || {
  cat "$scratch/log"
  fail "telos train box2d"
}
grep -qx '  telos eval runs/box2d/a' "$scratch/log" || fail "telos is in PATH, but not called by its name"
clean telos eval runs/box2d/a --episodes 2 >"$scratch/log" 2>&1 || fail "telos eval"
if [[ -x $there/bin/telos-play ]]; then
  clean telos play box2d --out a.png --frame 0 >"$scratch/log" 2>&1 || fail "telos play"
fi
cd - >/dev/null

# ---- completion ----
# completes LINE: what bash offers for its last word, in one line
completes() {
  # shellcheck disable=SC2016  # for the inner shell
  clean bash -c '
    shopt -s extglob
    source "$1/share/bash-completion/completions/telos"
    [[ $(complete -p telos) = "complete -F _telos telos" ]] || echo "not registered"
    # as bash parts it, also at each =
    read -ra COMP_WORDS <<<"${2//=/ = }"
    [[ $2 = *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    compopt() { :; }
    _telos telos
    echo "${COMPREPLY[*]}"' bash "$there" "$1"
}
# expect LINE WORDS
expect() {
  local got
  got=$(completes "$1")
  [[ $got = "$2" ]] || fail "'$1' completes to '$got'; expected '$2'"
}
# expect_among LINE WORD..
expect_among() {
  local got word
  got=$(completes "$1")
  shift
  for word; do
    [[ " $got " = *" $word "* ]] || fail "'$word' is not among '$got'"
  done
}
expect 'telos tr' 'train'
expect_among 'telos ' train eval play sweep task completion version help
expect 'telos train box2d-f' 'box2d-fine box2d-fine-random'
expect 'telos train --ru' '--runs --rule'
expect 'telos train --rule od' 'odac odac-fixed-pd odac-fixed-qt odac-fixed-both'
expect 'telos train box2d --rule=he' 'her'
expect 'telos train box2d --actors 2 net.back' 'net.backend='
expect 'telos train box2d net.backend=' 'auto openblas onednn'
expect 'telos train box2d net.backend=o' 'openblas onednn'
expect 'telos config net.standardize=t' 'true'
expect 'telos config --preset ' 'fleet'
expect 'telos sweep box2d --rules odac,he' 'odac,her'
expect 'telos task ' 'list show check'
expect 'telos task show wal' 'walker2d'
expect 'telos export some --format ' 'onnx c npz'
expect 'telos eval some --checkpoint b' 'best'
expect 'telos help pl' 'play plot'
expect 'telos keys al' 'allow'
expect 'telos train --actors ' ''
expect "telos train $scratch/the" "$there"
expect "telos plot $scratch/wor" "$scratch/work"
expect "telos config --config=$scratch/the" "$there"
expect 'telos nothing ' ''
# every option that a verb documents is one that it knows
for verb in $(completes 'telos '); do
  for option in $(completes "telos $verb --"); do
    if clean telos "$verb" "$option=x" --help 2>&1 </dev/null | grep 'unknown option'; then
      fail "telos $verb offers $option"
    fi
  done
done
for file in bash:bash-completion/completions/telos zsh:zsh/site-functions/_telos \
  fish:fish/vendor_completions.d/telos.fish; do
  clean telos completion "${file%%:*}" | diff - "$there/share/${file#*:}" ||
    fail "telos completion ${file%%:*} is not what is installed"
done
if command -v fish >/dev/null; then
  got=$(HOME=$scratch PATH=$there/bin:$PATH fish --no-config -c "source $there/share/fish/vendor_completions.d/telos.fish
    complete -C 'telos train box2d net.backend=on'")
  [[ $got = 'net.backend=onednn' ]] || fail "fish completes to '$got'"
fi

# ---- removal ----
mv "$there" "$scratch/first place"
# what others put there stays
touch "$scratch/first place/share/other"
deploy/uninstall.sh "$scratch/installed" >"$scratch/log" || fail "deploy/uninstall.sh"
[[ $(cd "$scratch/first place" && find . | sort | tr '\n' ' ') = '. ./share ./share/other ' ]] ||
  fail "left behind, beside share/other: $(find "$scratch/first place")"
rm -r "$scratch/first place/share"
cmake --install "$build" --prefix "$scratch/first place" >"$scratch/log" || fail "cmake --install"
deploy/uninstall.sh "$scratch/installed" >"$scratch/log" || fail "deploy/uninstall.sh"
[[ $(find "$scratch/first place") = "$scratch/first place" ]] || fail "the prefix is not empty"

# ---- a tree without .git is told its commit ----
cmake -S . -B "$scratch/told" -G Ninja -DBUILD_TESTING=OFF -DTELOS_REVISION=told \
  >"$scratch/log" 2>&1 || fail "cmake -DTELOS_REVISION"
grep -q 'TELOS_REVISION=\\"told\\"' "$scratch/told/build.ninja" || fail "-DTELOS_REVISION is not respected"
exit $failed
