#!/bin/bash
# run.sh VERB [ARGUMENTS] - sets up, builds and starts telos; ./deploy/run.sh train box2d
#
# Installs missing Debian packages (deploy/setup.sh), builds the release preset, then becomes
# `telos VERB ARGUMENTS` in the caller's folder. Prints nothing of its own when all is up to date.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/build/release

# drawing needs more packages, and large ones: only who asks for it gets them
need=build
case " $* " in
' play '* | *' --video-every'*) need=play ;;
esac
"$root/deploy/setup.sh" "$need"

# one line when there is work, the compiler's words only when it fails
mkdir -p "$build"
log=$build/run.log
quietly() {
  "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    echo "run: the build failed; its output is above" >&2
    exit 70
  }
}
targets=(programs tasks)
(
  # two starts at one moment must not build into one folder
  exec 9>"$build/run.lock"
  flock 9
  if [[ ! -f $build/build.ninja || ($need = play && ! -x $build/bin/telos-play) ]]; then
    echo "run: building telos in $build (about a minute, once)" >&2
    quietly env -C "$root" cmake --preset release -DBUILD_TESTING=OFF
    quietly ninja -C "$build" "${targets[@]}"
  elif ! ninja -n -C "$build" "${targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
    echo "run: building what changed" >&2
    quietly ninja -C "$build" "${targets[@]}"
  fi
)

if [[ $# = 0 ]]; then
  set -- --help
fi
exec "$build/bin/telos" "$@"
