"""What a crowd of hostile clients of the status page costs: nothing, it should be.

hostile_status.py [SECONDS] [--rate N | --rate max] [--connections N] [--rounds N]: the delivered rate of a run without and
with N (1,000) connections that misbehave in six ways, in turns, on loopback, with the processor time of the run and of the
crowd. The crowd is niced: its own work is not what is asked about. Exit status 1 when a reading is lost.
"""
import argparse
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
os.environ.setdefault("VOLUME_UPLOADER", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                      "../build/release/volume-uploader"))
from plant import Place, fail, free_port, log_of, name_range, wait_for  # noqa: E402
from stream_to_volume import Trace, cpu_seconds, rows_in  # noqa: E402

KINDS = ("silent", "slow", "head", "garbage", "leaver", "reader")
RECONNECTS_A_SECOND = 3000


class Client:
    """One place in the crowd; when its connection ends it comes back."""

    def __init__(self, number, port):
        self.kind, self.port = KINDS[number % len(KINDS)], port
        self.socket, self.sent, self.connected = None, 0, False

    def begin(self, selector, count):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.sent, self.connected = 0, False
        self.socket.connect_ex(("127.0.0.1", self.port))
        selector.register(self.socket, selectors.EVENT_WRITE, self)
        count["attempts"] += 1

    def end(self, selector, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        selector.unregister(self.socket)
        self.socket.close()
        self.socket = None

    def first_words(self):
        return {"silent": b"", "slow": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "head": b"GET / HTTP/1.1\r\n",
                "garbage": os.urandom(512), "leaver": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "reader": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8}[self.kind]

    def go_on(self):
        """More of the same, for those who have more to say."""
        return {"slow": b"a", "head": b"X-%d: %s\r\n" % (self.sent, b"y" * 900), "garbage": os.urandom(4096)}.get(self.kind, b"")

    def ready(self, selector, count):
        try:
            if not self.connected:
                if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return self.end(selector)
                self.connected = True
                count["connected"] += 1
                self.sent += self.socket.send(self.first_words() or b"")
                if self.kind == "leaver":
                    return self.end(selector, reset=True)
                selector.modify(self.socket, selectors.EVENT_READ, self)
                return None
            data = self.socket.recv(65536)
            count["received"] += len(data)
            if not data:
                return self.end(selector)
        except OSError:
            return self.end(selector)
        return None

    def tick(self, selector):
        if self.socket is None or not self.connected:
            return
        more = self.go_on()
        try:
            if more:
                self.sent += self.socket.send(more)
        except BlockingIOError:
            pass
        except OSError:
            self.end(selector)


def crowd(port, connections):
    """The attacking process, until it is killed. Says how it went on stdout."""
    os.nice(19)
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    selector = selectors.EpollSelector()
    count = {"attempts": 0, "connected": 0, "received": 0}
    clients = [Client(n, port) for n in range(connections)]
    allowance, last, ticked = 0.0, time.monotonic(), 0.0
    while running:
        now = time.monotonic()
        allowance, last = min(allowance + (now - last) * RECONNECTS_A_SECOND, 500), now
        for client in clients:
            if client.socket is None and allowance >= 1:
                allowance -= 1
                client.begin(selector, count)
        for key, _ in selector.select(0.05):
            if key.data.socket is not None:
                key.data.ready(selector, count)
        if now - ticked > 0.5:
            ticked = now
            for client in clients:
                client.tick(selector)
    print(json.dumps(count), flush=True)


def delivered(place):
    """(the highest number delivered, when): between two such points the rate is exact."""
    best = (0, 0.0)
    for path in place.files():
        best = max(best, (name_range(path)[1], os.stat(path).st_mtime_ns / 1e9))
    return best


def probe(port):
    """How long a well-behaved reader waits for /healthz; None: more than 5 s."""
    begin = time.monotonic()
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read()
    except OSError:
        return None
    return time.monotonic() - begin


def measure(place, run, trace, port, seconds):
    probes = []
    durable, files, cpu, begin = trace.durable, delivered(place), cpu_seconds(run.pid), time.monotonic()
    while time.monotonic() < begin + seconds:
        probes.append(probe(port))
        time.sleep(max(0, min(1, begin + seconds - time.monotonic())))
    took, later = time.monotonic() - begin, delivered(place)
    return {"durable": (trace.durable - durable) / took, "cores": (cpu_seconds(run.pid) - cpu) / took,
            "delivered": (later[0] - files[0]) / (later[1] - files[1]) if later[1] > files[1] else 0.0,
            "answered": sum(p is not None for p in probes) / len(probes)}


def under_attack(place, run, trace, port, seconds, connections):
    attacker = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--attack", str(port), "--connections",
                                 str(connections)], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    cpu = cpu_seconds(attacker.pid)
    found = measure(place, run, trace, port, seconds)
    found["crowd"] = (cpu_seconds(attacker.pid) - cpu) / seconds
    attacker.terminate()
    found.update(json.loads(attacker.communicate(timeout=60)[0]))
    return found


def show(what, m):
    more = (f"; crowd {m['crowd']:.2f} cores, {m['attempts']:,} connections tried, {m['connected']:,} made, "
            f"{m['received'] / 1e6:.1f} MB taken") if "crowd" in m else ""
    print(f"{what}: delivered {m['delivered']:,.0f}/s, durable {m['durable']:,.0f}/s; run {m['cores']:.3f} cores; "
          f"{100 * m['answered']:.0f} % of the probes answered within 5 s{more}", flush=True)


def compare(place, asked):
    stream, port = free_port(), free_port()
    place.emulate()
    simulate = place.start(["simulate", "--listen", f"127.0.0.1:{stream}", "--rate", asked.rate, "--assets", "20",
                            "--streams", "25", "--batch-size", "1000000", "--upload-interval", "2", "--start-time",
                            "2026-01-01T00:00:00Z", "--step", "1"], place.env)
    place.wait_port(stream, simulate)
    run = place.run(stream, "--stop-ms=120s", VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}")
    trace = Trace(run.trace)
    trace.start()
    wait_for("the first file", 60, place.files)
    time.sleep(3)
    calm, stormy = [], []
    for _ in range(asked.rounds):
        calm.append(measure(place, run, trace, port, asked.seconds))
        show("without", calm[-1])
        stormy.append(under_attack(place, run, trace, port, asked.seconds, asked.connections))
        show(f"with {asked.connections:,}", stormy[-1])
    for what in ("delivered", "durable"):
        a, b = (sum(m[what] for m in turns) / asked.rounds for turns in (calm, stormy))
        print(f"{what}: {100 * (b / a - 1):+.2f} %", flush=True)
    run.send_signal(signal.SIGTERM)
    run.wait(180)
    simulate.kill()
    trace.join(5)
    if run.returncode != 0 or rows_in(place.files()) != trace.durable:
        fail(f"exit code {run.returncode}, {rows_in(place.files())} rows, {trace.durable} durable:\n{log_of(run)}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("seconds", nargs="?", type=int, default=60)
    options.add_argument("--rate", default="100000")
    options.add_argument("--connections", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--attack", type=int, metavar="PORT", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.attack:
        return crowd(asked.attack, asked.connections)
    place = Place()
    try:
        compare(place, asked)
    finally:
        place.end()
    return None


if __name__ == "__main__":
    main()
