#!/bin/bash
# rsyslog's omelasticsearch, as its documentation shows it. MODE=bulk|single, ES_TYPE (may be empty), ES_USER, ES_PASS
. "$(dirname "$0")/lib.sh"
[ "$MODE" = bulk ] && BULK=on || BULK=off
LOGIN=${ES_USER:+uid=\"$ES_USER\" pwd=\"$ES_PASS\"}
cat > "$WORK/conf" <<C
global(workDirectory="$WORK" localHostname="web01.example")
module(load="imuxsock" sysSock.use="off")
module(load="omelasticsearch")
input(type="imuxsock" socket="$WORK/log" useSpecialParser="on")
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="app" name="programname" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
action(type="omelasticsearch" server="$HOST" serverport="$PORT" usehttps="off" template="document"
  searchIndex="syslog" searchType="${ES_TYPE:-}" bulkmode="$BULK" errorfile="$WORK/refused" $LOGIN
  queue.type="linkedlist" queue.dequeuebatchsize="300" action.resumeretrycount="-1" action.resumeinterval="2")
C
start rsyslogd -n -f "$WORK/conf" -i "$WORK/pid"
wait_for "$WORK/log"
to_syslog auth.err 'Failed "password" for root'
sleep "${LINGER:-5}"
[ -s "$WORK/refused" ] && { echo ERRORFILE; cat "$WORK/refused"; }
exit 0
