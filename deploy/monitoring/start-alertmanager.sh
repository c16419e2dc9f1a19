#!/bin/sh
# Starts Alertmanager with a configuration that contains values of the environment:
#   start-alertmanager.sh TEMPLATE FOLDER COMMAND [ARGUMENT...]
# The configuration and the password are written to FOLDER. docs/monitoring.md lists the variables.
set -eu
umask 077
template=$1
folder=$2
shift 2

missing=
for name in GR_SMTP_HOST GF_SMTP_FROM_ADDRESS OPERATIONS_CONTACTS MONITOR_NET_CONTACTS; do
    eval "value=\${$name:-}"
    if [ -z "$value" ]; then missing="$missing $name"; fi
done
if [ -n "$missing" ]; then
    echo "start-alertmanager.sh: not set, but needed to send mails of alerts:$missing" >&2
    exit 2
fi
case $GR_SMTP_HOST in
*:*) ;;
*)
    echo "start-alertmanager.sh: GR_SMTP_HOST must be HOST:PORT, got $GR_SMTP_HOST" >&2
    exit 2
    ;;
esac
case ${GF_SMTP_FROM_NAME:=Alertmanager} in
*[\"\\]*)
    echo "start-alertmanager.sh: GF_SMTP_FROM_NAME must not contain quotes or backslashes, got $GF_SMTP_FROM_NAME" >&2
    exit 2
    ;;
esac
case ${SMTP_REQUIRE_TLS:=true} in
true | false) ;;
*)
    echo "start-alertmanager.sh: SMTP_REQUIRE_TLS must be true or false, got $SMTP_REQUIRE_TLS" >&2
    exit 2
    ;;
esac

# Without a password, Alertmanager does not log in.
if [ -n "${GF_SMTP_PASSWORD:-}" ]; then user=${GF_SMTP_USER:-$GF_SMTP_FROM_ADDRESS}; else user=; fi
printf '%s' "${GF_SMTP_PASSWORD:-}" > "$folder/smtp-password"

# The escaped value of a variable for the replacement of sed, inside of a YAML string in double quotes.
escape() {
    printf '%s' "$1" | sed -e 's/[\\"]/\\&/g' -e 's/[\\&|]/\\&/g'
}

# Grafana separates addresses by semicolons, Alertmanager by commas.
sed \
    -e "s|\${GR_SMTP_HOST}|$(escape "$GR_SMTP_HOST")|" \
    -e "s|\${GF_SMTP_FROM_NAME}|$(escape "$GF_SMTP_FROM_NAME")|" \
    -e "s|\${GF_SMTP_FROM_ADDRESS}|$(escape "$GF_SMTP_FROM_ADDRESS")|" \
    -e "s|\${GF_SMTP_USER}|$(escape "$user")|" \
    -e "s|\${SMTP_PASSWORD_FILE}|$(escape "$folder/smtp-password")|" \
    -e "s|\${SMTP_REQUIRE_TLS}|$SMTP_REQUIRE_TLS|" \
    -e "s|\${OPERATIONS_CONTACTS}|$(escape "$OPERATIONS_CONTACTS" | tr ';' ',')|" \
    -e "s|\${MONITOR_NET_CONTACTS}|$(escape "$MONITOR_NET_CONTACTS" | tr ';' ',')|" \
    "$template" > "$folder/alertmanager.yaml"
exec "$@" "--config.file=$folder/alertmanager.yaml"
