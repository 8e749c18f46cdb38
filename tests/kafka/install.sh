#!/bin/sh
# Puts the jars of Apache Kafka 4.3.0 into the cache, once; prints the folder they lie in.
# Needs java 17 or newer and mvn. Remove the folder to remove everything this leaves behind.
set -eu

version=4.3.0
here=$(cd "$(dirname "$0")" && pwd)
cache=${TIDEMILL_CACHE:-$HOME/.cache/tidemill}
target=$cache/kafka-$version

for tool in java mvn; do
    command -v "$tool" >/dev/null 2>&1 || { echo "install.sh: $tool is missing; real Kafka needs java 17 or newer and mvn" >&2; exit 3; }
done
java_version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
[ "${java_version:-0}" -ge 17 ] || { echo "install.sh: java ${java_version:-of unknown version} is too old; real Kafka needs java 17 or newer" >&2; exit 3; }

if [ ! -d "$target" ]; then
    mkdir -p "$cache"
    # Complete or not there at all, also when two of these run at once.
    staging=$(mktemp -d "$cache/kafka-$version.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    cp "$here/pom.xml" "$staging/pom.xml"
    (cd "$staging" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$staging/lib") >&2
    mv -T "$staging" "$target" 2>/dev/null || [ -d "$target/lib" ]
fi
echo "$target"
