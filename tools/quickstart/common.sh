# Shared by the quick start's scripts: where things are, and how a process of ours is started and ended.
# All state lies in .quickstart/ of the clone (QUICKSTART_DIR moves it).
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
DIR=${QUICKSTART_DIR:-$ROOT/.quickstart}
KAITO=$BUILD/kaito
export KUBECONFIG=$DIR/state/kubeconfig
REGISTRY=127.0.0.1:5443
REGISTRY_USER=quickstart
IMAGE=$REGISTRY/adapters/phi-3-dolly:0.0.1

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf '\nquickstart: %s\n' "$*" >&2; exit 1; }
now_ms() { date +%s%3N; }
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# start NAME COMMAND...: in the background, in a session of its own; log in DIR/NAME.log, pid and start time in DIR/NAME.pid
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >"$DIR/$name.log" 2>&1 &
    echo "$! $(cut -d' ' -f22 "/proc/$!/stat")" >"$DIR/$name.pid"
}

# Only a process with our pid and our start time is ours.
is_running() {
    local pid ticks
    [ -f "$DIR/$1.pid" ] || return 1
    read -r pid ticks <"$DIR/$1.pid"
    [ -r "/proc/$pid/stat" ] && [ "$(cut -d' ' -f22 "/proc/$pid/stat")" = "$ticks" ]
}

stop() {
    local pid _
    if is_running "$1"; then
        read -r pid _ <"$DIR/$1.pid"
        kill "$pid" 2>/dev/null || :    # it may end by itself meanwhile
        for _ in $(seq 100); do
            is_running "$1" || break
            sleep 0.1                   # not our child: looking is all there is
        done
    fi
    rm -f "$DIR/$1.pid"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
    local deadline=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt "$deadline" ] || die "$what did not come within its time; the logs are in $DIR/*.log"
        sleep 0.1                       # asks again: the thing waited for may not exist yet
    done
}

stop_everything() {
    [ -d "$DIR" ] || return 0
    if [ -x "$KAITO" ] && [ -d "$DIR/state" ]; then
        "$KAITO" down --state-dir "$DIR/state" >/dev/null || die "kaito down failed; see $DIR/kaito.log"
    fi
    stop kaito
    stop registry
    stop mirror
}

# kubectl 1.20 (Debian's) asks for OpenAPI v2 to validate; the server then checks fields itself.
kubectl_minor() { kubectl version --client -o json 2>/dev/null | jq -r '.clientVersion.minor' | tr -dc 0-9; }
apply_flags() { [ "$(kubectl_minor)" -ge 27 ] || echo --validate=false; }

# The address that answers on a Service's port 80, which an ordinary user's proxy had to move.
service_address() {
    kubectl get service "$1" -o json | jq -r '.spec.clusterIP + ":" + (.metadata.annotations["kaito.sh/proxy-port-80"] // "80")'
}

# ask SERVICE QUESTION: the answer, greedily, through the chat template
ask() {
    local body
    body=$(jq -n --arg q "$2" '{messages:[{role:"user",content:$q}],return_full_text:false,generate_kwargs:{do_sample:false,max_new_tokens:48}}')
    curl -sS --max-time 60 -X POST "http://$(service_address "$1")/chat" -H "Content-Type: application/json" -d "$body" | jq -r '.Result // .'
}
