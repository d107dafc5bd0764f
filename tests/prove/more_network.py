"""T10: a network that loses, resets, crawls, falls silent and goes away, on both sides (network namespaces; root)

  more_network.py [short|long]     one round of all faults, or eight

The program runs in one network namespace, the stream and the workspace (https, a certificate of our own) in another; a veth
pair joins them. Faults come in random order, with packets dropped where they arrive, as a network does it. A TCP connection
hands over a prefix of what was sent on it, so the oracle is exact without a trace of offsets: of every connection of
the stream a prefix is in the volume, without a hole, and all prefixes together are what the program says is durable.
After each fault a fresh reading has to arrive within a minute.
"""
import contextlib
import io
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import plant  # noqa: E402
from plant import CLIENT_ID, CLIENT_SECRET, OAUTH, TOKEN, VOLUME, Failure, Feeder, Place, Verdict, fail  # noqa: E402
from plant import again, line_of, log_of, manifest_line, rows_of, seed, trace_of, wait_for  # noqa: E402

NEAR_ADDRESS, FAR_ADDRESS = "10.203.0.1", "10.203.0.2"
STREAM_PORT, WORKSPACE_PORT = 49167, 8443
TCP_REPAIR = 19
SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "20", "VOLUME_UPLOADER_BATCH_SIZE": "300", "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB"}


class Publisher(Feeder):
    """A feeder that serves the newest connection alone and knows what it has sent on each."""

    def __init__(self, **more):
        self.sent_on = []  # of each connection: the numbers of its readings, in order
        self.peer = None
        super().__init__(**more)

    def listen(self, port=0):
        self.listener = socket.create_server((FAR_ADDRESS, STREAM_PORT))
        self.listener.settimeout(0.1)
        self.port = STREAM_PORT
        return self.port

    def run(self):
        while self.running:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                continue
            threading.Thread(target=self.try_serve, args=(peer,), daemon=True).start()

    def try_serve(self, peer):
        with self.lock:
            old, self.peer = self.peer, peer
            numbers = []
            self.sent_on.append(numbers)
        if old:
            with contextlib.suppress(OSError):
                old.close()
        with contextlib.suppress(OSError, ValueError):
            self.send_on(peer, numbers)

    def send_on(self, peer, numbers):
        peer.settimeout(600)
        waits = manifest_line(self.interval, self.batch)
        while self.running:
            time.sleep(0.01)
            with self.lock:
                if self.peer is not peer:
                    return
                count = max(1, self.rate // 100) if self.sending else 0
                fresh = range(self.next, self.next + count)
                numbers += fresh
                self.next += count
            waits += b"".join(map(line_of, fresh))
            now = max(0, len(waits) - random.randrange(300)) if fresh else len(waits)
            peer.sendall(waits[:now])  # most of the time the last line is not whole: that is where it will be cut
            waits = waits[now:]

    def vanish(self):
        """The machine of the publisher is gone: no FIN, no RST, the other side is left half-open."""
        with self.lock:
            peer, self.peer = self.peer, None
        peer.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        peer.close()


class Net:
    """The two namespaces; we are in the far one."""

    def __init__(self, near, far):
        self.near, self.far = near, far

    def run(self, where, *command, text=None, check=True):
        done = subprocess.run(["ip", "netns", "exec", where, *command], input=text, text=True, capture_output=True,
                              check=False)
        if check and done.returncode != 0:
            fail(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.returncode == 0

    def rules(self, where, hook, *rules):
        self.run(where, "nft", "-f", "-", text=f"table inet fault {{\nchain c {{\ntype filter hook {hook} priority 0;\n" +
                 "\n".join(rules) + "\n}\n}\n")

    def well(self):
        for where, device in ((self.near, "near0"), (self.far, "far0")):
            self.run(where, "nft", "flush", "ruleset")
            self.run(where, "tc", "qdisc", "del", "dev", device, "root", check=False)
            self.run(where, "ip", "link", "set", device, "up")
        self.run(self.near, "ip", "address", "replace", f"{NEAR_ADDRESS}/24", "dev", "near0")
        self.run(self.far, "ip", "address", "replace", f"{FAR_ADDRESS}/24", "dev", "far0")

    def silence(self, port):
        """Packets of that service are dropped where they arrive, both ways."""
        self.rules(self.near, "prerouting", f"tcp sport {port} drop")
        self.rules(self.far, "prerouting", f"tcp dport {port} drop")


class Bench:
    def __init__(self, place, net, rng):
        self.place, self.net, self.rng = place, net, rng
        self.publisher = Publisher(rate=400)
        self.publisher.start()
        self.decoded = {}
        self.cert = self.certificate()
        self.emulate()
        self.begin()

    def certificate(self):
        cert, key = (os.path.join(self.place.directory, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                        "2", "-subj", "/CN=workspace", "-addext", f"subjectAltName=IP:{FAR_ADDRESS}"],
                       check=True, capture_output=True)
        return cert

    def emulate(self):
        env = dict(self.place.env, DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_ID=CLIENT_ID,
                   DATABRICKS_CLIENT_SECRET=CLIENT_SECRET)
        child = self.place.start(
            ["emulate", "--listen", f"{FAR_ADDRESS}:{WORKSPACE_PORT}", "--allow-remote", "--root", self.place.root,
             "--volume", VOLUME, "--cert", self.cert, "--key", self.cert.replace("cert.pem", "key.pem")], env)
        trusting = ssl.create_default_context(cafile=self.cert)

        def answers():
            if child.poll() is not None:
                fail(f"emulate ended with {child.returncode}")
            with contextlib.suppress(OSError), socket.create_connection((FAR_ADDRESS, WORKSPACE_PORT), 5) as s, \
                    trusting.wrap_socket(s, server_hostname=FAR_ADDRESS):
                return True
        wait_for("the workspace to answer", 60, answers)

    def begin(self):
        trace_read, trace_write = os.pipe()
        env = self.place.run_env(STREAM_PORT, KELVIN_STREAM_IP=FAR_ADDRESS, VOLUME_UPLOADER_CA_FILE=self.cert,
                                 DATABRICKS_HOST=f"https://{FAR_ADDRESS}:{WORKSPACE_PORT}", **OAUTH, **SMALL)
        log = open(os.path.join(self.place.directory, "run.log"), "wb")
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", self.net.near, plant.PROGRAM, "run", "--no-live-line", f"--trace-fd={trace_write}",
             "--stop-ms=60s"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            pass_fds=(trace_write,), cwd=self.place.directory)
        os.close(trace_write)
        self.child.log = log.name
        log.close()
        self.place.children.append(self.child)
        self.durable_seq = 0
        threading.Thread(target=self.read_trace, args=(trace_read,), daemon=True).start()

    def read_trace(self, fd):
        """A pipe nobody reads would fill up: this run lives long."""
        rest = b""
        while chunk := os.read(fd, 1 << 16):
            rest += chunk
            whole = len(rest) // 16 * 16
            if whole:
                self.durable_seq = int.from_bytes(rest[whole - 16:whole - 8], "little")
            rest = rest[whole:]
        os.close(fd)

    def rows(self, path):
        if path not in self.decoded:
            self.decoded[path] = rows_of(path)
        return self.decoded[path]

    def newest(self):
        """The highest number in the volume."""
        if self.child.poll() is not None:
            fail(f"run ended with {self.child.returncode}")
        for path in self.place.files():
            self.rows(path)
        return max((row[0] - plant.BASE_US for rows in self.decoded.values() for row in rows), default=-1)

    def fresh(self):
        """Seconds until a reading sent from now on is in the volume."""
        started, first = time.monotonic(), self.publisher.sent()
        wait_for("a fresh reading to arrive", 60, lambda: self.newest() >= first)
        return time.monotonic() - started

    def closed(self):
        return log_of(self.child).count("stream_closed")

    def pause(self, low, high):
        time.sleep(self.rng.uniform(low, high))

    def judge(self):
        self.publisher.sending = False
        time.sleep(1)
        self.child.send_signal(signal.SIGTERM)
        if self.child.wait(120) != 0:
            fail(f"run ended with {self.child.returncode}")
        time.sleep(0.2)
        self.publisher.stop()
        verdict = Verdict(self.place, self.rows)
        durable = set()
        for numbers in self.publisher.sent_on:
            there = [n in verdict.seen for n in numbers]
            durable.update(numbers[:len(there) - there[::-1].index(True)] if True in there else [])
        if set(self.publisher.sent_on[-1]) - durable:
            fail("the last connection was well to its end, and not all of it is there")
        with contextlib.redirect_stdout(io.StringIO()):
            verdict.check(durable, self.publisher.sent())
        if len(verdict.seen) != self.durable_seq:
            fail(f"{self.durable_seq} readings were durable, {len(verdict.seen)} are in the volume")
        return len(verdict.seen)


# ---- the faults: each leaves the network as bad as it wants, and says what it was ----

def loss(bench):
    percent = bench.rng.randint(5, 40)
    for where in (bench.net.near, bench.net.far):
        bench.net.rules(where, "prerouting", f"numgen random mod 100 < {percent} drop")
    bench.pause(4, 8)
    return f"{percent} % of the packets lost"


def resets(bench):
    """Each packet is answered by RST, now on this side, now on that."""
    for port, word, where in bench.rng.sample([(STREAM_PORT, "sport", bench.net.near), (STREAM_PORT, "dport", bench.net.far),
                                               (WORKSPACE_PORT, "sport", bench.net.near),
                                               (WORKSPACE_PORT, "dport", bench.net.far)], 4):
        bench.net.rules(where, "input", f"tcp {word} {port} reject with tcp reset")
        bench.pause(0.5, 2)
        bench.net.well()
        bench.pause(0.2, 2)
    return "reset by both sides"


def some_resets(bench):
    percent = bench.rng.randint(1, 10)
    bench.net.rules(bench.net.far, "input", f"meta l4proto tcp numgen random mod 100 < {percent} reject with tcp reset")
    bench.pause(4, 8)
    return f"{percent} % of the packets answered by RST"


def crawl(bench):
    rate = bench.rng.choice(["64kbit", "128kbit", "256kbit"])
    for where, device in ((bench.net.near, "near0"), (bench.net.far, "far0")):
        if not bench.net.run(where, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate, "burst", "4kb",
                             "latency", "400ms", check=False):
            print("rate: skipped: the kernel has no tbf", flush=True)
            return None
    bench.pause(5, 8)
    return f"{rate} each way"


def link_down(bench):
    where, device = bench.rng.choice([(bench.net.near, "near0"), (bench.net.far, "far0")])
    bench.net.run(where, "ip", "link", "set", device, "down")
    bench.pause(1, 9)
    return f"link down at {device}"


def address_gone(bench):
    bench.net.run(bench.net.near, "ip", "address", "del", f"{NEAR_ADDRESS}/24", "dev", "near0")
    bench.pause(1, 6)
    return "the address of the program vanished"


def route_flaps(bench):
    for _ in range(5):
        bench.net.run(bench.net.near, "ip", "link", "set", "near0", "down")
        bench.pause(0.1, 0.7)
        bench.net.well()
        bench.pause(0.1, 0.7)
    return "link down and up five times"


def silent_for_long(bench):
    """Longer than keepalive (30 s + 3 x 10 s) and TCP_USER_TIMEOUT: both peers are silent, an upload is under way."""
    known = bench.closed()
    started = time.monotonic()
    bench.net.silence(WORKSPACE_PORT)
    bench.pause(2, 3)  # now segments are closed and their uploads unanswered
    bench.net.silence(STREAM_PORT)
    wait_for("a silent stream to be given up", 150, lambda: bench.closed() > known)
    noticed = time.monotonic() - started
    if "delivery_waits" not in log_of(bench.child):
        wait_for("a silent workspace to be given up", 150, lambda: "delivery_waits" in log_of(bench.child))
    return f"silent on both sides; noticed after {noticed:.0f} s"


def publisher_vanishes(bench):
    """Half-open: the publisher's machine is gone without a word, another one has its address. Nothing comes any more; the
    next probe tells, after 30 s."""
    known, started = bench.closed(), time.monotonic()
    bench.net.silence(STREAM_PORT)
    bench.pause(0.5, 1)
    bench.publisher.vanish()
    bench.pause(3, 5)  # what was on its way is forgotten
    bench.net.well()
    if bench.closed() != known:
        fail("the publisher did not vanish without a word: nothing is tested")
    wait_for("a half-open stream to be noticed", 150, lambda: bench.closed() > known)
    return f"half-open stream; noticed after {time.monotonic() - started:.0f} s"


FAULTS = (loss, resets, some_resets, crawl, link_down, address_gone, route_flaps, silent_for_long, publisher_vanishes)


def rounds(bench, count):
    worst, done = 0.0, 0
    only = os.environ.get("FAULT")
    bench.fresh()
    for _ in range(count):
        for fault in bench.rng.sample(FAULTS, len(FAULTS)):
            if only not in (None, fault.__name__):
                continue
            what = fault(bench)
            bench.net.well()
            if what:
                seconds = bench.fresh()
                worst, done = max(worst, seconds), done + 1
                print(f"{what}; a fresh reading {seconds:.1f} s after the end", flush=True)
    return worst, done


def inside(near, far, length, value):
    place = Place()
    started = time.monotonic()
    net = Net(near, far)
    try:
        bench = Bench(place, net, random.Random(value))
        worst, done = rounds(bench, 8 if length == "long" else 1)
        rows = bench.judge()
    except Failure as failure:
        print(f"FAIL: {failure}\n(kept: {place.directory})\n{again(length, SEED=value)}", flush=True)
        for child in place.children:
            print(f"--- {child.log}\n{log_of(child)[-3000:]}", flush=True)
        place.end(keep=True)
        return 1
    place.end()
    print(f"{done} faults, {len(bench.publisher.sent_on)} connections of the stream, {rows} durable readings, "
          f"{time.monotonic() - started:.0f} s; a fresh reading after {worst:.1f} s at most; lost 0, twice 0, ghost 0, "
          "altered 0, overlapping names 0", flush=True)
    return 0


def set_up(near, far):
    """None, or why there are no namespaces."""
    commands = [f"ip netns add {near}", f"ip netns add {far}",
                f"ip -n {near} link add near0 type veth peer name far0 netns {far}", f"ip -n {near} link set lo up",
                f"ip -n {far} link set lo up", f"ip -n {near} address add {NEAR_ADDRESS}/24 dev near0",
                f"ip -n {far} address add {FAR_ADDRESS}/24 dev far0", f"ip -n {near} link set near0 up",
                f"ip -n {far} link set far0 up", f"ip netns exec {near} nft flush ruleset"]
    for command in commands:
        done = subprocess.run(command.split(), check=False, capture_output=True, text=True)
        if done.returncode != 0:
            return f"{command.replace(near, 'near').replace(far, 'far')}: {done.stderr.strip()}"
    return None


def main():
    length = sys.argv[1] if len(sys.argv) > 1 else "short"
    if len(sys.argv) == 5:
        sys.exit(inside(sys.argv[2], sys.argv[3], length, int(sys.argv[4])))
    for tool, package in (("ip", "iproute2"), ("nft", "nftables"), ("openssl", "openssl")):
        if not shutil.which(tool):
            print(f"network: skipped: no {tool} (Debian package {package})")
            return
    near, far = f"vu{os.getpid()}near", f"vu{os.getpid()}far"
    try:
        why = set_up(near, far)
        if why:
            print(f"network: skipped: no namespaces of our own (root is needed): {why}")
            return
        code = subprocess.run(["ip", "netns", "exec", far, sys.executable, "-B", sys.argv[0], length, near, far,
                               str(seed())], check=False).returncode
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
    sys.exit(code)


main()
