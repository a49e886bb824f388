#!/bin/sh
# Make .venv with what one extra needs: setup.sh embedded | dev. Says in one line what is missing.
set -eu
extra=$1
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

fail() { echo "setup: $*" >&2; exit 2; }

good() { "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 && good "$candidate"; then python=$candidate; break; fi
    done
fi
[ -n "$python" ] || fail "Python 3.11 or later is missing; install it, or name it: make PYTHON=/path/to/python3.11"
good "$python" || fail "$python is not Python 3.11 or later; name another: make PYTHON=/path/to/python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "the venv module of $python is missing; on Debian: apt-get install python3-venv"

free_mb=$(df -Pm . | awk 'NR == 2 { print $4 }')
[ "${free_mb:-9999}" -ge 3000 ] || fail "3,000 MB of free disk are needed here, there are ${free_mb}; free some and start again"

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    "$python" -m venv --clear .venv || fail "could not make .venv with $python"
fi
echo "setup: installing the packages of requirements/$extra.txt into .venv (about a minute the first time)"
log=.venv/install.log
.venv/bin/python -m pip install --disable-pip-version-check --no-input --require-hashes -r "requirements/$extra.txt" >"$log" 2>&1 ||
    fail "pip could not install requirements/$extra.txt: $(grep -i error "$log" | tail -n 1) (all of it: $log)"
.venv/bin/python -m pip install --disable-pip-version-check --no-input --no-deps --no-build-isolation -e . >>"$log" 2>&1 ||
    fail "pip could not install the project itself: $(grep -i error "$log" | tail -n 1) (all of it: $log)"
touch ".venv/.$extra"
if [ "$extra" = dev ]; then touch .venv/.embedded; fi
