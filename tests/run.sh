#!/bin/bash
# run.sh [--mujoco 3] [quick] - the whole test suite: set-up, builds, tests, one line a stage, a summary.
#
#   release   gcc: lint, unit, integration, fuzz corpus and race tests
#   clang     unit tests, clang-tidy over the tree
#   asan      AddressSanitizer and UBSan: unit, integration and fuzz corpus
#   tsan      ThreadSanitizer: race tests
#
# quick stops after release. --mujoco 3 tests with MuJoCo 3 (deploy/mujoco.sh), in build folders of
# its own. Everything is written below build/; ports and temporary names are the system's choice, so
# copies in other clones may run at the same time. The exit code is 1 when anything failed. The last line counts tests over all stages: "N passed, N failed, N skipped";
# a build that fails counts as one failed test.
set -euo pipefail
cd "$(dirname "$0")/.."
suffix='' mujoco=()
if [[ ${1-} = --mujoco ]]; then
  folder=$(deploy/mujoco.sh "${2-}")
  suffix=-mujoco3 mujoco=("-DMUJOCO_ROOT=$folder")
  shift 2
fi
case ${1-} in
'' | quick) mode=${1:-full} ;;
*)
  echo "usage: tests/run.sh [--mujoco 3] [quick]" >&2
  exit 64
  ;;
esac

./deploy/setup.sh test

# settings of the caller's shell must not reach the programs under test
for name in ${!TELOS_@}; do
  [[ $name == TELOS_TEST_* ]] || unset "$name"
done

mkdir -p build/test-logs
exec 9>build/test-logs/lock
flock -n 9 || {
  echo "tests: waiting for another run in this tree" >&2
  flock 9
}
rm -f build/test-logs/*.log build/test-logs/*.xml

# sanitizers of this generation cannot place their shadow when the kernel randomises too widely
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
  fixed=(setarch "$(uname -m)" -R)
fi

cores=$(nproc)
passed=0 failed=0 skipped=0
table=()   # rows of the stages
details=() # names of failed and skipped tests

# row NAME RESULT SECONDS COUNTS
row() {
  local line
  line=$(printf '%-16s %-8s %5s s  %s' "$1" "$2" "$3" "$4")
  table+=("$line")
  echo "$line"
}

# build PRESET: configure and build; 1 when it failed
build() {
  local log=build/test-logs/$1-build.log start=$SECONDS fresh
  fresh=$(deploy/fresh.sh "build/$1$suffix")
  # shellcheck disable=SC2086  # one word, or none
  if { cmake $fresh --preset "$1" -B "build/$1$suffix" -DBUILD_TESTING=ON "${mujoco[@]}" && cmake --build "build/$1$suffix" -j "$cores" -- -k 0; } \
    >"$log" 2>&1 </dev/null 9>&-; then
    row "$1 build" ok $((SECONDS - start)) ''
    return 0
  fi
  # all errors, without the progress and the command lines between them
  grep -vE '^\[[0-9]+/[0-9]+\] |^/[^ ]*/(cc|clang) ' "$log" | tail -n 100
  failed=$((failed + 1))
  details+=("failed   build of preset $1 ($log)")
  row "$1 build" FAILED $((SECONDS - start)) ''
  return 1
}

# check PRESET STAGE LABELS [COMMAND..]: the tests with these labels, through an optional wrapper
check() {
  local preset=$1 stage=$2 labels=$3
  shift 3
  local log=build/test-logs/$preset-$stage.log xml=build/test-logs/$preset-$stage.xml
  local start=$SECONDS result=ok head n f s p kind name why
  rm -rf "build/$preset$suffix/tmp"
  "$@" ctest --test-dir "build/$preset$suffix" -L "^($labels)\$" -j "$cores" --no-tests=error \
    --output-on-failure --output-junit "$PWD/$xml" >"$log" 2>&1 </dev/null 9>&- || result=FAILED

  # <testsuite name=".." tests="24" failures="1" disabled="0" skipped="0" ..>
  head=$(tr '\n\t' '  ' <"$xml" 2>/dev/null | grep -o '<testsuite [^>]*>' || true)
  n=$(attribute tests "$head") f=$(attribute failures "$head")
  s=$(($(attribute skipped "$head") + $(attribute disabled "$head")))
  p=$((n - f - s))
  if [[ $result = FAILED ]]; then
    tail -n 150 "$log"
    # ctest itself failed, or it found nothing to run
    if [[ $f = 0 ]]; then
      f=1
      details+=("failed   ctest of preset $preset, stage $stage ($log)")
    fi
  fi
  # "3/9 Test #5: unit.test_mlp ......***Failed  0.10 sec"
  while read -r kind name; do
    why=''
    [[ $kind != skipped ]] || why=$(reason "$name" "$xml")
    details+=("$(printf '%-8s %s %s%s' "$kind" "$preset" "$name" "${why:+: $why}")")
  done < <(sed -nE \
    -e 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*\*\*\*(Skipped|Not Run \(Disabled\)).*/skipped \1/p' -e t \
    -e 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*\*\*\*.*/failed \1/p' "$log")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  row "$preset $stage" "$result" $((SECONDS - start)) "$p passed, $f failed, $s skipped"
}

# reason TEST XML: what a skipped test says, "skipped: .."
reason() {
  awk -v test="<testcase name=\"$1\"" '
    index($0, "<testcase ") { on = index($0, test) }
    on && sub(/^.*skipped: /, "") { print; exit }' "$2"
}

# attribute NAME TAG: its number, 0 when absent
attribute() {
  local value
  value=$(sed -nE "s/.* $1=\"([0-9]+)\".*/\1/p" <<<"$2")
  echo "${value:-0}"
}

start=$SECONDS
if build release; then
  check release lint lint
  check release tests 'unit|integration|fuzz|race'
fi
if [[ $mode = full ]]; then
  if build clang; then
    check clang unit unit
    check clang tidy tidy
  fi
  if build asan; then
    check asan tests 'unit|integration|fuzz' "${fixed[@]}"
  fi
  if build tsan; then
    check tsan race race "${fixed[@]}"
  fi
fi

# the stages are above, but for what failing tests said between them
if [[ $failed != 0 ]]; then
  printf '\n%s\n' "${table[@]}"
fi
if [[ ${#details[@]} != 0 ]]; then
  echo
  printf '%s\n' "${details[@]}"
fi
echo
echo "$((SECONDS - start)) s on $cores cores; logs in build/test-logs"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed = 0 ]]
