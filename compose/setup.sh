#!/bin/sh
# Makes the secrets of the stack, once: the store's key, and tokens for the collector and for you. They lie in `secrets/`
# and `.env` beside this script; remove both to have others made. TIDEMILL names the program, by default the image's.
set -eu

cd "$(dirname "$0")"
tidemill=${TIDEMILL:-docker run --rm --pull never tidemill:0.1.0}
[ ! -e secrets ] || { echo "setup.sh: there are secrets already; remove compose/secrets and compose/.env for new ones" >&2; exit 1; }

umask 077
new=secrets.new
rm -rf "$new"
mkdir "$new"
for holder in collector:read me:read,publish,score,operate; do
    name=${holder%%:*}
    # The token, and the line by which the gateway knows it. Services run as another user, who reads digests only.
    $tidemill token "$name" --role "${holder#*:}" > "$new/both" 2> "$new/said" || {
        cat "$new/said" >&2
        echo "setup.sh: no token was made; README.md says how the image is built, and TIDEMILL names another program" >&2
        exit 1
    }
    head -n 1 "$new/both" | tr -d '\n' > "$new/$name"
    tail -n 1 "$new/both" >> "$new/tokens.yaml"
done
rm "$new/both" "$new/said"
chmod 755 "$new"
chmod 644 "$new/tokens.yaml" "$new/collector"
printf 'S3_SECRET=%s\n' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" > .env
mv "$new" secrets
echo "made secrets/ and .env; your token is in compose/secrets/me"
