#!/usr/bin/env bash
# Six identities with planted secrets: neither logs, objects, events, metrics, probes, the command line, the environment nor a core dump hold one, also when
# ARM and Entra refuse, quote what they were sent, or vanish. All over TLS, whose buffers hold what was sent and received.
. "$(dirname "$0")/lib.sh"
begin
SECRET=Planted~Secret.8Q-0123456789abcdef FEDERATED=planted.federated.token0123456789 PASSWORD=planted-certificate-password
BEARER=eyJhbGciOiJub25lIn0                      # how the simulator's access tokens begin
export ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks \
    AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222

arm() { local path=$1; shift; curl -sS "$URL/control/$path" "$@"; }
fault() { arm faults -d "$1" >/dev/null; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
claim() {       # NAME KIND: a claim of that identity's provisioner
    kubectl create -f - <<END
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default}, annotations: {kaito.sh/provisioner: $2}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]
END
}
reason_is() { is "$(kubectl get nodeclaim "$1" -o json | jq -r '.status.conditions[]? | select(.type == "Launched") | .reason')" "$2"; }
# What is known only now: the private key's lines, and what az was given.
planted() { printf '%s\n' "$SECRET" "$FEDERATED" "$PASSWORD" "$BEARER"; grep -v -- ----- "$T/key.pem" | head -12; cat "$T/az.token" 2>/dev/null; }
everything() {      # KIND
    kubectl get nodeclaims,nodes,events -A -o json
    for path in metrics healthz readyz debug debug/pprof debug/state; do curl -sS "127.0.0.1:${metrics[$1]}/$path"; curl -sS "127.0.0.1:${health[$1]}/$path"; done
    cat "$T/$1.log"
    tr '\0' ' ' <"/proc/$(cat "$T/run-$1/pid")/cmdline"
}
# KIND [NAME=VALUE...]: a provisioner that may dump core, with what that identity needs in its environment
provisioner() {
    local kind=$1; shift
    metrics[$kind]=$(port) health[$kind]=$(port)
    start "$kind" env ARM_ENDPOINT="$URL" AZURE_AUTHORITY_HOST="$URL" ARM_AUDIENCE="$URL" "$@" "$SOURCE/tests/e2e/core_dump" "$T/run-$kind" "$KAITO" provisioner \
        --cloud azure --azure-auth "${kind#app_}" --provisioner-name "$kind" --no-leader-elect --log-level debug --health-probe-bind-address "127.0.0.1:${health[$kind]}" \
        --metrics-bind-address "127.0.0.1:${metrics[$kind]}"
}
# What root's debugger sees of it, tokens having been used a moment ago. Not everywhere may root do that: then there is nothing to see.
image() { python3 "$SOURCE/tests/e2e/memory_image" "$(cat "$T/run-$1/pid")" "${@:2}" >"$T/image"; }
# A prime of the certificate's key, in the order of bytes of files or of big numbers: how often it is there.
primes() {
    openssl rsa -in "$T/key.pem" -passin "pass:$PASSWORD" -text -noout 2>/dev/null | python3 -c 'import re, sys
prime = bytes.fromhex(re.sub(r"[^0-9a-f]", "", re.search(r"prime1:(.*?)prime2", sys.stdin.read(), re.S)[1]))[-64:]
image = open(sys.argv[1], "rb").read()
print(image.count(prime) + image.count(prime[::-1]))' "$T/image"
}
readable() { image "$1" || [ $? -ne 3 ]; }
crash() { kill -SEGV "$(cat "$T/run-$1/pid")" && until_ok 20 test -s "$T/run-$1/dumped"; }

openssl req -x509 -newkey rsa:2048 -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj /CN=kaito -passout "pass:$PASSWORD" >/dev/null 2>&1
cat "$T/cert.pem" "$T/key.pem" >"$T/identity.pem"
printf %s "$FEDERATED" >"$T/federated"
printf %s "$SECRET" >"$T/az.secret"
mkdir "$T/bin"
cat >"$T/bin/az" <<'END'
#!/usr/bin/env bash
curl -sS "$URL/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials -d "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret@$AZ_SECRET_FILE" -d "scope=$URL/.default" |
    tee >(jq -r .access_token >>"$AZ_SEEN") | jq '{accessToken: .access_token, expires_on: (now + 3600 | floor), tokenType: "Bearer"}'
END
chmod +x "$T/bin/az"

start api "$KAITO" apiserver --state-dir "$T/state"
t "an API server" until_ok 10 kubectl get --raw /readyz
start arm "$BUILD/tests/peers/fake-arm/kaito-fake-arm" --tls --ca-file "$T/ca.pem" --ready-file "$T/arm.ready" --client-secret "$SECRET" --kubeconfig "$KUBECONFIG" \
    --settings '{"create_ms": 300, "delete_ms": 100, "join_ms": -100, "ready_ms": 100, "gpu_ms": 100, "retry_after_s": 1}'
t "the simulator" until_ok 10 test -s "$T/arm.ready"
export URL=$(jq -r .url "$T/arm.ready") SSL_CERT_FILE=$T/ca.pem CURL_CA_BUNDLE=$T/ca.pem

"$SOURCE/tests/e2e/core_dump" "$T/control" /bin/sh -c 'kill -SEGV $$'
CONTROL=$(cat "$T/control/dumped")

declare -A needs=([secret]="AZURE_CLIENT_SECRET=$SECRET" [workload]="AZURE_FEDERATED_TOKEN_FILE=$T/federated"
    [certificate]="AZURE_CLIENT_CERTIFICATE_PATH=$T/identity.pem AZURE_CLIENT_CERTIFICATE_PASSWORD=$PASSWORD" [managed]="AZURE_POD_IDENTITY_AUTHORITY_HOST=$URL"
    [app_managed]="IDENTITY_ENDPOINT=$URL/msi/token IDENTITY_HEADER=$SECRET"
    [cli]="PATH=$T/bin:$PATH AZ_SECRET_FILE=$T/az.secret AZ_SEEN=$T/az.token")
declare -A metrics health
KINDS="secret workload certificate managed app_managed cli"
fault '{"call": "list", "do": "error", "error": "bad-gateway", "times": 3}'
fault '{"call": "token", "do": "error", "error": "aad-unavailable", "times": 3}'
fault '{"call": "put", "do": "error", "error": "quota-family", "pool": "no*", "times": 6}'
for kind in $KINDS; do
    # shellcheck disable=SC2086
    provisioner "$kind" ${needs[$kind]}
done
until_ok 20 kubectl get nodeclaims >/dev/null
n=0
for kind in $KINDS; do
    n=$((n + 1))
    claim "ws$n" "$kind" >/dev/null
    claim "no$n" "$kind" >/dev/null
done
n=0
for kind in $KINDS; do
    n=$((n + 1))
    t "$kind: a claim is Ready" kubectl wait --for=condition=Ready "nodeclaim/ws$n" --timeout=30s
    t "$kind: a refused one says why" until_ok 20 reason_is "no$n" QuotaExceeded
done
arm tokens/expire -d '{}' >/dev/null
kubectl delete nodeclaims --all --timeout=30s >/dev/null
for kind in $KINDS; do
    everything "$kind" >"$T/shown-$kind"
    t "$kind: logs, objects, metrics, probes and command line hold no secret" is "$(planted | grep -v '^$' | grep -cF -f - "$T/shown-$kind")" 0
    t "$kind: what was searched holds something" has "$(cat "$T/shown-$kind")" 'kaito_arm_requests_total{class="write",status="2xx"}'
    if readable "$kind"; then
        t "$kind: a core image taken of it while it runs holds no secret" is "$(planted | grep -v '^$' | grep -caF -f - "$T/image")" 0
        t "$kind: nor does its environment" is "$(planted | grep -v '^$' | grep -caF -f - "/proc/$(cat "$T/run-$kind/pid")/environ")" 0
        t "$kind: nor a key" is "$(primes)" 0
        t "$kind: and what was searched is its memory" is "$(grep -caF -- --azure-auth "$T/image" | grep -c '^[1-9]')" 1
    fi
    t "$kind: it crashes" crash "$kind"
    t "$kind: and leaves no core dump$([ "$CONTROL" = yes ] || echo " (nor does anything else on this machine)")" is "$(cat "$T/run-$kind/dumped")" no
done
t "the simulator gave each identity tokens" is "$(arm journal | jq '[.[] | select(.call == "token" and .status == 200)] | length > 5')" true
t "no rule of ARM was broken" is "$(arm violations)" "[]"
finish
