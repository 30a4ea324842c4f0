#!/bin/bash
# hosts.sh - telos train --hosts with real ssh: two network namespaces with an sshd each stand in for two
# machines. Trains Box 2D with their actors, cuts the cable of one on the way, and compares the policy
# with that of a run on this machine; then kills the launcher, and nobody may be left.
#
# Optional: wants root, ip (iproute2), ssh and sshd. Exit code 77: skipped, one of these is missing.
# TELOS_BIN: the programs (build/release/bin).
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TELOS_BIN:-$PWD/build/release/bin}

skip() {
  echo "skipped: $1"
  exit 77
}
[[ $(id -u) = 0 ]] || skip "network namespaces need root"
for tool in ip ssh /usr/sbin/sshd ssh-keygen; do
  command -v "$tool" >/dev/null || skip "$tool is missing"
done
[[ -x $bin/telos ]] || skip "no programs in $bin; cmake --build --preset release, or TELOS_BIN"

work=$(mktemp -d)
n=$$
spaces=("telos-a-$n" "telos-b-$n")
bridge=tb$((n % 100000))
clean() {
  for space in "${spaces[@]}"; do
    ip netns pids "$space" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns del "$space" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  ip link del "$bridge" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
fail() {
  echo "FAILED: $1" >&2
  tail -n 30 "$work"/*.log >&2 || true
  exit 1
}

# ---- two machines ----

net=10.213.$((n % 250))
ip link add "$bridge" type bridge
ip addr add "$net.1/24" dev "$bridge"
ip link set "$bridge" up
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
cp "$work/key.pub" "$work/authorized"
mkdir -p /run/sshd
cat >"$work/sshd_config" <<END
HostKey $work/host
AuthorizedKeysFile $work/authorized
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
END
{
  echo "IdentityFile $work/key"
  echo "IdentitiesOnly yes"
  echo "UserKnownHostsFile $work/known"
  echo "LogLevel ERROR"
} >"$work/ssh_config"
for i in 0 1; do
  space=${spaces[i]} far=v$((n % 10000))f$i near=v$((n % 10000))n$i
  ip netns add "$space"
  ip link add "$near" type veth peer name "$far" netns "$space"
  ip link set "$near" master "$bridge" up
  ip -n "$space" link set lo up
  ip -n "$space" addr add "$net.$((i + 2))/24" dev "$far"
  ip -n "$space" link set "$far" up
  echo "$net.$((i + 2)) $(cut -d' ' -f1,2 "$work/host.pub")" >>"$work/known"
  printf 'Host %s\n  HostName %s\n' "$(tr 01 ab <<<"$i")" "$net.$((i + 2))" >>"$work/ssh_config"
  ip netns exec "$space" /usr/sbin/sshd -D -e -f "$work/sshd_config" 2>"$work/sshd-$i.log" &
done
for host in a b; do
  for ((i = 0; i < 100; i++)); do
    ssh -F "$work/ssh_config" "$host" true 2>/dev/null && break
    sleep 0.1
  done
  ssh -F "$work/ssh_config" "$host" true || fail "no ssh to $host"
done

# ---- a run ----

cd "$work"
"$bin/telos" keys new learner actor >/dev/null
"$bin/telos" keys allow actor >/dev/null
settings=(run.steps=40000 checkpoint.every=2000)
"$bin/telos" train box2d --name here "${settings[@]}" >here.log 2>&1 || fail "no run on this machine"
start() {
  "$bin/telos" train box2d --name "$1" --hosts a,b:1 --ssh "ssh -F $work/ssh_config" "${@:2}" >"$1.log" 2>&1 &
  launcher=$!
}
wait_line() {
  for ((i = 0; i < 600; i++)); do
    ! grep -qE "$2" "$1" || return 0
    sleep 0.1
  done
  fail "no line $2 in $1"
}
start far "${settings[@]}"
wait_line far.log 'steps=[1-9][0-9]{3} '
ip link set "v$((n % 10000))n0" down  # no goodbye, no FIN
wait_line far.log 'lost|missed|silent|cannot be reached|no heartbeat|1 left'
ip link set "v$((n % 10000))n0" up
wait "$launcher" || fail "the run ended with $?"
cmp runs/box2d/far/policy.safetensors runs/box2d/here/policy.safetensors || fail "another policy"
echo "passed: actors on two machines, the cable of one cut: the policy of a run on this machine"

start killed run.steps=1e9
wait_line killed.log 'steps=[1-9][0-9]{3} '
kill -9 "$launcher"
wait "$launcher" 2>/dev/null || true
# there: actors on both machines
there() {
  for space in "${spaces[@]}"; do
    ip netns pids "$space" | xargs -r ps -o comm= -p
  done | grep telos-actor
}
for ((i = 0; i < 100; i++)); do
  there >/dev/null || break
  sleep 0.1
done
! there || fail "an actor outlived the launcher"
echo "passed: no actor outlives a launcher that was killed"
