#!/bin/sh
# Puts a Python environment with what requirements.txt names into the cache, once; prints its interpreter.
# Needs python3 with venv and pip. Remove the folder to remove everything this leaves behind.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${TIDEMILL_CACHE:-$HOME/.cache/tidemill}
target=$cache/python-$(cat "$here/requirements.txt" "$here/references.txt" | cksum | cut -d ' ' -f 1)

command -v python3 >/dev/null 2>&1 || { echo "install.sh: python3 is missing" >&2; exit 3; }

if [ ! -f "$target/complete" ]; then
    mkdir -p "$cache"
    # An environment cannot be moved, so one process makes it while the others wait.
    exec 9> "$target.lock"
    flock 9
    if [ ! -f "$target/complete" ]; then
        rm -rf "$target"
        python3 -m venv "$target" >&2
        "$target/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements.txt" >&2
        # Of these only files are read, so what they need to run is left out.
        "$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: -r "$here/references.txt" >&2
        touch "$target/complete"
    fi
fi
echo "$target/bin/python"
