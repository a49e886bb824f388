#!/bin/sh
# Keep, or bring back, everything that the stack stores: topics, lake, tables, documents, models, cursors, metrics.
#   sh infra/docker/backup.sh save FILE.tar.gz       stops what runs, copies all volumes at that one moment, starts it again
#   sh infra/docker/backup.sh restore FILE.tar.gz    into empty volumes only; then: docker compose up -d
# Further words go to `docker compose`: --env-file, -p. .env and the secrets are not in the file: keep them beside it.
set -eu
fail() { echo "backup: $*" >&2; exit 2; }

[ $# -ge 2 ] || fail "say save or restore, and a file: sh infra/docker/backup.sh save backup.tar.gz"
what=$1 file=$2
shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(cd "$(dirname "$file")" 2>/dev/null && pwd) || fail "there is no folder $(dirname "$file"); make it first"
file=$folder/$(basename "$file")

compose() { docker compose --project-directory "$here" -f "$here/docker-compose.yml" --profile '*' "$@"; }

case $what in
save)
    [ ! -e "$file" ] || fail "$file is there already; name another"
    running=$(compose "$@" ps --services --status running)
    # Services first, so that they write what they hold; then the servers.
    compose "$@" stop $(echo "$running" | grep -Evx 'kafka|minio|postgres|mongo' || true) >/dev/null
    compose "$@" stop >/dev/null
    umask 077
    status=0
    compose "$@" run --rm --no-deps -T backup -cz $(compose "$@" config --volumes) >"$file.part" || status=$?
    [ -z "$running" ] || compose "$@" start $running >/dev/null
    [ $status -eq 0 ] || fail "the volumes could not be read (see above); $file.part is not whole"
    mv "$file.part" "$file"
    echo "backup: $file holds $(du -h "$file" | cut -f1); keep .env and the secrets beside it"
    ;;
restore)
    [ -r "$file" ] || fail "$file cannot be read"
    gzip -t "$file" 2>/dev/null || fail "$file is damaged: gzip cannot read it to its end"
    [ -z "$(compose "$@" ps --services --status running)" ] || fail "the stack runs; stop it first: docker compose down"
    held=$(compose "$@" run --rm --no-deps -T --entrypoint find backup . -mindepth 2 -print -quit)
    [ -z "$held" ] || fail "the volumes hold data (${held#./}); remove them first: docker compose down -v"
    compose "$@" run --rm --no-deps -T backup -xz --same-owner -p <"$file"
    echo "backup: brought back from $file; next: docker compose up -d"
    ;;
*) fail "$what is neither save nor restore" ;;
esac
