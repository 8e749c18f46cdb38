#!/bin/sh
# Puts Apicurio Registry 3.3.3 into the cache, once; prints its folder and the java that runs it, a line each.
# Needs mvn and java 21 or newer (JAVA_HOME, the path, or under /usr/lib/jvm). 159 MB to fetch.
# Remove the folder to remove everything this leaves behind, apart from Maven's own cache.
set -eu

version=3.3.3
cache=${TIDEMILL_CACHE:-$HOME/.cache/tidemill}
target=$cache/apicurio-$version

command -v mvn >/dev/null 2>&1 || { echo "install.sh: mvn is missing; the schema registry needs mvn and java 21 or newer" >&2; exit 3; }
java=
for candidate in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$candidate" ] || continue
    found=$("$candidate" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${found:-0}" -ge 21 ] && { java=$candidate; break; }
done
[ -n "$java" ] || { echo "install.sh: no java 21 or newer in JAVA_HOME, the path or /usr/lib/jvm" >&2; exit 3; }

if [ ! -d "$target" ]; then
    mkdir -p "$cache"
    # Complete or not there at all, also when two of these run at once.
    staging=$(mktemp -d "$cache/apicurio-$version.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    (cd "$staging" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$staging") >&2
    tar -xzf "$staging"/*.tar.gz -C "$staging"
    rm "$staging"/*.tar.gz
    mv -T "$staging" "$target" 2>/dev/null || [ -d "$target" ]
fi
echo "$target"
echo "$java"
