# Shared by the end-to-end tests: a `kaito up` of their own in a temporary folder, TAP lines, waiting with a deadline.
# A test file calls `begin`, then `t NAME COMMAND...` for each check, and `finish`.
set -uo pipefail
SOURCE=${KAITO_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${KAITO_BUILD:-$SOURCE/build}
KAITO=$BUILD/src/cli/kaito
RUNTIME=$BUILD/src/cli/kaito-runtime
T=$(mktemp -d)
export KUBECONFIG=$T/state/kubeconfig
export HOME=$T                          # kubectl's discovery cache stays in here
N=0
FAILED=0
PART=                                   # goes before the names of checks; empty: nothing does
NAMES=()                                # background processes, ended by finish
PATIENCE=${KAITO_PATIENCE:-3}           # a busy machine may take so many times as long as one at rest

start() {   # NAME COMMAND...
    local name=$1
    shift
    setsid "$@" </dev/null >>"$T/$name.log" 2>&1 &
    eval "PID_$name=$!"
    NAMES+=("$name")
}
pid_of() { local v=PID_$1; echo "${!v}"; }
end() {     # NAME [SIGNAL]
    local pid
    pid=$(pid_of "$1")
    kill "-${2:-TERM}" "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

up() {      # [OPTION...]: kaito up, ready when it returns
    start up "$KAITO" up --state-dir "$T/state" "$@"
    until_ok 20 kubectl get --raw /readyz && until_ok 20 kubectl get workspaces
}

begin() { trap cleanup EXIT; }
cleanup() {
    "$KAITO" down --state-dir "$T/state" >/dev/null 2>&1
    for name in "${NAMES[@]}"; do end "$name"; done
    rm -rf "$T"
}
finish() {
    echo "1..$N"
    [ "$FAILED" -eq 0 ] || last_words
}
last_words() {  # what the processes said at last, for a failure that cannot be looked at again
    for log in "$T"/*.log "$T"/real/log/*; do
        [ ! -s "$log" ] || tail -n 15 "$log" | cut -c -300 | sed "s|^|# log of ${log##*/}: |"
    done
}

# t NAME COMMAND...: one TAP line; a failure shows what the command said
t() {
    local name=${PART:+$PART: }$1
    shift
    N=$((N + 1))
    if "$@" >"$T/said" 2>&1; then       # in this shell: a check may set variables
        echo "ok $N - $name"
    else
        echo "not ok $N - $name"
        FAILED=$((FAILED + 1))
        sed 's/^/# /' "$T/said" | tail -40
    fi
}

# until_ok SECONDS COMMAND...: asks again until it succeeds, within SECONDS on a machine at rest
until_ok() {
    local deadline=$((SECONDS + $1 * PATIENCE)) out
    shift
    until out=$("$@" 2>&1); do
        if [ $SECONDS -ge "$deadline" ]; then
            echo "not within time: $*"
            echo "$out"
            PATIENCE=1                  # what is broken is not waited for so long again
            return 1
        fi
        sleep 0.1                       # polls: what is waited for may not exist yet
    done
}

is() { [ "$1" = "$2" ] || { echo "got: $1"; echo "want: $2"; return 1; }; }
has() { [[ "$1" == *"$2"* ]] || { echo "got: $1"; echo "want in it: $2"; return 1; }; }
lacks() { [[ "$1" != *"$2"* ]] || { echo "got: $1"; echo "must not hold: $2"; return 1; }; }

# A Workspace's condition: "True Reason message"
condition() { kubectl get workspace "$1" -o json | jq -r --arg t "$2" '.status.conditions[]? | select(.type == $t) | "\(.status) \(.reason) \(.message)"'; }
condition_has() { has "$(condition "$1" "$2")" "$3"; }

mirror() {  # [OPTION...]: the stand-in hub; sets HUB
    rm -f "$T/mirror.port"
    start mirror "$SOURCE/tools/hub-mirror" --port "${MIRROR_PORT:-0}" --port-file "$T/mirror.port" "$@"
    until_ok 10 test -s "$T/mirror.port" || return 1
    MIRROR_PORT=$(cat "$T/mirror.port")
    HUB=http://127.0.0.1:$MIRROR_PORT
}

free_port() { "$SOURCE/tests/e2e/free_port.py"; }

# A real registry with TLS and a user; sets REGISTRY, CA_BUNDLE
registry_files() {
    local d=$T/registry
    mkdir -p "$d"
    REGISTRY=127.0.0.1:$(free_port)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj "/CN=test-ca" -addext "basicConstraints=critical,CA:TRUE" \
        -keyout "$d/ca.key" -out "$d/ca.crt" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=127.0.0.1" -keyout "$d/server.key" -out "$d/server.csr" 2>/dev/null
    openssl x509 -req -in "$d/server.csr" -CA "$d/ca.crt" -CAkey "$d/ca.key" -CAcreateserial -days 3 \
        -extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$d/server.crt" 2>/dev/null
    htpasswd -Bbn user secret >"$d/htpasswd"
    cat /etc/ssl/certs/ca-certificates.crt "$d/ca.crt" >"$d/bundle.pem"
    CA_BUNDLE=$d/bundle.pem
    cat >"$d/config.yml" <<YAML
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $d/data}}
auth: {htpasswd: {realm: test, path: $d/htpasswd}}
http: {addr: $REGISTRY, tls: {certificate: $d/server.crt, key: $d/server.key}}
YAML
}
registry() {
    start registry docker-registry serve "$T/registry/config.yml"
    until_ok 20 curl -fsS --cacert "$T/registry/ca.crt" -u user:secret "https://$REGISTRY/v2/"
}

# tuning_workspace NAME IMAGE [JQ_FILTER]: the example's Workspace and ConfigMap, renamed, pushed elsewhere, changed by the filter
tuning_workspace() {
    python3 - "$SOURCE/examples/fine-tuning/kaito_workspace_tuning_phi_3.yaml" <<'PY' |
import json, sys, yaml
for document in yaml.safe_load_all(open(sys.argv[1])):
    print(json.dumps(document))
PY
        jq -c --arg name "$1" --arg image "$2" 'if .kind == "Workspace" then .metadata.name = $name | .resource.labelSelector.matchLabels.app = $name
            | .tuning.output.image = $image else . end' |
        jq -c "if .kind == \"Workspace\" then (${3:-.}) else . end"
}

one_epoch() {   # a filter behind it, where what is learnt does not matter
    jq -c 'if .kind == "ConfigMap" then .data["training_config.yaml"] |= sub("num_train_epochs: *[0-9.]+"; "num_train_epochs: 1") else . end'
}

answers() { # SERVICE: anything but nothing
    local said
    said=$(ask "$1" hello) && [ -n "$said" ] && [ "$said" != null ] || { echo "said: $said"; return 1; }
}
ask() {     # SERVICE QUESTION
    local ip
    ip=$(kubectl get service "$1" -o json | jq -r '.spec.clusterIP + ":" + (.metadata.annotations["kaito.sh/proxy-port-80"] // "80")')
    jq -n --arg q "$2" '{messages:[{role:"user",content:$q}],return_full_text:false,generate_kwargs:{do_sample:false,max_new_tokens:48}}' |
        curl -sS --max-time 60 -X POST "http://$ip/chat" -H 'Content-Type: application/json' -d @- | jq -r '.Result'
}
