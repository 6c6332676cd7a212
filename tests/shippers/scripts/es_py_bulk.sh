#!/bin/bash
# elasticsearch-py: bulk, and what applications call beside it. ESV=7|8|'' (newest), GZIP, BULK_ONLY, ES_USER, API_KEY
. "$(dirname "$0")/lib.sh"
python="$PYTHON"
[ -n "${ESV:-}" ] && python="$SHIPPERS_HOME/venv/es$ESV/bin/python"
"$python" - <<'P'
import datetime
import os

import elasticsearch
from elasticsearch import helpers

old = elasticsearch.__version__[0] < 8
mark, count, env = os.environ["MARK"], int(os.environ["COUNT"]), os.environ.get
options = {"timeout" if old else "request_timeout": 20, "http_compress": bool(env("GZIP"))}
if env("API_KEY"):
    options["api_key"] = env("API_KEY")
elif env("ES_USER"):
    options["http_auth" if old else "basic_auth"] = (env("ES_USER"), env("ES_PASS"))
client = elasticsearch.Elasticsearch([os.environ["BASE"]], **options)


def document(n):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {"@timestamp": now, "message": f"hello {mark} {n}", "log.level": "error", "host": {"name": "web01"}}


actions = [{"_op_type": "index", "_index": "logs-app-default", "_source": document(n)} for n in range(count)]
assert helpers.bulk(client, actions) == (count, [])
if not env("BULK_ONLY"):
    assert client.ping() and client.info()["version"]["number"]
    one, query = document(count), {"match": {"message": mark}}
    if old:
        client.index(index="logs-app-default", body=one)
        client.search(index="logs-app-default", body={"query": query, "size": 5})
    else:
        client.index(index="logs-app-default", document=one)
        client.search(index="logs-app-default", query=query, size=5)
P
