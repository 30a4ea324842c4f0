#!/bin/bash
# results.sh [options] [TASK:STEPS[:SEEDS] ...] - trains tasks with the default settings, several seeds
# each, and writes the table of README's results.
#
#   --bin FOLDER   programs (default: build/release/bin)
#   --out FOLDER   where runs and results go (default: build/results)
#   --jobs N       runs at a time (default: cores - 1, at least 1)
#   --seeds LIST   for example "0 1 2 3" (the default)
#   --table        run nothing; write CSV and table of what is there
#
# Without tasks: the six of ODAC's comparison and ant-xy: some 7 hours of one fast core. Everything
# can be stopped and started again: a finished run is kept, an unfinished one resumes. Written:
# OUT/results.csv (a row a run), OUT/results.md (the table, the machine, the date), OUT/curves.csv
# (a row an evaluation).
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=build/release/bin out=build/results seeds='0 1 2 3' table_only=no
jobs=$(($(nproc) > 1 ? $(nproc) - 1 : 1))
tasks=()
while [[ $# -gt 0 ]]; do
  case $1 in
  --bin) bin=$2 && shift 2 ;;
  --out) out=$2 && shift 2 ;;
  --jobs) jobs=$2 && shift 2 ;;
  --seeds) seeds=$2 && shift 2 ;;
  --table) table_only=yes && shift ;;
  *:*) tasks+=("$1") && shift ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
  esac
done
if [[ ${#tasks[@]} = 0 ]]; then
  tasks=(box2d:40000 sawyer-push:200000 fetch-push:200000 sawyer-window:200000
    sawyer-faucet:200000 ant-xy:200000 ant:1000000)
fi

# what the ODAC paper gives (mean, spread over 4 seeds); its normaliser is not stated
declare -A paper=([box2d]='1.7 (1.20)' [ant]='9 (0.48)' [sawyer-push]='35 (2.7)'
  [fetch-push]='19 (6)' [sawyer-window]='5.4 (0.62)' [sawyer-faucet]='13 (4.2)')

# run_one TASK STEPS SEED: trains, or resumes, unless it is done
run_one() {
  local task=$1 steps=$2 seed=$3 folder=$out/$1/$2-s$3 start=$SECONDS before=0
  [[ ! -e $folder/done ]] || return 0
  mkdir -p "$out/$task"
  "$bin/telos" train "$task" --runs "$out" --name "$steps-s$seed" --actors 1 --threads 1 \
    run.steps="$steps" run.seed="$seed" learner.threads=1 >"$out/$task/$steps-s$seed.log" 2>&1
  [[ ! -e $folder/seconds ]] || before=$(cat "$folder/seconds")
  echo $((before + SECONDS - start)) >"$folder/seconds"
  "$bin/telos" eval "$folder" --json >"$folder/evaluation.json"
  touch "$folder/done"
}
export -f run_one
export bin out

if [[ $table_only = no ]]; then
  # shellcheck disable=SC2016  # the inner shell's arguments
  for spec in "${tasks[@]}"; do
    IFS=: read -r task steps own <<<"$spec"
    for seed in ${own:-$seeds}; do
      echo "$task $steps $seed"
    done
  done | xargs -P "$jobs" -L 1 bash -c 'run_one "$@"' run_one ||
    echo "results: a run failed; its log is in $out" >&2
fi

# number FILE KEY: a number of the outermost JSON object, which is indented by 2
number() {
  sed -nE 's/^  "'"$2"'": ([-0-9.e+]+),?$/\1/p' "$1"
}

echo task,steps,seed,score,score_ci95,distance,success,seconds >"$out/results.csv"
echo task,seed,steps,distance,score >"$out/curves.csv"
for spec in "${tasks[@]}"; do
  IFS=: read -r task steps own <<<"$spec"
  for seed in ${own:-$seeds}; do
    folder=$out/$task/$steps-s$seed
    [[ -e $folder/done ]] || continue
    e=$folder/evaluation.json
    echo "$task,$steps,$seed,$(number "$e" score),$(number "$e" score_ci95),$(number "$e" \
      final_distance),$(number "$e" success),$(cat "$folder/seconds")" >>"$out/results.csv"
    sed -nE 's/.*evaluation of version [0-9]+ \(([0-9]+) steps\): distance ([^,]+), score ([^ ]+) .*/'"$task,$seed"',\1,\2,\3/p' \
      "$folder/log.txt" | sort -u -t, -k3,3n >>"$out/curves.csv"
  done
done

{
  echo '| task | env steps | score by seed | mean | sd | final distance | success | minutes | the paper |'
  echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- |'
  for spec in "${tasks[@]}"; do
    IFS=: read -r task steps _ <<<"$spec"
    awk -F, -v task="$task" -v steps="$steps" -v paper="${paper[$task]-}" '
      $1 == task && $2 == steps {
        n++; scores = scores (n > 1 ? ", " : "") sprintf("%.1f", $4); sum += $4; square += $4 * $4
        lo = n == 1 || $6 < lo ? $6 : lo; hi = n == 1 || $6 > hi ? $6 : hi
        if ($7 != "") { successes = successes (successes == "" ? "" : ", ") sprintf("%.0f", 100 * $7) }
        seconds += $8
      }
      END {
        if (!n) exit
        mean = sum / n; sd = n > 1 ? sprintf("%.1f", sqrt((square - n * mean * mean) / (n - 1))) : ""
        printf "| `%s` | %d | %s | %.1f | %s | %.3g to %.3g | %s | %.0f | %s |\n", task, steps,
          scores, mean, sd, lo, hi, successes == "" ? "" : successes " %", seconds / n / 60, paper
      }' "$out/results.csv"
  done
  echo
  echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $jobs runs at a time on $(nproc) cores; $(date -u +%F); $("$bin/telos" --version | head -n 2 | paste -sd ';')"
} >"$out/results.md"
cat "$out/results.md"
