"""One real client library per KIND, sending COUNT records with MARK to HOST:PORT."""

import logging
import os
import time

HOST, PORT, MARK, COUNT = os.environ["HOST"], int(os.environ["PORT"]), os.environ["MARK"], int(os.environ["COUNT"])
KIND = os.environ["KIND"]
log = logging.getLogger("shop")
log.setLevel(logging.INFO)

if KIND == "fluent":
    from fluent import sender

    client = sender.FluentSender("shop", host=HOST, port=PORT, nanosecond_precision=True)
    for n in range(COUNT):
        record = {"message": f"hello {MARK} {n}", "host": "web01", "service": "shop", "level": "error"}
        assert client.emit("web", record), client.last_error
    client.close()
elif KIND.startswith("graypy"):
    import graypy

    kind = {"udp": graypy.GELFUDPHandler, "tcp": graypy.GELFTCPHandler, "http": graypy.GELFHTTPHandler}
    log.addHandler(kind[KIND.split("-")[1]](HOST, PORT, localname="web01"))
    for n in range(COUNT):
        log.error("hello %s %d %s", MARK, n, "x" * 5000 if n == 0 else "", extra={"service": "shop"})
    logging.shutdown()
elif KIND == "beats":
    from pylogbeat import PyLogBeatClient

    with PyLogBeatClient(HOST, PORT, timeout=10) as client:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        client.send([
            {"@timestamp": now, "message": f"hello {MARK} {n}", "host": {"name": "web01"}, "service": {"name": "shop"},
             "log": {"level": "error"}}
            for n in range(COUNT)
        ])  # fmt: skip
elif KIND == "influx":
    from influxdb_client import InfluxDBClient, Point
    from influxdb_client.client.write_api import SYNCHRONOUS

    token = os.environ.get("TOKEN", "")
    with InfluxDBClient(f"http://{HOST}:{PORT}", token=token, org="o", enable_gzip=True) as client:
        point = Point("syslog").tag("host", "web01").tag("appname", "shop").tag("severity", "error")
        for n in range(COUNT):
            client.write_api(SYNCHRONOUS).write("b", record=point.field("message", f"hello {MARK} {n}").field("n", n))
        assert client.ping()
elif KIND == "statsd":
    import statsd

    client = statsd.StatsClient(HOST, PORT)
    for _ in range(COUNT):
        client.incr("shop.orders")
        client.timing("shop.latency", 12)
else:
    raise SystemExit(f"unknown KIND {KIND}")
