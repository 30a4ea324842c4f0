#!/bin/bash
# check_package.sh BUILD [lintian] - makes the Debian packages of the build folder; takes them apart
# and runs what is in them, and installs and removes them in a root of its own. With lintian, it only
# has a look at them. Exit code 77 (a visible skip) when a tool is missing.
set -euo pipefail
build=$(cd "$1" && pwd -P)
tools=(dpkg-deb dpkg-shlibdeps file "${@:2}")
for tool in "${tools[@]}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: $tool is not installed"
    exit 77
  fi
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
fail() {
  echo "check_package: $*"
  failed=1
}

(cd "$build" && cpack -G DEB -B "$scratch/out" >"$scratch/log" 2>&1) || {
  cat "$scratch/log"
  exit 1
}
packages=("$scratch"/out/*.deb)
names=(telos telos-actor)
[[ ! -x $build/bin/telos-play ]] || names+=(telos-play)
[[ ${#packages[@]} = "${#names[@]}" ]] || fail "expected ${names[*]}, got ${packages[*]}"

if [[ ${2-} = lintian ]]; then
  lintian --allow-root --fail-on error,warning "${packages[@]}"
  exit $failed
fi

# ---- taken apart ----
root=$scratch/root
for name in "${names[@]}"; do
  package=$(echo "$scratch/out/${name}"_*.deb)
  dpkg-deb -x "$package" "$root"
  depends=$(dpkg-deb -f "$package" Depends)
  case $name in
  telos-actor) unwanted='blas|dnnl|mpi|mesa|yaml' wanted=libmujoco ;;
  telos-play) unwanted='blas|dnnl|mpi' wanted=libosmesa ;;
  *) unwanted='mesa|webp|png' wanted='telos-actor (=' ;;
  esac
  ! grep -E "$unwanted" <<<"$depends" || fail "$name depends on too much"
  [[ $depends = *"$wanted"* ]] || fail "$name does not depend on $wanted"
  for file in bin/$name share/man/man1/$name.1.gz share/doc/$name/copyright \
    share/doc/$name/changelog.Debian.gz; do
    [[ -f $root/usr/$file ]] || fail "$name has no $file"
  done
  "$root/usr/bin/$name" --version >"$scratch/log" || fail "$name --version"
done
cmp <("$build/bin/telos" --version) <("$root/usr/bin/telos" --version) || fail "another version"
[[ $("$root/usr/bin/telos" task list | head -n 1) = "$root/usr/share/telos/tasks" ]] || fail "no tasks"
for file in man/man1/telos-train.1.gz bash-completion/completions/telos \
  zsh/vendor-completions/_telos fish/vendor_completions.d/telos.fish; do
  [[ -f $root/usr/share/$file ]] || fail "telos has no $file"
done

# ---- installed and removed ----
# with a dpkg database of its own, in which nothing is, least of all what they depend on
if [[ $(id -u) = 0 ]]; then
  system=$scratch/system
  mkdir -p "$system"/var/lib/dpkg/{info,updates,triggers}
  touch "$system"/var/lib/dpkg/{status,available}
  own_dpkg() {
    dpkg --root="$system" --log="$scratch/log" --force-depends "$@" >"$scratch/said" 2>&1 || {
      cat "$scratch/said"
      fail "dpkg $1"
    }
  }
  own_dpkg -i "${packages[@]}"
  "$system/usr/bin/telos" task list >"$scratch/said" || fail "the installed telos"
  own_dpkg -r "${names[@]}"
  left=$(find "$system" -mindepth 1 -not -path "$system/var*")
  [[ $left = '' ]] || fail "dpkg -r left $left"
else
  echo "not root: installing and removing is not tried"
fi
exit $failed
