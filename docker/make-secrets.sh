#!/bin/sh
# Makes in docker/secrets/ what can be made by a machine, and leaves what is there as it is.
# Give TLS files (tls.crt, tls.key) and the vault's private key (vault.key) yourself: README.md.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { head -c 48 /dev/urandom | base64 | tr -d '+/=\n'; }

make() {  # make FILE TEXT: writes it once
    [ -e "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"
}

make secret_key "$(random)"
make db_password "$(random)"
password=$(cat secrets/db_password)
make database_url "postgres://llmsynthor:$password@db/state"
make log_database_url "postgres://llmsynthor:$password@db/log"
make providers.json '{}'
echo "In secrets/ now: $(find secrets -type f -exec basename {} \; | sort | tr '\n' ' ')"
