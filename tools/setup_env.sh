#!/bin/sh
# Installs scaseg and the versions of requirements/tested.txt into .venv, or says in one sentence what stands in the way.
#
#   sh tools/setup_env.sh [STEP]     from the repository root; STEP is how to number the messages, such as 1/4
#
# PYTHON, where set, names the interpreter to build .venv from. The Makefile calls this when .venv/.installed is missing
# or older than what it was made from.
set -eu

step=${1:-1/1}
installed=.venv/.installed    # written last: the environment is whole
unfinished=.venv/.unfinished  # stands while pip works: what an interruption leaves behind cannot be trusted
log=.venv/install.log
needed_gb=12                  # 6 stay in .venv; 3 of wheels while pip unpacks them and 3 in pip's cache
tested_pythons='3.11 to 3.13' # the versions of Python that every pin in requirements/tested.txt exists for

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
gigabytes_in() { du -sk "$1" 2>/dev/null | awk '{ printf "%.1f GB", $1 / 1048576 }'; }

# A name on PATH is no proof: version managers put stubs there that only fail. So each one is run.
is_suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }
version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo 'missing or broken'; }

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if is_suitable "$candidate"; then
            python=$candidate
            return
        fi
        [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is $(version_of "$PYTHON"), but Python $tested_pythons is needed."
    done
    fail "Python $tested_pythons is needed and python3 is $(version_of python3): install one (Debian, Ubuntu:" \
        "'sudo apt install python3.11-venv'; macOS: 'brew install python@3.13'), or name one with PYTHON=/path/to/python."
}

make_venv() {
    find_python
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments: on Debian or Ubuntu run 'sudo apt install" \
            "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv' and try again."
    rm -rf .venv
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge $((needed_gb * 1048576)) ] ||
        fail "$((free_kb / 1048576)) GB are free on this disk and the installation needs $needed_gb GB while it runs:" \
            "free some space and try again."
    say "$step installing into .venv with Python $(version_of "$python"): about 2 minutes with a fast connection, 6 GB on disk"
    mkdir .venv && : >"$unfinished"
    "$python" -m venv .venv >"$log" 2>&1 || fail "$python could not make a virtual environment: see $log."
}

reuse_venv() {
    { is_suitable .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; } ||
        fail ".venv was made elsewhere and cannot serve (it is Python $(version_of .venv/bin/python); Python $tested_pythons" \
            "with pip is needed): delete it with 'rm -rf .venv' and try again."
    say "$step bringing .venv up to date with requirements/tested.txt: seconds, or minutes when a large package changed"
    : >"$unfinished"
}

explain_pip_failure() {
    # pip downloads everything before it changes anything, so a download that failed leaves a whole .venv whole.
    [ -z "$was_whole" ] || grep -q '^Installing collected' "$log" || rm -f "$unfinished"
    if grep -q 'No space left on device' "$log"; then
        fail "the disk is full: free $needed_gb GB and try again."
    elif grep -qE 'Retrying \(Retry|ReadTimeoutError|IncompleteRead|ConnectionResetError|SSLError' "$log" ||
        ! grep -qE '^Collecting|already satisfied' "$log"; then
        fail "pip could not reach the package index: check the network and pip's own configuration (behind a proxy, set" \
            "HTTPS_PROXY) and try again; pip's words are in $log."
    elif grep -q 'No matching distribution found' "$log"; then
        fail "no build for this machine ($(uname -sm)): $(grep -m 1 -o 'No matching distribution found.*' "$log");" \
            "requirements/tested.txt was tested on Linux x86_64, requirements.txt leaves the versions open."
    fi
    tail -n 20 "$log" >&2
    fail "pip failed; its last words are above and the rest is in $log."
}

# pip unpacks gigabytes in TMPDIR; inside .venv they share the disk that was checked, and not a small /tmp.
pip_install() { TMPDIR=$PWD/.venv/tmp .venv/bin/python -m pip install "$@" >>"$log" 2>&1 || explain_pip_failure; }

report_progress() { # every 20 s, for as long as this script lives
    while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        say "    ... $(($(date +%s) - started)) s, $(gigabytes_in .venv) so far"
    done
}

started=$(date +%s)
if [ -x .venv/bin/python ] && [ ! -e "$unfinished" ]; then was_whole=yes; else was_whole=; fi
if [ "$was_whole" ]; then reuse_venv; else make_venv; fi
mkdir -p .venv/tmp
: >"$log"
report_progress &
reporter=$!
trap 'kill $reporter 2>/dev/null || :' EXIT
pip_install -r requirements/tested.txt
pip_install --no-deps --no-build-isolation --editable .
rm -rf .venv/tmp "$unfinished"
: >"$installed"
say "    installed in $(($(date +%s) - started)) s, .venv holds $(gigabytes_in .venv)"
