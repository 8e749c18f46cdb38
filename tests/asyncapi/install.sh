#!/bin/sh
# Puts the official JSON Schemas of AsyncAPI into the cache, once; prints the folder they lie in.
# Needs npm. Remove the folder to remove everything this leaves behind.
set -eu

version=6.11.1
cache=${TIDEMILL_CACHE:-$HOME/.cache/tidemill}
target=$cache/asyncapi-specs-$version

command -v npm >/dev/null 2>&1 || { echo "install.sh: npm is missing" >&2; exit 3; }

if [ ! -d "$target" ]; then
    mkdir -p "$cache"
    # Complete or not there at all, also when two of these run at once.
    staging=$(mktemp -d "$cache/asyncapi-specs-$version.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    (cd "$staging" && npm pack --silent "@asyncapi/specs@$version" && tar -xzf ./*.tgz && rm ./*.tgz) >&2
    mv -T "$staging/package/schemas" "$target" 2>/dev/null || [ -d "$target" ]
fi
echo "$target"
