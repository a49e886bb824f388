#!/bin/sh
# Make what `docker compose up` needs: .env from .env.example, and a random password a file in secrets/.
#   sh infra/docker/init.sh [FOLDER]     FOLDER: where both are made; this checkout where none is given
# It needs a POSIX shell and /dev/urandom. What is there already is never overwritten.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$here}

fail() { echo "init: $*" >&2; exit 2; }

# A file is <server>_<identity>: whoever logs in there has one, and gets no other.
random="kafka_admin kafka_producers kafka_consumers kafka_aggregator kafka_train kafka_predictor kafka_cli
        postgres_admin postgres_producers postgres_consumers postgres_aggregator postgres_train postgres_predictor postgres_cli
        lake_admin lake_consumers lake_aggregator lake_cli
        mongo_admin mongo_train mongo_cli
        grafana_admin"
# Keys that only their owner can fill in; the profile `alpaca` says which one is missing.
yours="alpaca_api_key alpaca_secret_key fred_api_key"

[ -r /dev/urandom ] || fail "/dev/urandom cannot be read, so there is nothing to make passwords of"
[ ! -e "$folder/.env" ] || fail "$folder/.env is there already; move it away, or keep it and do nothing"
[ ! -e "$folder/secrets" ] || fail "$folder/secrets is there already; the servers keep these passwords, so move it away only for a new stack"

umask 077
mkdir -p "$folder/secrets"
# Containers read these files as another user than yours; the folder keeps everybody else on this machine out.
for name in $random; do
    password=$(LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | dd ibs=1 obs=32 count=32 2>/dev/null)
    [ ${#password} -eq 32 ] || fail "no random password could be made from /dev/urandom"
    printf '%s' "$password" >"$folder/secrets/$name"
done
chmod 0444 "$folder/secrets"/*
for name in $yours; do
    : >"$folder/secrets/$name"
    chmod 0644 "$folder/secrets/$name"
done
chmod 0700 "$folder/secrets"
cluster=$(LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | dd ibs=1 obs=21 count=21 2>/dev/null)
secrets=./secrets
[ "$folder" = "$here" ] || secrets=$folder/secrets
sed -e "s|^SECRETS_DIR=.*|SECRETS_DIR=$secrets|" -e "s|^KAFKA_CLUSTER_ID=.*|KAFKA_CLUSTER_ID=${cluster}A|" \
    "$here/.env.example" >"$folder/.env.new"
mv "$folder/.env.new" "$folder/.env"
echo "init: made $folder/.env and $(ls "$folder/secrets" | wc -l | tr -d ' ') files in $folder/secrets; next: docker compose up -d"
