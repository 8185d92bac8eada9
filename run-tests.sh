#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/environment.sh

TIERS=(lint unit property store integration rdm faults client acceptance docs)

# What each tier needs beyond Python packages. A tier that is not named needs nothing.
CEPH="ceph-mon ceph-osd ceph-common radosgw"
declare -A APT_PACKAGES=(
    [store]="$CEPH"
    [integration]="$CEPH postgresql rabbitmq-server redis-server"
    [rdm]="$CEPH postgresql rabbitmq-server"
    [faults]="$CEPH postgresql rabbitmq-server redis-server"
    [client]="$CEPH postgresql"
    [acceptance]="$CEPH"
    [docs]="postgresql"
    [soak]="$CEPH postgresql"
)

usage() {
    cat <<END
Usage: ./run-tests.sh [setup | TIER...]
       ./run-tests.sh soak [--ops N] [--seed N]

Installs what the tests need (Python packages into .venv/, servers by apt when root or with passwordless sudo), runs the
tiers and prints one table. Without arguments it runs all tiers and checks the coverage.

  setup    install everything for all tiers and run nothing
  TIER     any of: ${TIERS[*]}
  soak     do N random operations (10,000 unless given), with faults; the last line is ops=N violations=M

CI=true turns whatever would be skipped into a failure.
END
}

# Ends what a tier left running. A process id alone may name a stranger by now: the start time has to be the same, too.
is_running() { # pid, start time
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] && ${fields[19]} == "$2" ]]
}

end_leftovers() {
    local pid started name signal waited leftovers=0
    if [[ ! -f $OAREPO_S3_RUN_FOLDER/pids ]]; then return 0; fi
    for signal in TERM KILL; do
        while read -r pid started name; do
            if is_running "$pid" "$started"; then
                say "ending a leftover: $name ($pid, SIG$signal)"
                kill "-$signal" "$pid" 2>/dev/null || true
                leftovers=1
            fi
        done <"$OAREPO_S3_RUN_FOLDER/pids"
        if ((!leftovers)); then return 0; fi
        while read -r pid started name; do
            for ((waited = 0; waited < 50; waited++)); do
                is_running "$pid" "$started" || break
                sleep 0.1
            done
        done <"$OAREPO_S3_RUN_FOLDER/pids"
        leftovers=0
    done
}

runner=
finish() {
    local status=$?
    trap '' INT TERM
    if [[ -n $runner ]] && kill -0 "$runner" 2>/dev/null; then
        kill -INT -- "-$runner" 2>/dev/null || true
        wait "$runner" 2>/dev/null || true
    fi
    end_leftovers
    # After a failure the logs stay for a look; the runner said where.
    if ((status == 0)); then rm -rf "$OAREPO_S3_RUN_FOLDER"; fi
    exit "$status"
}

chosen=()
options=()
if [[ ${1:-} == soak ]]; then
    if [[ " $* " == *" -h "* || " $* " == *" --help "* ]]; then usage; exit 0; fi
    chosen=(soak)
    options=("${@:2}")
    set --
fi
for argument in "$@"; do
    case "$argument" in
        -h | --help) usage; exit 0 ;;
        setup) ;;
        *)
            if [[ " ${TIERS[*]} " != *" $argument "* ]]; then say "unknown tier: $argument"; usage >&2; exit 2; fi
            chosen+=("$argument")
            ;;
    esac
done
if [[ " $* " == *" setup "* && ${#chosen[@]} -gt 0 ]]; then say "setup runs no tiers"; usage >&2; exit 2; fi
if ((${#chosen[@]} == 0)); then chosen=("${TIERS[@]}"); fi

install_python_packages all,tests,docs,benchmarks
packages=()
for tier in "${chosen[@]}"; do read -ra more <<<"${APT_PACKAGES[$tier]:-}"; packages+=("${more[@]}"); done
if ! install_apt_packages $(printf '%s\n' "${packages[@]}" | sort -u); then
    say "some servers are missing; the tests that need them will say so"
    if [[ " $* " == *" setup "* ]]; then exit 1; fi
fi
if [[ " $* " == *" setup "* ]]; then exit 0; fi

export OAREPO_S3_RUN_FOLDER="$PWD/.run/$$"
mkdir -p "$OAREPO_S3_RUN_FOLDER"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# With job control the runner gets a process group of its own, and Ctrl-C reaches it through finish() alone, once.
set -m
.venv/bin/python -m tests.runner "${chosen[@]}" "${options[@]}" &
runner=$!
set +m
wait "$runner"
