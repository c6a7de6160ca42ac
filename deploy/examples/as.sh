#!/bin/sh
# sh as.sh USER COMMAND...: runs a command with the settings of tocsin.env and this user's name and password on the bus.
set -eu
set -a; . ./tocsin.env; set +a
export TOCSIN_KAFKA__SASL_USERNAME="$1" TOCSIN_KAFKA__SASL_PASSWORD_FILE="$PWD/secrets/$1"
shift
exec "$@"
