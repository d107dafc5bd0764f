"""A proxy between an uploader and a workspace that cuts connections at a chosen byte, and counts what a client could not know.

It knows just enough of HTTP/1.1 to see where a request and a reply begin and end; it changes no byte. An upload is
*unclear* when at least one byte of the PUT of a file has come and its whole reply was not passed on: then the client
cannot know whether the file is there. Each is counted once, under where it was cut:

  header, body   so many bytes of the request were passed on, at least one, not all
  sent           the whole request was passed on; nobody waited for the reply
  answered       the workspace has answered, so the effect is there; no byte of the reply was passed on
  reply          at least one byte of it was, not all
  held           nothing was passed on, and nobody closed: a black hole
  workspace      the workspace itself closed, or was away

What ends because the client went away (it was killed) is counted as `client` and is not part of the sum.
"""
import collections
import contextlib
import random
import select
import socket
import struct
import threading
import time

UNCLEAR = ("header", "body", "sent", "answered", "reply", "held", "workspace")
FILES = b"/api/2.0/fs/files/"
HEAD_MAX = 1 << 16
# What is done to a request: weights for the PUT of a file, and for anything else.
PLANS = {"pass": (40, 85), "header": (9, 2), "body": (13, 1), "sent": (9, 2), "answered": (13, 3),
         "reply": (9, 3), "after": (4, 3), "slow": (5, 2), "held": (0.4, 0.1)}


class Gone(Exception):
    """This side has closed."""


class Side:
    def __init__(self, sock):
        self.sock, self.rest = sock, b""
        sock.settimeout(180)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self):
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            raise Gone
        self.rest += data

    def head(self):
        """All bytes up to the empty line; b"" when it closed before the first."""
        while b"\r\n\r\n" not in self.rest:
            if len(self.rest) > HEAD_MAX:
                raise Gone
            try:
                self.more()
            except Gone:
                if self.rest:
                    raise
                return b""
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        return head + b"\r\n\r\n"

    def take(self, count):
        """The next bytes, at least one, at most count."""
        if not self.rest:
            self.more()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def close(self, reset):
        """By RST, or by FIN: then the other side is read dry, or the kernel would make an RST of it."""
        with contextlib.suppress(OSError):
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.settimeout(1)
                while self.sock.recv(65536):
                    pass
        self.sock.close()


def length_of(head):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


class Proxy:
    def __init__(self, to_port, seed):
        self.to_port = to_port
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.cut = collections.Counter()       # unclear uploads by where; "client"
        self.kept = 0                          # of these: the reply, seen here, was a 2xx
        self.requests = collections.Counter()  # uploads by what was planned
        self.statuses = collections.Counter()  # replies to uploads
        self.calm = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def unclear(self):
        with self.lock:
            return sum(self.cut[kind] for kind in UNCLEAR)

    def end(self):
        self.listener.close()

    def plan(self, upload):
        if self.calm.is_set():
            return "pass", 0.0, 0.0
        with self.lock:
            weights = [w[0 if upload else 1] for w in PLANS.values()]
            plan = self.rng.choices(list(PLANS), weights)[0]
            return plan, self.rng.random(), self.rng.random()

    def reset(self):
        with self.lock:
            return self.rng.random() < 0.5

    def note(self, upload, where, kept=False):
        if upload:
            with self.lock:
                self.cut[where] += 1
                self.kept += kept

    def serve(self, sock):
        client, server = Side(sock), None
        try:
            while True:
                head = client.head()
                if not head:
                    break
                server = server or self.reach(client, head)
                if not server or not self.one(client, server, head):
                    break
        except Gone:  # in the middle of a request head
            pass
        client.close(self.reset())
        if server:
            server.close(self.reset())

    def reach(self, client, head):
        try:
            return Side(socket.create_connection(("127.0.0.1", self.to_port), 10))
        except OSError:
            self.note(is_upload(head), "workspace")
            return None

    def one(self, client, server, head):
        """One request and its reply. False: this connection is over."""
        upload = is_upload(head)
        plan, where, pause = self.plan(upload)
        if upload:
            with self.lock:
                self.requests[plan] += 1
        if plan == "held":
            self.note(upload, "held")
            self.hold(client)
            return False
        cut = self.pass_request(client, server, head, plan, where)
        if cut:
            self.note(upload, cut)
            return False
        if plan == "slow":
            time.sleep(0.4 * pause)
        return self.pass_reply(client, server, head, plan, where)

    def hold(self, client):
        """Until the client gives up, or all is well again."""
        client.rest = b""
        while not self.calm.is_set():
            if select.select([client.sock], [], [], 0.2)[0]:
                try:
                    client.more()
                    client.rest = b""
                except Gone:
                    return

    def pass_request(self, client, server, head, plan, where):
        """None: passed on whole. Else where it was cut."""
        body = length_of(head)
        stop = len(head) + body
        if plan == "header":
            stop = 1 + int(where * (len(head) - 1))
        elif plan == "body" and body:
            stop = len(head) + int(where * body)
        try:
            server.send(head[:stop])
        except Gone:
            return "workspace"
        left = stop - len(head)
        while left > 0:
            try:
                data = client.take(min(left, 1 + left // 3) if plan == "slow" else left)
            except Gone:
                return "client"
            try:
                server.send(data)
            except Gone:
                return "workspace"
            left -= len(data)
            if plan == "slow":
                time.sleep(0.02)
        if plan == "header" or (plan == "body" and body):
            return plan
        return "sent" if plan == "sent" else None

    def pass_reply(self, client, server, request, plan, where):
        upload = is_upload(request)
        try:
            reply = server.head()
            status = int(reply[9:12]) if reply else 0
            bare = request.startswith(b"HEAD ") or status in (204, 304)
            left = 0 if bare or not reply else length_of(reply)
            while left > 0:
                data = server.take(left)
                reply += data
                left -= len(data)
        except Gone:
            reply = b""
        if not reply:
            self.note(upload, "workspace")
            return False
        if upload:
            with self.lock:
                self.statuses[status] += 1
        kept = 200 <= status < 300 and b"text/html" not in reply
        if plan == "answered":
            self.note(upload, "answered", kept)
            return False
        stop = 1 + int(where * (len(reply) - 1)) if plan == "reply" else len(reply)
        try:
            client.send(reply[:stop])
        except Gone:
            self.note(upload, "client")
            return False
        if stop < len(reply):
            self.note(upload, "reply", kept)
            return False
        return plan != "after" and b"\r\nconnection: close" not in reply.lower()


def is_upload(head):
    return head.startswith(b"PUT " + FILES)
