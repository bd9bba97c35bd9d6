#!/usr/bin/env bash
# The provisioner's figures, a script each: calls to ARM per claim, memory with 500 pools, 500 claims at once on our own API server and on a real one. JSON lines.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) n=${1:-500}
echo "# calls to ARM"
"$here/arm_calls.sh"
echo "# memory with $n pools"
"$here/provisioner_memory.sh" "$n"
echo "# $n claims at once: kaito apiserver"
"$here/claims_at_once.sh" own "$n"
echo "# $n claims at once: kube-apiserver"
"$here/claims_at_once.sh" real "$n"
