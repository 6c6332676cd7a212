"""Certificates that run out, for ``record_onsets.py``: a TLS endpoint whose renewal fails, and a client that verifies.

The endpoint is a thread of the recorder; key, certificate, handshake and verification are OpenSSL's own.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from recorder.common import until
from recorder.onset_faults import Fault, Onset, Stage
from recorder.onset_host import Rig

CONFIG = """[ca]
default_ca = own
[own]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
"""


class Endpoint:
    """A TLS server with a self-signed certificate of a few minutes, asked by a verifying client all the time."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.folder = rig, rig.home
        (self.folder / "ca.cnf").write_text(CONFIG)
        (self.folder / "index").touch()
        (self.folder / "serial").write_text("01")
        self.key = self.folder / "key.pem"
        subject = "/CN=shop.example"
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-keyout", str(self.key), "-subj", subject, "-config", "ca.cnf", "-out", "csr.pem")  # fmt: skip
        self.until = 0.0
        self.first_error = 0.0
        self.good = self.bad = 0
        self.lock = threading.Lock()
        self.install(rig.rng.uniform(2400, 7200))
        self.server = socket.create_server(("127.0.0.1", 0))
        rig.closers.append(self.server.close)
        for task in (self._serve, self._ask):
            threading.Thread(target=task, daemon=True).start()

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def install(self, seconds: float) -> None:
        """A new certificate that is good for this long."""
        end = int(time.time() + seconds)
        clock = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(end))
        self._openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "key.pem", "-in", "csr.pem",
                      "-out", "new.pem", "-enddate", clock, "-notext")  # fmt: skip
        (self.folder / "new.pem").replace(self.folder / "cert.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.key)
        with self.lock:
            self.context, self.until = context, float(end)
        self.say(
            "INFO", f"certificate for shop.example installed, valid until {datetime.fromtimestamp(end, UTC):%FT%TZ}"
        )

    def say(self, level: str, text: str) -> None:
        now = time.time()
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        self.rig.write("edge-tls", f"{clock},{int(now % 1 * 1000):03d} {level} [edge.tls] {text}")

    def _serve(self) -> None:
        while not self.rig.closing.is_set():
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                context = self.context
            with suppress(OSError), client, context.wrap_socket(client, server_side=True) as tls:
                tls.sendall(b"200")

    def _ask(self) -> None:
        while not self.rig.closing.wait(self.rig.rng.uniform(0.6, 1.4)):
            context = ssl.create_default_context(cafile=str(Path(self.folder) / "cert.pem"))
            context.check_hostname = False  # the certificate names no alternative names; its dates are what counts
            try:
                with (
                    socket.create_connection(self.server.getsockname(), 3) as raw,
                    context.wrap_socket(raw, server_hostname="shop.example") as tls,
                ):
                    tls.recv(16)
                self.good += 1
            except ssl.SSLCertVerificationError as error:
                self.bad += 1
                self.first_error = self.first_error or time.time()
                self.say("ERROR", f"handshake with shop.example failed: {error.verify_message}")
            except OSError as error:
                self.say("WARNING", f"handshake with shop.example failed: {error}")

    def gauge(self) -> dict[str, float]:
        if self.rig.dialect == "prometheus":
            return {
                "probe_ssl_earliest_cert_expiry": self.until,
                "probe_success_total": self.good,
                "probe_failures_total": self.bad,
            }
        return {
            "tls.certificate.expires_in": round(self.until - time.time(), 1),
            "tls.client.handshakes": self.good,
            "tls.client.errors": self.bad,
        }


def tls_stage(rig: Rig) -> Stage:
    end = Endpoint(rig)
    rig.gauges = [end.gauge, rig.resources]

    def expiry() -> Onset:
        """The last renewal made a short certificate, and the next ones fail."""
        seconds, pause = rig.rng.uniform(120, 420), rig.rng.uniform(25, 60)
        end.first_error = 0.0
        end.install(seconds)
        stop = time.time() + seconds + 60
        while not end.first_error and time.time() < stop:
            if until(lambda: end.first_error, pause, 0.2):
                break
            end.say(
                "WARNING", "renewal of the certificate for shop.example failed: acme server answered 503, will retry"
            )
        if not end.first_error:
            raise RuntimeError(f"certificate on {rig.name}: no failure was seen")
        effect = end.first_error
        rig.closing.wait(rig.rng.uniform(8, 20))
        end.install(rig.rng.uniform(2400, 7200))
        return Onset(effect, f"a certificate of {seconds:.0f} s was not renewed")

    benign = [("the certificate is renewed in time", lambda: end.install(rig.rng.uniform(2400, 7200)))]
    return Stage(rig, [Fault("certificate_expiry", "edge-tls", expiry)], benign)
