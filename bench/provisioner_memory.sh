#!/usr/bin/env bash
# What `kaito provisioner --cloud azure` holds of memory with N (default 500) claims whose pools and Nodes are there: at rest and at most. Over TLS, with the
# system's authorities beside the simulator's, as in a cluster; AUTHORITIES=FILE are others (/dev/null: none). A JSON line; MB are MiB, as bench_provisioner's.
. "$(dirname "$0")/arm_world.sh"
n=${1:-500}
kib() { awk -v k="$1:" '$1 == k { printf "%.1f", $2 / 1024 }' "/proc/$provisioner/status"; }
start_arm '{"create_ms": 2000, "delete_ms": 1000, "join_ms": -500, "ready_ms": 200, "gpu_ms": 200, "max_pools": 100000, "quota_cores": 1000000, "throttle_scale": 1000, "page_size": 1000}' \
    --tls --ca-file "$T/ca.pem"
TLS=(--cacert "$T/ca.pem")
cat "$T/ca.pem" "${AUTHORITIES:-/etc/ssl/certs/ca-certificates.crt}" >"$T/authorities.pem"
export SSL_CERT_FILE=$T/authorities.pem
start_provisioner --arm-budget-scale 1000
sleep 3
empty=$(kib VmRSS)
began=$(now_ms)
claims "$n" | kubectl create -f - >/dev/null
wait_for 150 ready "$n"
up=$(($(now_ms) - began))
sleep 5                                 # what the burst left free goes back once it is over
rules_kept
printf '{"claims": %d, "empty_mb": %s, "resident_mb": %s, "peak_mb": %s, "ready_s": %s, "pools": %s}\n' "$n" "$empty" "$(kib VmRSS)" "$(kib VmHWM)" \
    "$(awk -v ms="$up" 'BEGIN { printf "%.1f", ms / 1000 }')" "$(arm state | jq '.pools | length')"
