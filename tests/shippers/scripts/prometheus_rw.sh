#!/bin/bash
# Prometheus as an agent: scrapes a node_exporter and writes to the server. TOKEN
. "$(dirname "$0")/lib.sh"
free_port() { "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
EXPORTER=$(free_port) OWN=$(free_port)
cat > "$WORK/conf.yml" <<C
global:
  scrape_interval: 2s
  external_labels: {cluster: test}
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["127.0.0.1:$EXPORTER"]}]
remote_write:
  - url: "$BASE/api/v1/write"
    authorization: {credentials: "${TOKEN:-none}"}
    metadata_config: {send_interval: 3s}
    queue_config: {batch_send_deadline: 1s, max_shards: 1}
C
start prometheus-node-exporter --web.listen-address="127.0.0.1:$EXPORTER" --collector.disable-defaults \
  --collector.loadavg --collector.meminfo --log.level=error
start prometheus --config.file="$WORK/conf.yml" --enable-feature=agent --storage.agent.path="$WORK/data" \
  --web.listen-address="127.0.0.1:$OWN" --log.level=warn
sleep "${LINGER:-9}"
