#!/bin/sh
# Puts Versity's S3 gateway into the cache, once; prints the program. Builds it from source, which takes a minute or two.
# Needs go. Remove the folder to remove everything this leaves behind, apart from Go's own caches.
set -eu

version=v1.8.0
cache=${TIDEMILL_CACHE:-$HOME/.cache/tidemill}
target=$cache/versitygw-$version

command -v go >/dev/null 2>&1 || { echo "install.sh: go is missing; a real S3 server needs go" >&2; exit 3; }

if [ ! -d "$target" ]; then
    mkdir -p "$cache"
    # Complete or not there at all, also when two of these run at once.
    staging=$(mktemp -d "$cache/versitygw-$version.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    GOBIN=$staging go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2
    mv -T "$staging" "$target" 2>/dev/null || [ -d "$target" ]
fi
echo "$target/versitygw"
