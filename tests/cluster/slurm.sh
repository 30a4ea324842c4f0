#!/bin/bash
# slurm.sh - deploy/slurm/train.sbatch on a real Slurm of one node, this machine: trains Box 2D, asks
# the job to stop on the way as a time limit does, and compares the policy of the job that was queued
# again with that of a run without Slurm, bit for bit.
#
# Optional: wants root, slurmctld, slurmd and munged (Debian: slurm-wlm), and their ports free.
# Exit code 77: skipped, one of these is missing. TELOS_BIN: the programs (build/release/bin).
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
bin=${TELOS_BIN:-$PWD/build/release/bin}

skip() {
  echo "skipped: $1"
  exit 77
}
[[ $(id -u) = 0 ]] || skip "Slurm's daemons need root here"
for tool in slurmctld slurmd munged sbatch; do
  command -v "$tool" >/dev/null || skip "$tool is missing: apt-get install slurm-wlm"
done
[[ -x $bin/telos ]] || skip "no programs in $bin; cmake --build --preset release, or TELOS_BIN"

work=$(mktemp -d)
export SLURM_CONF=$work/slurm.conf
clean() {
  for name in slurmd slurmctld; do
    [[ ! -f $work/$name.pid ]] || kill "$(<"$work/$name.pid")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$work"
}
trap clean EXIT
fail() {
  echo "FAILED: $1" >&2
  tail -n 30 "$work"/telos-*.log "$work"/*.log >&2 || true
  exit 1
}

mkdir -p "$work/state" "$work/spool" /run/munge
chown munge: /run/munge
pgrep -x munged >/dev/null || su -s /bin/sh munge -c munged || skip "munged does not start"
cores=$(nproc)
host=$(hostname)
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=2000
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld
slurmd
for ((i = 0; i < 100; i++)); do
  [[ $(sinfo -h -o %T 2>/dev/null) != idle ]] || break
  sleep 0.2
done
[[ $(sinfo -h -o %T) = idle ]] || fail "the node does not come up"

cd "$work"
settings=(run.steps=30000 checkpoint.every=1000)
"$bin/telos" train box2d --name reference "${settings[@]}" >reference.log 2>&1 || fail "no reference"
job=$(LEARNER_CPUS=$((cores - 1)) BIN=$bin sbatch --parsable --ntasks="$cores" --cpus-per-task=1 --mem-per-cpu=500M \
  --time=20 "$root/deploy/slurm/train.sbatch" box2d "${settings[@]}")
log=telos-$job.log
# wait_line TEXT: until the job has said it
wait_line() {
  for ((i = 0; i < 900; i++)); do
    ! grep -qE "$1" "$log" runs/box2d/slurm-"$job".learner-* 2>/dev/null || return 0
    sleep 0.2
  done
  fail "the job does not come to: $1"
}
wait_line 'progress steps=[1-9][0-9]{3,} '
scancel --batch --signal=TERM "$job"
wait_line 'saved; queued again'
for ((i = 0; i < 300; i++)); do
  [[ $(squeue -h -j "$job" -o %T) != PENDING ]] || scontrol update JobId="$job" StartTime=now 2>/dev/null || true
  [[ $(squeue -h -j "$job" -o %T) != RUNNING ]] || break
  sleep 0.5
done
wait_line 'the learner is done'
for ((i = 0; i < 100; i++)); do
  ! squeue -h -j "$job" -t all -o %T | grep -q COMPLETED || break
  sleep 0.3
done
grep -q 'resuming at' "$log" || fail "the job did not go on with its run"
cmp "runs/box2d/slurm-$job/policy.safetensors" runs/box2d/reference/policy.safetensors || fail "another policy"
echo "passed: a job that was stopped and queued again: the policy of a run without Slurm"
