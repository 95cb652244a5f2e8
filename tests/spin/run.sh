#!/bin/bash
# Check the models with Spin: run.sh [MODEL...]; or follow a counterexample: run.sh --show MODEL VARIANT.
#
# A sound variant must be searched completely without an error, a broken one must be refuted by the assertion named
# here. Prints one row for each and fails if any row is not as it must be.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sluice-spin.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

readonly SECONDS_MAX=300 MEGABYTES_MAX=2000 DEPTH_MAX=10000

# model | macros, comma separated | "verified", or the assertion that must fail
readonly CASES="
lease      | TERMS=2,RESTARTS=2                       | verified
lease      | TERMS=3,RESTARTS=0                       | verified
lease      | TERMS=3,RESTARTS=1,LEASE=2               | verified
lease      | TERMS=2,NO_RESTART_WAIT                  | two_leases_at_once
lease      | TERMS=2,NO_WITHDRAWAL                    | two_leases_at_once
lease      | TERMS=2,FORGOTTEN_WITHDRAWAL             | two_leases_at_once
lease      | TERMS=2,CONFIRMED_IN_ANY_EPOCH           | two_leases_at_once
lease      | TERMS=2,RESTARTS=0,NO_DRIFT_MARGIN       | (two_leases_at_once|acknowledged_write_missed)
lease      | TERMS=2,RESTARTS=0,COUNT_FROM_ANSWER     | (two_leases_at_once|acknowledged_write_missed)
lease      | TERMS=2,RESTARTS=0,SERVE_AFTER_RELINQUISH | (two_leases_at_once|acknowledged_write_missed)
lease      | TERMS=2,RESTARTS=0,READ_BEFORE_NO_OP     | acknowledged_write_missed
lease      | TERMS=2,RESTARTS=0,ACK_BEFORE_QUORUM     | acknowledged_write_missed
membership | TERMS=3,ENTRIES=5,LOSSES=0               | verified
membership | TERMS=3,ENTRIES=4,LOSSES=1               | verified
membership | LOSSES=0,TWO_CHANGES                     | quorums_intersect
membership | LOSSES=0,NO_NO_OP_FIRST                  | quorums_intersect
membership | LOSSES=0,NO_COMPARE_AND_SET              | enough_voters_remain
membership | ID_REUSED                                | one_leader_per_term
membership | VOTE_TWICE                               | one_leader_per_term
membership | STALE_LOG_ELECTED                        | committed_entries_survive
membership | ACK_UNPERSISTED                          | committed_entries_survive
membership | LOG_REPLICA_SERVES                       | only_storage_replicas_serve
membership | TERMS=5,ENTRIES=4,LOSSES=0,COUNT_OLD_TERM | committed_entries_survive
"

# The verifier of one case, in a directory of its own; leaves what it said in DIRECTORY/said.
search() {
    local model=$1 macros=$2 directory=$3 optimise=$4 macro
    local -a defines=()
    for macro in ${macros//,/ }; do defines+=("-D$macro"); done
    mkdir -p "$directory"
    cd "$directory"
    cp "$here/$model.pml" .
    spin "${defines[@]}" -a "$model.pml" >generated 2>&1
    gcc "$optimise" -w -DSAFETY -DNOREDUCE -DMEMLIM=$MEGABYTES_MAX -o pan pan.c
    timeout "$SECONDS_MAX" ./pan -E -m$DEPTH_MAX -w25 >said 2>&1 || true
}

figure() { # the first number on the line of FILE that matches PATTERN
    grep -E "$2" "$1" | grep -oE '[0-9]+(\.[0-9]+)?(e\+[0-9]+)?' | head -1 || true
}

is_as_expected() {
    local said=$1 expected=$2
    if [[ $expected == verified ]]; then
        grep -q 'errors: 0$' "$said" && ! grep -qE 'not completed|too small|MEMLIM' "$said"
    else
        grep -qE "assertion violated.*$expected" "$said"
    fi
}

check() {
    local model=$1 macros=$2 expected=$3 directory=$4 result optimise=-O1
    [[ $expected == verified ]] && optimise=-O2
    (search "$model" "$macros" "$directory" "$optimise")
    local said=$directory/said
    if ! is_as_expected "$said" "$expected"; then
        result=WRONG
    elif [[ $expected == verified ]]; then
        result=verified
    else
        result="refuted: $(grep -oE "$expected" "$said" | head -1)"
    fi
    printf '%-11s %-42s %-36s %9s %6s %6s %6s\n' "$model" "$macros" "$result" \
        "$(figure "$said" 'states, stored')" "$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' "$said")" \
        "$(figure "$said" 'elapsed time')" "$(figure "$said" 'total actual memory' | cut -d. -f1)"
    if [[ $result == WRONG ]]; then
        cat "$said"
        return 1
    fi
}

# The steps of a short counterexample, one per line: the step's name, who took it, with whom.
show() {
    local model=$1 variant=$2 macros=TERMS=2,$2 depth
    [[ $model == membership ]] && macros=$variant
    (search "$model" "$macros" "$scratch/show" -O1)
    cd "$scratch/show"
    rm -f ./*.trail
    for depth in 14 16 18 20 24 28 32 40 $DEPTH_MAX; do
        timeout "$SECONDS_MAX" ./pan -E -m"$depth" -w25 >said 2>&1 || true
        compgen -G '*.trail' >said && break
    done
    { ./pan -r -E || true; } | sed '/trail ends/q' | grep -E '^ *[a-z_]+( [0-9])*$|violated'
}

main() {
    if [[ ${1:-} == --show ]]; then
        if [[ $# -ne 3 ]]; then
            echo "usage: run.sh --show MODEL VARIANT" >&2
            return 2
        fi
        show "$2" "$3"
        return
    fi
    local model macros expected row=0 wrong=0
    printf '%-11s %-42s %-36s %9s %6s %6s %6s\n' model variant result states depth s MB
    while IFS='|' read -r model macros expected; do
        read -r model <<<"$model"
        [[ -z $model || ( $# -gt 0 && " $* " != *" $model "* ) ]] && continue
        row=$((row + 1))
        read -r macros <<<"$macros"
        read -r expected <<<"$expected"
        check "$model" "$macros" "$expected" "$scratch/$row" || wrong=$((wrong + 1))
        rm -rf "${scratch:?}/$row"
    done <<<"$CASES"
    if [[ $row -eq 0 ]]; then
        echo "no such model: $*" >&2
        return 2
    fi
    echo "$row variants, $wrong not as they must be"
    [[ $wrong -eq 0 ]]
}

main "$@"
