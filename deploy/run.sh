#!/bin/bash
# run.sh [--mujoco 3] VERB [ARGUMENTS] - sets up, builds and starts telos; ./deploy/run.sh train box2d
#
# With --mujoco 3, MuJoCo 3 (deploy/mujoco.sh) in place of Debian's 2.2.2, in a build folder of its own.
#
# Installs missing Debian packages (deploy/setup.sh), builds the release preset of the tree that this
# script stands in, then becomes `telos VERB ARGUMENTS` in the caller's folder. Prints nothing of its
# own when all is up to date.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/build/release
mujoco=()
if [[ ${1-} = --mujoco ]]; then
  folder=$("$root/deploy/mujoco.sh" "${2-}")
  build=$root/build/release-mujoco3
  mujoco=("-DMUJOCO_ROOT=$folder")
  shift 2
fi

# drawing needs more packages, and large ones: only who asks for it gets them
need=build
case " $* " in
' play '* | *' --video-every'*) need=play ;;
esac
"$root/deploy/setup.sh" "$need"

# one line when there is work, the compiler's words only when it fails
mkdir -p "$build"
log=$build/run.log
fail() {
  cat "$log" >&2
  echo "run: the build failed; its output is above" >&2
  exit 70
}
quietly() {
  "$@" >"$log" 2>&1 </dev/null || fail
}
targets=(programs tasks)

# ninja cannot say beforehand whether there is work, since it looks for new task files first: the
# line comes with its first step
build_changes() {
  local line told=''
  : >"$log"
  ninja -C "$build" "${targets[@]}" 2>&1 </dev/null | while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    if [[ -z $told && $line == '['* && $line != *Re-checking* ]]; then
      echo "run: building what changed" >&2
      told=yes
    fi
  done
}

(
  # two starts at one moment must not build into one folder
  exec 9>"$build/run.lock"
  flock 9
  fresh=$("$root/deploy/fresh.sh" "$build")
  if [[ -n $fresh || ! -f $build/build.ninja || ($need = play && ! -x $build/bin/telos-play) ]]; then
    echo "run: building telos in $build (about a minute)" >&2
    # shellcheck disable=SC2086  # one word, or none
    quietly env -C "$root" cmake $fresh --preset release -B "$build" -DBUILD_TESTING=OFF "${mujoco[@]}"
    quietly ninja -C "$build" "${targets[@]}"
  else
    build_changes || fail
  fi
)

if [[ $# = 0 ]]; then
  set -- --help
fi
exec "$build/bin/telos" "$@"
