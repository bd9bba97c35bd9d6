#!/usr/bin/env bash
# The story with Debian's own kubectl (1.20, five years older than the API it talks to): $KUBECTL_OLD, or unpacked from the package.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin
unpacked() { (mkdir -p "$T/deb" && cd "$T/deb" && timeout 60 apt-get download kubernetes-client && dpkg-deb -x kubernetes-client_*.deb .) >"$T/deb.log" 2>&1 && echo "$T/deb/usr/bin/kubectl"; }
minor() { "$1" version --client -o json 2>/dev/null | jq -r .clientVersion.minor | tr -dc 0-9; }
OLD=${KUBECTL_OLD:-}
[ -n "$OLD" ] || { [ "$(minor kubectl)" -lt 27 ] && OLD=$(command -v kubectl); } || OLD=$(unpacked) || OLD=
if [ -z "$OLD" ]; then
    N=1
    echo "ok 1 - an old kubectl # skip KUBECTL_OLD is not set, and apt-get download kubernetes-client does not work here"
    finish
    exit 0
fi
echo "# $("$OLD" version --client --short 2>/dev/null)"
k() { "$OLD" "$@"; }

registry_files
t "a registry starts" registry
t "the hub mirror starts" mirror
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
t "create secret docker-registry" k create secret docker-registry registry-secret --docker-server="$REGISTRY" --docker-username=user --docker-password=secret
t "create namespace, configmap" k create namespace other
t "create configmap" k create configmap c -n other --from-literal=a=b
tuning_workspace old "$REGISTRY/adapters/old:1" >"$T/old.json"         # all epochs: one is over before anybody sees it on a fast machine
t "apply with its validation is told what to do" has "$(k apply -f "$T/old.json" 2>&1)" "add --validate=false"
applied() { has "$(k apply --validate=false -f "$T/old.json")" "workspace.kaito.sh/old $1"; }
t "apply --validate=false" applied created
t "apply again changes nothing" applied unchanged
t "its machine comes" until_ok 30 condition_has old ResourceReady True
"$OLD" get workspace old -w >"$T/watch" 2>&1 &
watcher=$!
described() { has "$(k describe workspace old)" "$1"; }
t "describe tells of the training" until_ok 60 described "step "
follows() { has "$(timeout 120 "$OLD" logs -f job/old -c tune)" "tuned in"; }
t "logs -f follows the training to its end" follows
t "wait --for=condition" k wait --for=condition=WorkspaceSucceeded workspace/old --timeout=120s
ended() { grep -Eq '^old +Standard_NC6s_v3 +True +True +True ' "$T/watch"; }
t "get -w ends with True, True, True" until_ok 10 ended
kill $watcher
wait $watcher 2>/dev/null
t "under the seed's columns" is "$(head -1 "$T/watch" | tr -s ' ')" "NAME INSTANCE RESOURCEREADY INFERENCEREADY WORKSPACEREADY AGE"
t "the first row says that training goes on" has "$(sed -n 2p "$T/watch" | tr -s ' ')" "old Standard_NC6s_v3 True False False"
t "get svc" has "$(k get svc old --no-headers)" "80/TCP,29500/TCP"
listed() { grep -Eq "AGE|LAST SEEN" <<<"$(k get "$1" 2>&1)"; }
for kind in pods jobs statefulsets nodes nodeclaims services events configmaps secrets; do
    t "get $kind" listed $kind
done
for kind in pod job statefulset node nodeclaim service; do
    t "describe $kind" has "$(k describe $kind 2>&1)" "Name:"
done
t "logs without a container takes the pod's one" has "$(k logs job/old 2>&1)" "digest: sha256"
t "get -o jsonpath" is "$(k get workspace old -o jsonpath='{.status.state}')" "Succeeded"
t "get -o yaml" has "$(k get workspace old -o yaml)" "kind: Workspace"
t "get all" has "$(k get all)" "statefulset.apps/old"
t "label" k label workspace old a=b
t "annotate" k annotate workspace old a=b
t "patch --type merge" k patch workspace old --type merge -p '{"metadata":{"labels":{"c":"d"}}}'
t "rollout status" k rollout status statefulset/old
t "api-resources" has "$(k api-resources)" "workspaces"
t "delete" k delete workspace old --timeout=60s
gone() { is "$(k get pods,jobs,statefulsets,nodeclaims -o name)" ""; }
t "nothing of it stays" until_ok 30 gone
finish
