#!/bin/bash
# kubernetes.sh - deploy/k8s on a real cluster, in a namespace of its own that is held to the restricted
# Pod Security Standard: every overlay and component is checked by the server; then Box 2D is trained
# from overlays/local, the learner is evicted and actors are deleted on the way, and the policy is
# compared with that of a run on this machine, bit for bit.
#
# Optional: wants a cluster whose nodes have the images telos-learner:0.2.0 and telos-actor:0.2.0.
# Exit code 77: skipped, one of these is missing.
#
#   KUBECTL      how it is called (kubectl); it gets manifests on standard input
#   KUSTOMIZE    renders a folder ($KUBECTL kustomize)
#   VOLUMES      a command that makes new volumes writable for group 10001, where their driver does not
#   CRDS         folder of the definitions of JobSet and PodMonitor, to be applied first
#   TELOS_BIN    the programs (build/release/bin)
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${TELOS_BIN:-$PWD/build/release/bin}
read -ra kubectl <<<"${KUBECTL:-kubectl}"
read -ra kustomize <<<"${KUSTOMIZE:-${kubectl[*]} kustomize}"

skip() {
  echo "skipped: $1"
  exit 77
}
command -v "${kubectl[0]}" >/dev/null || skip "${kubectl[0]} is missing (KUBECTL)"
"${kubectl[@]}" get --raw /readyz >/dev/null 2>&1 || skip "no cluster answers"
[[ -x $bin/telos ]] || skip "no programs in $bin; cmake --build --preset release, or TELOS_BIN"

space=telos-test-$$
work=$(mktemp -d)
k() {
  "${kubectl[@]}" -n "$space" "$@"
}
clean() {
  "${kubectl[@]}" delete namespace "$space" --wait=false >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
fail() {
  echo "FAILED: $1" >&2
  k get pods,jobs >&2 || true
  for pod in $(k get pods -o name | tail -n 3); do
    k logs "$pod" --tail 15 >&2 || true
  done
  exit 1
}

# wait_for WHAT COMMAND..: until it succeeds
wait_for() {
  local what=$1
  shift
  for ((i = 0; i < 600; i++)); do
    if "$@" >/dev/null 2>&1; then
      return
    fi
    sleep 0.5
  done
  fail "$what"
}

# ---- what the server says of every manifest ----

cp -r deploy/k8s "$work/k8s"
(cd "$work" && "$bin/telos" keys new learner actor >/dev/null)
for overlay in "$work"/k8s/overlays/*/; do
  rm -rf "$overlay/keys"
  cp -r "$work/keys" "$overlay/keys"
done
sed -i "s/^  name: telos\$/  name: $space/" "$work/k8s/namespace.yaml"
sed -i "s/^namespace: telos\$/namespace: $space/" "$work"/k8s/overlays/*/kustomization.yaml
"${kubectl[@]}" apply -f - <"$work/k8s/namespace.yaml" >/dev/null
if [[ -n ${CRDS-} ]]; then
  cat "$CRDS"/*.yaml | "${kubectl[@]}" apply --server-side -f - >/dev/null
fi
wait_for "the namespace" k get serviceaccount default
# known FILE: what of it the server has a definition of; says what it has not
known() {
  local kind optional=()
  for kind in JobSet PodMonitor; do
    "${kubectl[@]}" api-resources --no-headers | grep -q " $kind\$" || optional+=("$kind")
  done
  awk -v missing=" ${optional[*]} " 'BEGIN { RS = "---\n" }
    { match($0, /(^|\n)kind: [A-Za-z]+/); kind = substr($0, RSTART, RLENGTH); sub(/.*: /, "", kind) }
    index(missing, " " kind " ") { print "not checked, the cluster does not know it: " kind >"/dev/stderr"; next }
    { printf "---\n%s", $0 }' "$1"
}
checked=0
for overlay in "$work"/k8s/overlays/*/; do
  name=$(basename "$overlay")
  "${kustomize[@]}" "$overlay" >"$work/$name.yaml"
  known "$work/$name.yaml" >"$work/$name.known"
  "${kubectl[@]}" apply --dry-run=server -f - <"$work/$name.known" >"$work/said" 2>&1 || {
    cat "$work/said" >&2
    fail "overlay $name is refused"
  }
  ! grep -i warning "$work/said" || fail "overlay $name: a warning"
  checked=$((checked + 1))
done
echo "passed: $checked overlays, by a server-side dry run"

# ---- a run ----

steps=40000
cat >"$work/k8s/overlays/local/run.yaml" <<END
run: {steps: $steps}
checkpoint: {every: 1000}
END
cat >>"$work/k8s/overlays/local/kustomization.yaml" <<END
components: [../../components/shelf]
END
# another kernel of OpenBLAS gives other last bits: the one of this shell, if it names one
for name in OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
  if [[ -n ${!name-} ]]; then
    sed -i "s/^            - {name: TELOS_HTTP_BIND.*/&\n            - {name: $name, value: \"${!name}\"}/" \
      "$work/k8s/base/learner.yaml"
  fi
done
(cd "$work" && "$bin/telos-learner" --task box2d --run reference wire.port=0 wire.weights_port=0 \
  checkpoint.every=1000 run.steps=$steps >learner 2>&1 &
  until endpoint=$(grep -m1 -o 'endpoint=[^ ]*' "$work/learner"); do sleep 0.1; done
  "$bin/telos-actor" --connect "${endpoint#endpoint=}" >/dev/null 2>&1
  wait)

"${kustomize[@]}" "$work/k8s/overlays/local" | "${kubectl[@]}" apply -f - >/dev/null
bound() {
  [[ $(k get pvc demo-runs -o 'jsonpath={.status.phase}') = Bound ]]
}
wait_for "no volume" bound
${VOLUMES:-true}

learner_pod() {
  k get pods -l app.kubernetes.io/component=learner --field-selector status.phase=Running \
    -o 'jsonpath={.items[*].metadata.name}' | tr ' ' '\n' | tail -n 1
}
# steps N: the learner has committed so many
steps_done() {
  local pod said
  pod=$(learner_pod) && [[ -n $pod ]] || return 1
  said=$(k exec "$pod" -- telos health) || return 1
  said=${said%% of *}
  ((${said##* } + 0 >= $1))
}
actor_pod() {
  k get pods -l app.kubernetes.io/component=actor --field-selector status.phase=Running \
    -o 'jsonpath={.items[*].metadata.name}' | tr ' ' '\n' | sed -n "$(($1 + 1))p" | grep .
}

wait_for "no training" steps_done 4000
first=$(learner_pod)
k delete pod "$(actor_pod 0)" --wait=false >/dev/null
wait_for "no progress after an actor's end" steps_done 8000
printf '{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "%s", "namespace": "%s"}}' \
  "$first" "$space" | "${kubectl[@]}" create --raw "/api/v1/namespaces/$space/pods/$first/eviction" -f - >/dev/null
moved() {
  local pod
  pod=$(learner_pod) && [[ -n $pod && $pod != "$first" ]]
}
wait_for "no other learner after the eviction" moved
wait_for "no progress after the eviction" steps_done 16000
wait_for "no second actor" actor_pod 1
k delete pod "$(actor_pod 1)" --grace-period=0 --force --wait=false >/dev/null 2>&1
complete() {
  [[ $(k get job demo-learner demo-actors -o 'jsonpath={.items[*].status.succeeded}') = "1 2" ]]
}
wait_for "the run does not end" complete
shelf() {
  k exec demo-shelf -- true
}
wait_for "no shelf" shelf
k exec demo-shelf -- cat /runs/demo/policy.safetensors >"$work/policy"
cmp "$work/policy" "$work/reference/policy.safetensors" || fail "another policy"
echo "passed: $steps steps on Kubernetes; two actors deleted, the learner evicted: the policy of a run on this machine"
k get jobs
