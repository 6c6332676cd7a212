#!/bin/bash
# Python clients of further protocols. KIND=fluent|graypy-udp|graypy-tcp|graypy-http|beats|influx|statsd|graphite
exec "$SHIPPERS_HOME/venv/more/bin/python" "$(dirname "$0")/more_clients.py"
