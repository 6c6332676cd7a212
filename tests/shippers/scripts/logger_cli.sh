#!/bin/bash
# logger of util-linux, straight to the server. MODE=udp5424|udp3164|tcp5424|tcp-octet
. "$(dirname "$0")/lib.sh"
case $MODE in
  udp5424) HOW=(-d --rfc5424) ;;
  udp3164) HOW=(-d --rfc3164) ;;
  tcp5424) HOW=(-T --rfc5424) ;;
  tcp-octet) HOW=(-T --rfc5424 --octet-count) ;;
  *) echo "unknown MODE $MODE" >&2; exit 2 ;;
esac
STRUCTURED=()
[ "$MODE" = udp3164 ] || STRUCTURED=(--msgid=ORDER --sd-id=shop@32473 --sd-param='user="al \"x\" ü"')
for n in $(seq "$COUNT"); do
  logger -n "$HOST" -P "$PORT" "${HOW[@]}" -t myapp --id=42 -p local0.warning "${STRUCTURED[@]}" "hello $MARK $n – grüß dich"
done
printf 'first line %s\nsecond line %s\n' "$MARK" "$MARK" | logger -n "$HOST" -P "$PORT" "${HOW[@]}" -t stdin -p daemon.info
