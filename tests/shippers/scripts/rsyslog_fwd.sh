#!/bin/bash
# rsyslog forwards what comes to its socket and what is written to a file. MODE=udp|udp3164|tcp|tcp-octet|tls|relp
. "$(dirname "$0")/lib.sh"
TO="target=\"$HOST\" port=\"$PORT\""
NEW='template="RSYSLOG_SyslogProtocol23Format"'
case $MODE in
  udp) ACTION="action(type=\"omfwd\" protocol=\"udp\" $TO $NEW)" ;;
  udp3164) ACTION="action(type=\"omfwd\" protocol=\"udp\" $TO template=\"RSYSLOG_TraditionalForwardFormat\")" ;;
  tcp) ACTION="action(type=\"omfwd\" protocol=\"tcp\" $TO $NEW)" ;;
  tcp-octet) ACTION="action(type=\"omfwd\" protocol=\"tcp\" tcp_framing=\"octet-counted\" $TO $NEW)" ;;
  tls) ACTION="action(type=\"omfwd\" protocol=\"tcp\" streamDriver=\"gtls\" streamDriverMode=\"1\"
         streamDriverAuthMode=\"x509/name\" streamDriverPermittedPeers=\"localhost\" $TO $NEW)" ;;
  relp) ACTION="module(load=\"omrelp\") action(type=\"omrelp\" $TO $NEW)" ;;
  *) echo "unknown MODE $MODE" >&2; exit 2 ;;
esac
touch "$WORK/app.log"
cat > "$WORK/conf" <<C
global(workDirectory="$WORK" localHostname="web01.example" defaultNetstreamDriverCAFile="$CA")
module(load="imuxsock" sysSock.use="off")
module(load="imfile" pollingInterval="1")
input(type="imuxsock" socket="$WORK/log" useSpecialParser="on")
input(type="imfile" file="$WORK/app.log" tag="myapp:" severity="warning" facility="local3")
$ACTION
C
start rsyslogd -n -f "$WORK/conf" -i "$WORK/pid"
wait_for "$WORK/log"
to_syslog auth.info "Failed password for invalid user bob"
for n in $(seq "$COUNT"); do echo "$(date -Is) ERROR order $MARK $n refused {\"retry\": false}" >> "$WORK/app.log"; done
sleep "${LINGER:-4}"
