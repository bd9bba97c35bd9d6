# For tests that run the commands of a page as they stand there. Sources lib.sh.
#   page FILE [SED...]   its blocks of sh become $T/block1, $T/block2, ..., changed by sed's expressions (ports, for example)
#   run N                block N in this shell, in the folder $T: servers stay; what it prints is kept
#   said N               what it printed; log N: its errors
#   known FILE [OPTION...] -- COMMAND...   every `--option` of the page is one that COMMAND --help tells, or one of those named
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; cleanup' EXIT

kaito() {       # in the background the program itself, so that it can be ended
    if [ "$BASHPID" = $$ ]; then "$RUNTIME" "$@"; else exec "$RUNTIME" "$@"; fi
}

page() {
    local file=$1 expression
    shift
    awk -v to="$T/block" '/^```sh$/ { inside = 1; i++; next } /^```$/ { inside = 0 } inside { print >(to i) }' "$SOURCE/docs/$file"
    for expression in "$@"; do sed -i "$expression" "$T"/block*; done
}

run() {
    cd "$T" && . "$T/block$1" >"$T/said$1" 2>"$T/log$1"
}
said() { cat "$T/said$1"; }
log() { cat "$T/log$1"; }

known() {
    local file=$1 option help also=
    shift
    while [ "$1" != -- ]; do also="$also $1"; shift; done
    shift
    help=$("$@" --help)
    for option in $(grep -oE '`--[a-z-]+' "$SOURCE/docs/$file" | sort -u | tr -d '`'); do
        case " $also " in *" $option "*) continue ;; esac
        t "--help knows $option" grep -qE -- "${option/--no-/--}( |$)" <<<"$help"
    done
}
