#!/bin/bash
# python-logging-loki: a logging handler that pushes JSON. LOKI_USER, LOKI_PASS
. "$(dirname "$0")/lib.sh"
"$PYTHON" - <<'P'
import logging
import os

import logging_loki

login = {"auth": (os.environ["LOKI_USER"], os.environ["LOKI_PASS"])} if os.environ.get("LOKI_USER") else {}
push = os.environ["BASE"] + "/loki/api/v1/push"
log = logging.getLogger("shop")
log.addHandler(logging_loki.LokiHandler(url=push, tags={"application": "shop"}, version="1", **login))
for n in range(int(os.environ["COUNT"])):
    log.error("hello %s %d", os.environ["MARK"], n, extra={"tags": {"service": "web"}})
P
