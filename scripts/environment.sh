# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Makes .venv/ and installs Debian packages. Sourced by run-tests.sh and run-demo.sh, in the project's folder.

ATTEMPTS=4

say() { printf '%s\n' "$*" >&2; }

retry() {
    local attempt
    for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
        if "$@"; then return 0; fi
        say "attempt $attempt of $ATTEMPTS failed: $*"
        if ((attempt < ATTEMPTS)); then sleep $((attempt * 3)); fi
    done
    return 1
}

as_root() { if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi; }

may_be_root() { ((EUID == 0)) || sudo -n true 2>/dev/null; }

is_installed() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == "install ok installed" ]]; }

# Installs the Debian packages that are missing. Their services are neither wanted nor started: the tests run servers of
# their own, so a policy denies the start while the packages are set up (unless the machine has a policy already).
install_apt_packages() {
    local package policy=/usr/sbin/policy-rc.d missing=() status=0
    for package in "$@"; do
        if ! is_installed "$package"; then missing+=("$package"); fi
    done
    if ((${#missing[@]} == 0)); then return 0; fi
    if ! command -v apt-get >/dev/null; then say "no apt-get; cannot install: ${missing[*]}"; return 1; fi
    if ! may_be_root; then say "neither root nor passwordless sudo; cannot install: ${missing[*]}"; return 1; fi
    say "installing: ${missing[*]}"
    retry as_root apt-get update -qq || return 1
    if [[ -e $policy ]]; then
        policy=
    else
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    retry as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || status=1
    if [[ -n $policy ]]; then as_root rm -f $policy; fi
    return $status
}

find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then printf '%s' "$name"; return; fi
    done
    say "Python 3.11 or later is needed"
    return 1
}

make_environment() {
    local python
    if [[ -x .venv/bin/python ]]; then return; fi
    python=$(find_python)
    # Debian keeps the means to create environments in a package of its own.
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then install_apt_packages python3-venv; fi
    "$python" -m venv .venv
}

# Installs the project with the extras given, such as "all,tests". A stamp says what is installed from which files, so
# that nothing is done the second time; extras that were installed before are kept up to date with the new ones.
install_python_packages() { # extras
    local stamp=.venv/installed files installed_files= installed= extra extras packages
    make_environment
    files=$({
        .venv/bin/python -VV
        pwd
        cat setup.cfg pyproject.toml constraints.txt client/pyproject.toml
    } | sha256sum | cut -d' ' -f1)
    if [[ -f $stamp ]]; then read -r installed_files installed <"$stamp" || true; fi
    extras=${installed#-}
    for extra in ${1//,/ }; do
        if [[ ,$extras, != *,"$extra",* ]]; then extras=${extras:+$extras,}$extra; fi
    done
    if [[ $installed_files == "$files" && $installed == "$extras" ]]; then return; fi
    say "installing Python packages into .venv/"
    # Demo, tests and benchmarks run the client as well, which is a package of its own.
    packages=(-e ".[$extras]" -e ./client)
    retry .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "${packages[@]}"
    .venv/bin/python -m pip check
    printf '%s %s\n' "$files" "$extras" >"$stamp"
}
