#!/bin/bash
# syslog-ng 3.38, unpacked beside rsyslog (as packages they exclude each other).
# MODE=es|http-json|http-array|tcp5424|tls5424|udp5424|udp3164|graylog2|ewmm
. "$(dirname "$0")/lib.sh"
ROOT="$SHIPPERS_HOME/syslog-ng-root"
JSON='$(format-json --scope rfc5424 --scope nv-pairs'
BATCH='batch-lines(10) batch-timeout(500)'
case $MODE in
  es) TO="elasticsearch-http(url(\"$BASE/_bulk\") index(\"syslog-ng\") type(\"\") $BATCH
        template(\"$JSON --exclude DATE --key ISODATE @timestamp=\${ISODATE})\"))" ;;
  http-json) TO="http(url(\"$BASE/ingest\") method(\"POST\") body(\"$JSON)\") delimiter(\"\\n\") $BATCH
        headers(\"Content-Type: application/x-ndjson\", \"Authorization: Bearer ${TOKEN:-none}\"))" ;;
  http-array) TO="http(url(\"$BASE/ingest\") headers(\"Content-Type: application/json\") $BATCH
        body-prefix(\"[\") body(\"$JSON)\") delimiter(\",\") body-suffix(\"]\"))" ;;
  tcp5424) TO="syslog(\"$HOST\" port($PORT) transport(\"tcp\"))" ;;
  tls5424) TO="syslog(\"$HOST\" port($PORT) transport(\"tls\") tls(ca-file(\"$CA\") peer-verify(required-untrusted)))" ;;
  udp5424) TO="syslog(\"$HOST\" port($PORT) transport(\"udp\"))" ;;
  udp3164) TO="network(\"$HOST\" port($PORT) transport(\"udp\"))" ;;
  graylog2) TO="graylog2(host(\"$HOST\") port($PORT) transport(tcp))" ;;
  ewmm) TO="syslog-ng(server(\"$HOST\") port($PORT))" ;;
  *) echo "unknown MODE $MODE" >&2; exit 2 ;;
esac
touch "$WORK/app.log"
cat > "$WORK/conf" <<C
@version: 3.38
@define include-path "$ROOT/etc/syslog-ng:$ROOT/usr/share/syslog-ng/include"
@include "$ROOT/etc/syslog-ng/scl.conf"
options { keep-hostname(yes); use-dns(no); stats-freq(0); flush-lines(1); };
source local {
  unix-dgram("$WORK/log");
  file("$WORK/app.log" follow-freq(1) flags(no-parse) program-override("myapp"));
};
destination logsense { $TO; };
log { source(local); destination(logsense); };
C
export LD_LIBRARY_PATH="$ROOT/usr/lib/syslog-ng:$ROOT/usr/lib"
start "$ROOT/usr/sbin/syslog-ng" -F --no-caps -f "$WORK/conf" -R "$WORK/persist" -p "$WORK/pid" -c "$WORK/ctl" \
  --module-path "$ROOT/usr/lib/syslog-ng/3.38"
wait_for "$WORK/log"
to_syslog auth.err 'Failed "password" for root'
for n in $(seq "$COUNT"); do echo "order $MARK $n refused" >> "$WORK/app.log"; done
sleep "${LINGER:-5}"
