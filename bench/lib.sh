# Shared by the scripts here: one line for each figure, `figure: value unit (must be at most N unit)`. Nothing here fails a build.
set -euo pipefail
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$SOURCE/build}
KAITO=$BUILD/src/cli/kaito
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT

now_ms() { date +%s%3N; }
figure() { printf '%s: %s %s%s\n' "$1" "$2" "$3" "${4:+ (must be at most $4 $3)}"; }
megabytes() { awk -v n="$1" 'BEGIN { printf "%.1f", n / 1e6 }'; }
resident() { awk '$1 == "VmRSS:" { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }     # MiB
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
