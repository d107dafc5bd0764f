"""A disk that remembers every write and every flush in order, and refuses them when told to.

It is an NBD server of a few lines on a Unix socket; nbdfuse shows it as a file, and a loop device makes a disk of that file.
No kernel module is needed. Run as a program it is the server: logged_disk.py SOCKET IMAGE LOG, commands on standard input.

The log, one entry after the other: u8 kind, u8 refused, u16 zero, u32 length, u64 offset, u64 CLOCK_MONOTONIC in ns at which
the request came up, then the bytes of a write. A flush has in place of an offset the number of entries that were answered
before it arrived: only these are certain once it is done.
"""
import bisect
import contextlib
import mmap
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

ENTRY = struct.Struct("<BBHIQQ")
WRITE, FLUSH = 1, 2
SECTOR = 512
MIB = 1 << 20
# All of them write 4 KiB at least, and on page boundaries. fuse splits what crosses one, and the loop device takes a request of
# which only the first part could be written for done (lo_complete_rq looks for short reads only): a refusal would be lost.
#        name    MiB, how it is made, options of the mount, what the machine's start would try when it does not mount
# Two groups of ext4: the second one has a copy of the superblock, without which a torn one is the end of it.
KINDS = {"ext4": (32, ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-g", "4096"], [],
                  ["e2fsck", "-f", "-y", "-b", "4096", "-B", "4096"]),
         "xfs": (320, ["mkfs.xfs", "-q", "-f", "-s", "size=4096"], ["nouuid"], None),
         "btrfs": (200, ["mkfs.btrfs", "-q", "-f"], [], ["btrfs", "rescue", "super-recover", "-y"])}


# ------------------------------------------------------------------------------------------------- the server

OPTION, REPLY = 0x49484156454F5054, 0x3E889045565A9
OPT_EXPORT_NAME, OPT_ABORT, OPT_INFO, OPT_GO = 1, 2, 6, 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, 0x80000001
FLAGS = 1 | 4  # it has flags, and takes flushes; no FUA: the kernel then sends a flush after the write
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH = 0, 1, 2, 3
EIO, EINVAL = 5, 22


class Server:
    def __init__(self, path, image, log):
        self.log = open(log, "wb", buffering=MIB)
        self.entries = 0
        with open(image, "r+b") as file:
            self.bytes = os.fstat(file.fileno()).st_size
            self.disk = mmap.mmap(file.fileno(), self.bytes)
        self.lock = threading.Lock()
        self.rule = None  # [what, bytes a write must have in it, so many pass, so many are refused]
        self.refused = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.buffer = b""

    def commands(self):
        """fail WHAT HEX SKIP COUNT, well, sync; each is answered with the number of refusals so far."""
        for line in sys.stdin:
            word, *rest = line.split()
            with self.lock:
                if word == "fail":
                    self.rule = [rest[0], bytes.fromhex(rest[1].strip("-")), int(rest[2]), int(rest[3])]
                elif word == "well":
                    self.rule = None
                self.log.flush()
                print(self.refused, flush=True)
        os._exit(0)

    def refuses(self, what, data=b""):
        rule = self.rule
        if not rule or rule[0] not in (what, "all") or (data and rule[1] and rule[1] not in data):
            return False
        if rule[2] > 0:
            rule[2] -= 1
            return False
        if rule[3] == 0:
            return False
        rule[3] -= 1
        self.refused += 1
        return True

    def note(self, kind, refused, length, offset, when, data=b""):
        self.log.write(ENTRY.pack(kind, refused, 0, length, offset, when))
        self.log.write(data)
        self.entries += 1

    def take(self, count):
        while len(self.buffer) < count:
            self.answered = self.entries  # whatever is in the next bytes has seen so many answers
            more = self.peer.recv(4 * MIB)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def greet(self):
        self.peer.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION, 3))
        self.take(4)
        while True:
            _, option, length = struct.unpack(">QII", self.take(16))
            self.take(length)
            if option == OPT_EXPORT_NAME:
                self.peer.sendall(struct.pack(">QH", self.bytes, FLAGS) + bytes(124))
                return
            if option in (OPT_INFO, OPT_GO):
                info = struct.pack(">HQH", 0, self.bytes, FLAGS)
                self.peer.sendall(struct.pack(">QIII", REPLY, option, REP_INFO, len(info)) + info)
            known = option in (OPT_INFO, OPT_GO, OPT_ABORT)
            self.peer.sendall(struct.pack(">QIII", REPLY, option, REP_ACK if known else REP_ERR_UNSUP, 0))
            if option == OPT_GO:
                return
            if option == OPT_ABORT:
                raise EOFError

    def one(self):
        _, _, command, handle, offset, length = struct.unpack(">IHHQQI", self.take(28))
        arrived_after = self.answered
        data = self.take(length) if command == CMD_WRITE else b""
        when = time.monotonic_ns()
        error, reply = 0, b""
        with self.lock:
            if command == CMD_READ:
                reply = self.disk[offset:offset + length]
            elif command == CMD_WRITE:
                refused = self.refuses("writes", data)
                self.note(WRITE, refused, length, offset, when, data)
                if not refused:
                    self.disk[offset:offset + length] = data
                error = EIO if refused else 0
            elif command == CMD_FLUSH:
                refused = self.refuses("flushes")
                self.note(FLUSH, refused, 0, arrived_after, when)
                error = EIO if refused else 0
            elif command == CMD_DISC:
                raise EOFError
            else:
                error = EINVAL
        self.peer.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + reply)

    def serve(self):
        threading.Thread(target=self.commands, daemon=True).start()
        with contextlib.suppress(EOFError, ConnectionError):
            self.peer, _ = self.listener.accept()
            self.answered = 0
            self.greet()
            while True:
                self.one()
        self.log.flush()
        self.disk.flush()


# ------------------------------------------------------------------------------------------------- its user

class DiskError(OSError):
    pass


def call(*command):
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise DiskError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")


def make_image(kind, path):
    mib, make = KINDS[kind][:2]
    with open(path, "wb") as image:
        image.truncate(mib * MIB)
    call(*make, path)
    call("fallocate", "-d", path)


def mount(kind, path, target):
    options = ",".join(["loop", *KINDS[kind][2]])
    for again in range(20):
        try:
            return call("mount", "-t", kind, "-o", options, path, target)
        except DiskError as error:  # all loop devices are taken for the moment, or one was taken by another in between
            if again == 19 or "loop device" not in str(error):
                raise
            time.sleep(0.2)


def mount_or_repair(kind, path, target):
    """True: not at once. A superblock of two sectors of which one is new has a wrong checksum: the file system's business."""
    try:
        mount(kind, path, target)
        return False
    except DiskError:
        if not KINDS[kind][3]:
            raise
    subprocess.run([*KINDS[kind][3], path], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mount(kind, path, target)
    return True


def unmount(target, lazily=False):
    for _ in range(100):
        try:
            return call("umount", *(["-l"] if lazily else []), target)
        except DiskError as error:
            if "busy" not in str(error):
                raise
        time.sleep(0.05)
    return call("umount", "-l", target)


class LoggedDisk:
    """`directory` gets base.img (as it was made), now.img and writes.log; the disk is mounted at `target`."""

    def __init__(self, kind, directory, target):
        self.kind, self.target = kind, target
        self.base, self.image = os.path.join(directory, "base.img"), os.path.join(directory, "now.img")
        self.log = os.path.join(directory, "writes.log")
        self.shown = os.path.join(directory, "nbd")
        make_image(kind, self.base)
        copy_sparse(self.base, self.image)
        os.mkdir(self.shown)
        path = os.path.join(directory, "socket")
        self.server = subprocess.Popen(
            [sys.executable, "-B", os.path.abspath(__file__), path, self.image, self.log],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.wait(lambda: os.path.exists(path), "the server")
        with open(os.path.join(directory, "nbdfuse.log"), "wb") as log:
            self.fuse = subprocess.Popen(["nbdfuse", os.path.join(self.shown, "disk"), "--unix", path], stderr=log)
        self.wait(lambda: os.path.exists(os.path.join(self.shown, "disk")), "nbdfuse")
        mount(kind, os.path.join(self.shown, "disk"), target)
        self.mounted = True
        device = os.stat(target).st_dev
        if kind == "btrfs":  # has a number of its own
            device = os.stat(subprocess.run(["findmnt", "-no", "SOURCE", target], check=True, stdout=subprocess.PIPE,
                                            text=True).stdout.strip()).st_rdev
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/max_sectors_kb", "w", encoding="ascii") as most:
            most.write("64")  # one request, one write of fuse

    def wait(self, condition, what):
        end = time.monotonic() + 30
        while not condition():
            if time.monotonic() > end or self.server.poll() is not None:
                raise DiskError(f"{what} does not start")
            time.sleep(0.01)

    def command(self, text):
        self.server.stdin.write(text + "\n")
        return int(self.server.stdout.readline() or 0)

    def fail(self, what, having=b"", skip=0, count=1 << 40):
        return self.command(f"fail {what} {having.hex() or '-'} {skip} {count}")

    def well(self):
        return self.command("well")

    def end(self):
        """Unmounts, and waits until the log is whole."""
        if self.mounted:
            unmount(self.target)
            self.mounted = False
        for _ in range(200):
            if subprocess.run(["umount", self.shown], check=False, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.05)  # the loop device lets go of its file a little later
        for child in (self.fuse, self.server):
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


# ------------------------------------------------------------------------------------------------- images of the past

def copy_sparse(source, target):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    with open(source, "rb") as a, open(target, "wb") as b:
        size = os.fstat(a.fileno()).st_size
        b.truncate(size)
        at = 0
        while at < size:
            try:
                start = os.lseek(a.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(a.fileno(), start, os.SEEK_HOLE)
            os.lseek(b.fileno(), start, os.SEEK_SET)
            while start < at:
                start += os.sendfile(b.fileno(), a.fileno(), start, at - start)


class Log:
    def __init__(self, path):
        self.entries = []  # (kind, refused, offset, ns, data)
        with open(path, "rb") as file:
            data = memoryview(file.read())
        at = 0
        while at + ENTRY.size <= len(data):
            kind, refused, _, length, offset, when = ENTRY.unpack_from(data, at)
            at += ENTRY.size
            if at + length > len(data):
                break
            self.entries.append((kind, bool(refused), offset, when, data[at:at + length]))
            at += length
        self.flushes = [i for i, e in enumerate(self.entries) if e[0] == FLUSH and not e[1]]

    def __len__(self):
        return len(self.entries)

    def time(self, position):
        """The moment just before entry `position` came up, in ns: all that was promised by then counts."""
        return self.entries[position][3] if position < len(self.entries) else 1 << 62

    def certain(self, position):
        """All writes before this entry are on the disk for certain when the power fails just before `position`."""
        last = bisect.bisect_left(self.flushes, position)
        return self.entries[self.flushes[last - 1]][2] if last else 0


MODES = ("dropped", "kept", "sectors", "writes")


class Past:
    """Images of one log at rising positions. `directory` should lie in memory."""

    def __init__(self, base, log, directory):
        self.base, self.log, self.at = base, log, 0
        self.firm, self.image = os.path.join(directory, "firm.img"), os.path.join(directory, "state.img")
        copy_sparse(base, self.firm)

    def advance(self, to):
        if to < self.at:
            copy_sparse(self.base, self.firm)
            self.at = 0
        with open(self.firm, "r+b", buffering=0) as disk:
            for kind, refused, offset, _, data in self.log.entries[self.at:to]:
                if kind == WRITE and not refused:
                    os.pwrite(disk.fileno(), data, offset)
        self.at = to

    def doubtful(self, position):
        """The writes before `position` that no flush has made certain."""
        return [e for e in self.log.entries[self.log.certain(position):position] if e[0] == WRITE and not e[1]]

    def choose(self, position, mode, rng):
        """What the power cut just before entry `position` has left of the writes in doubt: [(write, from, to)]."""
        share = rng.choice([0.5, 0.5, 0.1, 0.9])
        kept = []
        for i, (_, _, _, _, data) in enumerate(self.doubtful(position)):
            if mode == "kept" or (mode == "writes" and rng.random() < share):
                kept.append((i, 0, len(data)))
            elif mode == "sectors":
                kept += [(i, at, at + SECTOR) for at in range(0, len(data), SECTOR) if rng.random() < share]
        return kept

    def build(self, position, kept):
        self.advance(self.log.certain(position))
        copy_sparse(self.firm, self.image)
        doubtful = self.doubtful(position)
        with open(self.image, "r+b", buffering=0) as disk:
            for i, start, end in kept:
                os.pwrite(disk.fileno(), doubtful[i][4][start:end], doubtful[i][2] + start)


def why_not():
    if os.geteuid() != 0:
        return "root is needed"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(path):
            return f"no {path}"
    if not shutil.which("nbdfuse"):
        return "no nbdfuse (libnbd-bin)"
    return None


def kinds_here(recipe):
    """The file systems that can be tried; the others, or the whole recipe, are named as skipped. Comes back in a mount
    namespace of its own: mounts of ours are seen by nobody else, and end with us."""
    inside, reason = os.environ.get("LOGGED_DISK_INSIDE") == "yes", why_not()
    if not inside and not reason:
        if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            os.environ["LOGGED_DISK_INSIDE"] = "yes"
            os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])
        reason = "no mount namespace of our own"
    if reason:
        print(f"{recipe}: skipped: {reason}", flush=True)
        return []
    here = []
    for kind in os.environ.get("FILE_SYSTEMS", " ".join(KINDS)).split():
        if kind not in KINDS:
            continue  # of another recipe
        if shutil.which(KINDS[kind][1][0]):
            here.append(kind)
        else:
            print(f"{kind}: skipped: no {KINDS[kind][1][0]}", flush=True)
    return here


if __name__ == "__main__":
    Server(*sys.argv[1:4]).serve()
