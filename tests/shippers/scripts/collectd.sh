#!/bin/bash
# collectd's write_http in JSON, reading the load of this machine.
W=$(mktemp -d); trap 'kill $P 2>/dev/null; wait $P 2>/dev/null; rm -rf "$W"' EXIT
cat > "$W/c.conf" <<C
Hostname "web01"
BaseDir "$W"
PIDFile "$W/pid"
Interval 1
LoadPlugin load
LoadPlugin write_http
<Plugin write_http>
  <Node "logsense">
    URL "http://$HOST:$PORT/collectd"
    ${KEY:+User shipper}
    ${KEY:+Password $KEY}
    Format "JSON"
    BufferSize 4096
    Timeout 3000
  </Node>
</Plugin>
C
/usr/sbin/collectd -f -C "$W/c.conf" & P=$!
sleep "${LINGER:-6}"
kill $P; wait $P
