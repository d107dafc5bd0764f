"""What the end-to-end tests share: a feeder with an oracle, and the real program as child processes.

Every reading carries its number n: timestamp = BASE + n microseconds, series and payload follow from n. So a row
in the volume says which reading it is, and whether it was altered.
"""
import calendar
import fcntl
import json
import os
import random
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PROGRAM = os.environ.get("VOLUME_UPLOADER", os.path.join(
    os.path.dirname(__file__), "../../build/dev/volume-uploader"))
BASE_US = 1_700_000_000_000_000
TOKEN = "e2e-token-0123456789"
CLIENT_ID, CLIENT_SECRET = "11111111-2222-3333-4444-555555555555", "e2e-secret-0123456789"
# Signs in as a service principal instead of with the token: a 401 is then answered with a fresh one.
OAUTH = {"DATABRICKS_TOKEN": None, "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": CLIENT_SECRET}
VOLUME = "main.plant.readings"
SERIES = 7
PATIENCE = float(os.environ.get("PATIENCE", "1"))  # an emulated machine takes longer for everything


WORDS = sys.argv[1:]
SETTINGS = ("VOLUME_UPLOADER", "ORACLE", "KILLS", "FILE_SYSTEMS", "FAULT")  # of a recipe, from the environment
drawn = {}  # SEED, once it was asked for


def seed():
    """Printed, so that a failure can be repeated: SEED=... in the environment."""
    drawn["SEED"] = value = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    print(f"SEED={value}", flush=True)
    return value


def again(*words, **env):
    """The line of a failure: the command that repeats it with the same program, from the top of the tree."""
    env = {**{name: os.environ[name] for name in SETTINGS if name in os.environ}, **env}
    python = "python3" if sys.prefix == sys.base_prefix else sys.executable
    return "again: " + " ".join([*(f"{name}={shlex.quote(str(value))}" for name, value in env.items()), python,
                                 *(shlex.quote(str(word)) for word in (sys.argv[0], *words))])


def timestamp_text(us):
    seconds, rest = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06d}Z"


def payload_of(n):
    return (n * 7919 % 1_000_003) / 100.0


def line_of(n):
    return (f'{{"type":"data;pt=number","resource":"krn:ad:asset-{n % SERIES}/stream-{n % SERIES}",'
            f'"id":"00000000-0000-4000-8000-{n:012x}","timestamp":"{timestamp_text(BASE_US + n)}",'
            f'"payload":{payload_of(n)!r}}}\n').encode()


def manifest_line(upload_interval=1, batch_size=1_000_000):
    return (json.dumps({
        "type": "runtime_manifest", "resource": "krn:wlappv:test_node/test_workload:volume-uploader/1.0.0",
        "id": "9a3c9a52-3c4f-4a37-8a1c-6d0f6a8f1b2c", "timestamp": "2025-01-31T12:34:56.789012Z",
        "payload": {"resources": [], "configuration": {
            "upload_interval": upload_interval, "batch_size": batch_size},
            "datastreams": [], "custom_actions": []}}, separators=(",", ":")) + "\n").encode()


class Feeder(threading.Thread):
    """A Kelvin publisher with a memory: for each connection, where in its bytes each reading ended."""

    def __init__(self, rate=20000, upload_interval=1, batch_size=1_000_000, port=0, first=0):
        super().__init__(daemon=True)
        self.rate, self.interval, self.batch = rate, upload_interval, batch_size
        self.lock = threading.Lock()
        self.listener = None
        self.listen(port)
        self.next = first
        self.connections = []  # (port, first n, [end offset of each])
        self.running = True
        self.sending = True
        self.resting = self.serving = False
        self.max_n = None

    def listen(self, port=0):
        """A new port: what still waits at the old one (a client that was killed) is forgotten with it."""
        fresh = socket.create_server(("127.0.0.1", port))
        fresh.settimeout(0.1)
        with self.lock:
            old, self.listener = self.listener, fresh
            self.port = fresh.getsockname()[1]
        if old:
            old.close()
        return self.port

    def line(self, n):
        """The bytes of reading n; what else comes with it stands before it."""
        return line_of(n)

    def begin(self):
        """A connection begins: the number of its first reading."""
        return self.next

    def leaves(self, _peer):
        """True: the feeder ends this connection."""
        return False

    def run(self):
        while self.running:
            with self.lock:
                listener, port = self.listener, self.port
            try:
                peer, _ = listener.accept()
            except OSError:
                continue
            self.serving = True
            try:
                self.serve(peer, port)
            except OSError:
                pass
            self.serving = False
            peer.close()

    def serve(self, peer, port):
        manifest = manifest_line(self.interval, self.batch)
        peer.sendall(manifest)
        ends = []
        with self.lock:
            self.next = self.begin()
            self.connections.append((port, self.next, ends))
        offset = len(manifest)
        peer.setblocking(False)
        while self.running and not self.leaves(peer):
            try:
                if peer.recv(4096) == b"":
                    return
            except BlockingIOError:
                pass
            if not self.sending or (self.max_n is not None and self.next >= self.max_n):
                self.resting = True
                time.sleep(0.005)
                continue
            count = max(1, self.rate // 100)
            if self.max_n is not None:
                count = min(count, self.max_n - self.next)
            chunk = b""
            with self.lock:
                for n in range(self.next, self.next + count):
                    chunk += self.line(n)
                    ends.append(offset + len(chunk))
                self.next += count
            offset += len(chunk)
            self.send(peer, chunk)
            time.sleep(0.01)

    def send(self, peer, data):
        """All of it, however long the other side does not read: what was begun must not be given up."""
        peer.settimeout(0.2)
        left = memoryview(data)
        while left and self.running:
            try:
                left = left[peer.send(left):]
            except TimeoutError:
                pass
        peer.setblocking(False)

    def durable(self, port, stream_offset):
        """The readings of the one connection to `port` whose lines end at or before stream_offset."""
        with self.lock:
            there = [c for c in self.connections if c[0] == port]
            if len(there) != 1:
                return []  # two connections: the offset does not say of which
            _, first, ends = there[0]
            return [first + i for i, end in enumerate(ends) if end <= stream_offset]

    def sent(self):
        with self.lock:
            return self.next

    def rest(self):
        """No more; every line that counts as sent is with the system, where a `run` that is stopped still takes it."""
        self.sending = self.resting = False
        wait_for("the feeder to rest", 60, lambda: self.resting or not self.serving)

    def stop(self):
        self.running = False
        self.join()
        self.listener.close()


class Place:
    """A directory with a state, a local workspace and the environment for the program."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="volume-uploader-e2e.")
        self.state = os.path.join(self.directory, "state")
        self.root = os.path.join(self.directory, "workspace")
        self.data = os.path.join(self.root, "Volumes", *VOLUME.split("."), "data")
        self.children = []
        self.emulator_port = free_port()
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("DATABRICKS_", "KELVIN_", "VOLUME_UPLOADER_", "HTTP", "http"))}

    def run_env(self, stream_port, **more):
        env = dict(self.env)
        env.update({
            "DATABRICKS_HOST": f"http://127.0.0.1:{self.emulator_port}", "DATABRICKS_TOKEN": TOKEN,
            "DATABRICKS_UC_VOLUME": VOLUME, "KELVIN_STREAM_IP": "127.0.0.1",
            "KELVIN_STREAM_PORT": str(stream_port), "VOLUME_UPLOADER_STATE_DIR": self.state,
            "VOLUME_UPLOADER_ALLOW_VOLATILE_STATE": "yes", "VOLUME_UPLOADER_STATUS_LISTEN": "off",
        })
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def emulate(self, *arguments):
        env = dict(self.env, DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_ID=CLIENT_ID,
                   DATABRICKS_CLIENT_SECRET=CLIENT_SECRET)
        child = self.start(["emulate", "--listen", f"127.0.0.1:{self.emulator_port}", "--root", self.root,
                            "--volume", VOLUME, *arguments], env)
        self.wait_port(self.emulator_port, child)
        return child

    def away(self):
        """Nobody listens at the workspace's port, and no other test's workspace can come to be there, until this is
        closed."""
        taken = socket.socket()
        taken.bind(("127.0.0.1", self.emulator_port))
        return taken

    def run(self, stream_port, *arguments, **more):
        trace_read, trace_write = os.pipe()
        child = self.start(["run", "--no-live-line", f"--trace-fd={trace_write}", *arguments],
                           self.run_env(stream_port, **more), pass_fds=(trace_write,))
        os.close(trace_write)
        child.trace = trace_read
        return child

    def start(self, arguments, env, pass_fds=()):
        log = tempfile.NamedTemporaryFile(dir=self.directory, prefix=arguments[0] + ".", suffix=".log",
                                          delete=False)
        child = subprocess.Popen([PROGRAM, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=subprocess.STDOUT, pass_fds=pass_fds, cwd=self.directory)
        child.log = log.name
        self.children.append(child)
        return child

    def wait_port(self, port, child):
        for _ in range(int(600 * PATIENCE)):
            if child.poll() is not None:
                fail(f"ended early with {child.returncode}:\n{log_of(child)}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        fail("nobody listens")

    def fault_hits(self):
        """How often each fault rule was met, in their order."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.emulator_port}/emulator/faults", timeout=60) as answer:
            return [(rule["hits"], rule.get("left", 0)) for rule in json.load(answer)["faults"]]

    def faults(self, rules, method="POST"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.emulator_port}/emulator/faults",
                                         data=rules.encode() if rules else None, method=method)
        urllib.request.urlopen(request, timeout=60).read()

    def files(self):
        found = []
        for folder, _, names in os.walk(self.data):
            found += [os.path.join(folder, name) for name in names]
        return sorted(found)

    def end(self, keep=False):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if not keep:
            subprocess.run(["rm", "-rf", self.directory], check=False)


PORTS, PORTS_HELD = [], 200


def free_port():
    """Below those the kernel gives to connections, and held by a lock: neither a connection nor a test that runs at the same
    time can come to be there before the one it is for."""
    folder = f"/tmp/volume-uploader-ports-{os.getuid()}"
    os.makedirs(folder, exist_ok=True)
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        lock = open(os.path.join(folder, str(port)), "wb")  # pylint: disable=consider-using-with
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            lock.close()
            continue
        PORTS.append(lock)
        del PORTS[:-PORTS_HELD]
        return port


def log_of(child):
    with open(child.log, errors="replace") as log:
        return log.read()


def delivered(child):
    """How many files this `run` says to have delivered."""
    return log_of(child).count("delivered file=")


def end_well(child, seconds=120):
    child.send_signal(signal.SIGTERM)
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        fail(f"it did not end within {seconds} s:\n{log_of(child)}")
    if code != 0:
        fail(f"run ended with {code}:\n{log_of(child)}")


def deliver_the_rest(place, feeder, **env):
    """A ship that backs off ends at once when it is stopped; what it left on disk goes with the next start."""
    for _ in range(10):
        if not waiting(place):
            return
        again = place.run(feeder.listen(), "--stop-ms=60s", **env)
        wait_for("the rest", 120, lambda: delivered(again))
        end_well(again)
    fail(f"still in the outbox: {waiting(place)}")


def trace_of(child):
    """The last whole record: (durable_seq, stream offset), or None."""
    data = b""
    while True:
        chunk = os.read(child.trace, 1 << 20)
        if not chunk:
            break
        data += chunk
    os.close(child.trace)
    whole = len(data) // 16
    return struct.unpack("<QQ", data[16 * (whole - 1):16 * whole]) if whole else None


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    fail(f"waited {seconds} s in vain for: {what}")


class Failure(Exception):
    pass


def fail(text):
    raise Failure(text)


def environ_of(child):
    """The memory that held the environment at the start. Where the kernel runs an emulator (arm64 under qemu), it is that
    one's and says nothing about us: then it is empty, as that of a child that has ended."""
    try:
        if os.path.basename(os.readlink(f"/proc/{child.pid}/exe")).startswith("qemu-"):
            return b""
        with open(f"/proc/{child.pid}/environ", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def rows_of(path):
    """With ORACLE=pyarrow by a reader that is not ours (it has to be there, so in the environment of scripts/interop)."""
    if os.environ.get("ORACLE") == "pyarrow":
        return rows_by_pyarrow(path)
    out = subprocess.run([PROGRAM, "inspect", "--json", "--rows", "1000000", path], capture_output=True,
                         check=False)
    if out.returncode != 0:
        fail(f"inspect {path}: exit code {out.returncode}: {out.stderr.decode(errors='replace')}")
    shown = json.loads(out.stdout)
    if len(shown["rows_shown"]) != shown["rows"]:
        fail(f"{path}: {shown['rows']} rows, {len(shown['rows_shown'])} shown")
    return [(microseconds(t), a, d, p) for t, a, d, p in shown["rows_shown"]]


def rows_by_pyarrow(path):
    import pyarrow.parquet  # pylint: disable=import-outside-toplevel
    table = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True).read()
    return list(zip(table["timestamp"].cast("int64").to_pylist(), table["asset"].to_pylist(),
                    table["datastream"].to_pylist(), table["payload"].to_pylist()))


def microseconds(text):
    """2026-11-22T13:45:31.020000Z"""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int(text[20:26])


def name_range(path):
    parts = os.path.basename(path).rsplit("-", 3)
    return int(parts[1]), int(parts[2])


def waiting(place):
    """The names of the files in the outbox."""
    return [name for name in os.listdir(os.path.join(place.state, "outbox")) if name.endswith(".parquet")]


class Verdict:
    """Where is every reading? Reads all files of the volume."""

    def __init__(self, place, read=rows_of):
        self.seen = {}
        self.twice, self.altered, self.ghost = [], [], []
        self.files = place.files()
        ranges = sorted(name_range(f) for f in self.files)
        self.overlap = [(a, b) for a, b in zip(ranges, ranges[1:]) if b[0] <= a[1]]
        for path in self.files:
            for timestamp_us, asset, datastream, payload in read(path):
                self.row(timestamp_us - BASE_US, asset, datastream, payload)

    def row(self, n, asset, datastream, payload):
        if n in self.seen:
            self.twice.append(n)
        self.seen[n] = True
        if n < 0:
            self.ghost.append(n)
        elif asset != f"asset-{n % SERIES}" or datastream != f"stream-{n % SERIES}" or payload != payload_of(n):
            self.altered.append(n)

    def check(self, durable, sent):
        lost = [n for n in durable if n not in self.seen]
        self.ghost += [n for n in self.seen if n >= sent]
        print(f"{len(self.seen)} rows in {len(self.files)} files of {sent} sent; durable {len(durable)}; "
              f"lost {len(lost)}, twice {len(self.twice)}, ghost {len(self.ghost)}, "
              f"altered {len(self.altered)}, overlapping names {len(self.overlap)}", flush=True)
        if lost or self.twice or self.ghost or self.altered or self.overlap:
            fail(f"lost {lost[:5]} twice {self.twice[:5]} ghost {self.ghost[:5]} altered {self.altered[:5]} "
                 f"overlap {self.overlap[:3]}")


def main(*tests):
    """Runs the tests given (or those named on the command line); keeps the directory of a failed one."""
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        place = Place()
        started = time.monotonic()
        try:
            test(place)
        except BaseException as failure:
            print(f"FAIL {test.__name__}: {failure}\n(kept: {place.directory})\n"
                  + again(*(WORDS or [test.__name__]), **drawn), flush=True)
            for child in place.children:
                print(f"--- {child.args[1]} {child.log}\n{log_of(child)[-3000:]}", flush=True)
            place.end(keep=True)
            if not isinstance(failure, Failure):
                raise
            sys.exit(1)
        place.end()
        print(f"ok {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
