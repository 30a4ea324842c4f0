#!/bin/bash
# check_suite.sh - what tests/run.sh says of its stages, in a tree with stand-ins for cmake and ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
mkdir -p "$tree/deploy" "$tree/tests" "$scratch/bin"
cp tests/run.sh "$tree/tests"
for script in setup fresh; do
  printf '#!/bin/sh\n' >"$tree/deploy/$script.sh"
done
printf '#!/bin/sh\n' >"$scratch/bin/cmake"
# one test of two is skipped, and says why behind other lines
cat >"$scratch/bin/ctest" <<'END'
#!/bin/bash
while [[ $1 != --output-junit ]]; do shift; done
failures=0 word='   Passed '
if [[ -e fails ]]; then failures=1 word='***Failed '; fi
cat >"$2" <<XML
<testsuite name="Linux-cc"
	tests="2" failures="$failures" disabled="0" skipped="1">
	<testcase name="unit.a" status="run"><system-out>skipped: not this one
</system-out></testcase>
	<testcase name="unit.b" status="notrun">
		<system-out>first a line
skipped: the tool b is not installed
</system-out>
	</testcase>
</testsuite>
XML
echo "1/2 Test #1: unit.a ......$word 0.10 sec"
echo "2/2 Test #2: unit.b ......***Skipped   0.10 sec"
exit $failures
END
chmod +x "$tree"/deploy/*.sh "$scratch"/bin/*
failed=0
# expect WHAT COUNT TEXT: so many lines of the suite's output have the text
expect() {
  local n
  n=$(grep -cF -- "$3" "$scratch/said" || true)
  if [[ $n != "$2" ]]; then
    echo "check_suite: $1: expected '$3' in $2 lines, found it in $n of:"
    cat "$scratch/said"
    failed=1
  fi
}

code=0
PATH=$scratch/bin:$PATH "$tree/tests/run.sh" quick >"$scratch/said" 2>&1 || code=$?
[[ $code = 0 ]] || failed=1
expect 'each stage once' 1 'release tests'
expect 'a skipped test says why' 2 'skipped  release unit.b: the tool b is not installed'
expect 'that alone' 0 'not this one'
expect 'the sum' 1 '2 passed, 0 failed, 2 skipped'

touch "$tree/fails"
code=0
PATH=$scratch/bin:$PATH "$tree/tests/run.sh" quick >"$scratch/said" 2>&1 || code=$?
[[ $code = 1 ]] || failed=1
expect 'stages again behind the output of failed tests' 2 'release tests'
expect 'a failed test' 2 'failed   release unit.a'
expect 'the sum with failures' 1 '0 passed, 2 failed, 2 skipped'
exit $failed
