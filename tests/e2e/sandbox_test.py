"""A run that has given up its rights still does everything: names, TLS with a CA of its own, rotated secrets, the
status page, rejected lines, a stop. And it has really given them up."""
import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import urllib.request

from plant import (CLIENT_ID, CLIENT_SECRET, PROGRAM, TOKEN, VOLUME, Feeder, Verdict, fail, free_port, log_of, main,
                   trace_of, wait_for)


def stream_name():
    """The C library's own helper thread for names (getaddrinfo_a) is none that the thread sanitizer can bear."""
    linked = subprocess.run(["ldd", PROGRAM], capture_output=True, check=False).stdout
    return "127.0.0.1" if b"libtsan" in linked else "localhost"


def make_certificate(folder):
    cert, key = os.path.join(folder, "ca.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True,
                   capture_output=True)
    return cert, key


def put(path, text):
    """As every tool that rotates a secret: a new file, renamed over the old one."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path + ".new", 0o600)
    os.replace(path + ".new", path)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def fields_of(child):
    line = wait_for("the line about the sandbox", 20, lambda: re.search(r"^info sandbox (.*)$", log_of(child), re.M))[1]
    return dict((key, quoted or plain) for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line))


def check_rights(child):
    """What the log line says is what the kernel says."""
    said, kernel = fields_of(child), status_of(child.pid)
    print(f"sandbox: {said}", flush=True)
    if kernel["NoNewPrivs"] != "1":
        fail("no_new_privs is not set")
    if said["capabilities"] != "none" or any(int(kernel[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")):
        fail(f"capabilities: {said['capabilities']}, the kernel says {kernel['CapPrm']}")
    if (said["seccomp"] == "on") != (kernel.get("Seccomp") == "2"):
        fail(f"seccomp={said['seccomp']}, the kernel says {kernel.get('Seccomp')}")
    if said["seccomp"] not in ("on", "absent", "left out") or not re.fullmatch(r"version \d+|absent", said["landlock"]):
        fail(f"what is this? {said}")
    with open(f"/proc/{child.pid}/limits", encoding="ascii") as file:
        limits = file.read()
    if not re.search(r"Max open files +256 +256 ", limits) or not re.search(r"Max core file size +0 +0 ", limits):
        fail(f"limits: {limits}")


def secure_workspace(place, cert, key):
    child = place.start(["emulate", "--listen", f"localhost:{place.emulator_port}", "--root", place.root, "--volume",
                         VOLUME, "--cert", cert, "--key", key],
                        dict(place.env, DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_ID=CLIENT_ID,
                             DATABRICKS_CLIENT_SECRET=CLIENT_SECRET))
    place.wait_port(place.emulator_port, child)
    return f"https://localhost:{place.emulator_port}"


def everything_works(place):
    feeder, port = Feeder(rate=2000), free_port()
    feeder.start()
    cert, key = make_certificate(place.directory)
    host = secure_workspace(place, cert, key)
    secrets = os.path.join(place.directory, "secrets")
    os.mkdir(secrets, 0o700)
    token = os.path.join(secrets, "token")
    put(token, "dapi-not-the-one\n")
    child = place.run(feeder.port, DATABRICKS_HOST=host, DATABRICKS_TOKEN=None, DATABRICKS_TOKEN_FILE=token,
                      VOLUME_UPLOADER_CA_FILE=cert, KELVIN_STREAM_IP=stream_name(),
                      VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}")
    wait_for("the refusal", 40, lambda: "Invalid access token" in log_of(child))
    check_rights(child)
    with open(f"/proc/{child.pid}/task/{child.pid}/comm", encoding="ascii") as file:
        names = {file.read().strip()}
    for task in os.listdir(f"/proc/{child.pid}/task"):
        with open(f"/proc/{child.pid}/task/{task}/comm", encoding="ascii") as file:
            names.add(file.read().strip())
    if not {"intake", "pack", "ship", "status"} <= names:
        fail(f"the threads are called {names}")
    put(token, TOKEN + "\n")
    child.send_signal(signal.SIGHUP)
    wait_for("a file with the rotated token", 60, place.files)
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read()
    if b"<html" not in page.lower():
        fail("no status page")
    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read()
    feeder.sending = False
    sent = feeder.sent()
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"exit code {child.returncode}")
    last = trace_of(child)
    Verdict(place).check(feeder.durable(feeder.port, last[1]) if last else [], sent)
    feeder.stop()


def odd_lines_and_a_profile(place):
    """The ring of rejected lines is written, and a token in a profile is read again."""
    stream = free_port()
    place.emulate()
    place.start(["simulate", "--listen", f"127.0.0.1:{stream}", "--rate", "5000", "--bad", "0.01",
                 "--upload-interval", "1", "--quiet"], place.env)
    profile = os.path.join(place.directory, ".databrickscfg")
    put(profile, f"[DEFAULT]\nhost = http://127.0.0.1:{place.emulator_port}\ntoken = dapi-not-the-one\n")
    child = place.run(stream, DATABRICKS_HOST=None, DATABRICKS_TOKEN=None, HOME=place.directory)
    wait_for("the refusal", 40, lambda: "Invalid access token" in log_of(child))
    put(profile, f"[DEFAULT]\nhost = http://127.0.0.1:{place.emulator_port}\ntoken = {TOKEN}\n")
    child.send_signal(signal.SIGHUP)
    wait_for("a file with the token of the new profile", 60, place.files)
    rejected = os.path.join(place.state, "rejected")
    wait_for("samples of rejected lines", 20, lambda: any(os.path.getsize(os.path.join(rejected, name))
                                                          for name in os.listdir(rejected)))
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"exit code {child.returncode}")


def it_can_be_switched_off(place):
    feeder = Feeder(rate=1000)
    feeder.start()
    place.emulate()
    child = place.run(feeder.port, "--sandbox=no", VOLUME_UPLOADER_LOG_FORMAT="json")
    wait_for("a file in the volume", 30, place.files)
    events = [json.loads(line)["event"] for line in log_of(child).splitlines() if line.startswith("{")]
    kernel = status_of(child.pid)
    if "sandbox_off" not in events or "sandbox" in events or kernel.get("Seccomp") != "0" or kernel["NoNewPrivs"] != "1":
        fail(f"{events} {kernel.get('Seccomp')}")
    child.send_signal(signal.SIGTERM)
    child.wait(60)
    feeder.stop()


def private_network():
    """A network of our own with nothing but loopback, and mounts that nobody else sees; both end with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(0x40000000 | 0x00020000) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sh22x", b"lo", 0x1 | 0x8 | 0x40)  # IFF_UP, IFF_LOOPBACK, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True).returncode == 0


def answer_of(query):
    """Every A is 127.0.0.1, everything else has no record."""
    end = 12
    while query[end]:
        end += query[end] + 1
    question, is_a = query[12:end + 5], query[end + 1:end + 3] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if is_a else b""
    return query[:2] + b"\x85\x80\0\1" + struct.pack("!H", len(record) > 0) + b"\0\0\0\0" + question + record


def names_come_from_a_name_server(place):
    """/etc/resolv.conf names it, and the resolver asks it over UDP, from within the sandbox."""
    if not private_network():
        print("skipped names_come_from_a_name_server: needs root and name spaces", flush=True)
        return
    server, asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), []
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, who = server.recvfrom(4096)
            asked.append(query)
            server.sendto(answer_of(query), who)

    threading.Thread(target=serve, daemon=True).start()
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        put(os.path.join(place.directory, name), text)
        subprocess.run(["mount", "--bind", os.path.join(place.directory, name), "/etc/" + name], check=True)
    feeder = Feeder(rate=1000)
    feeder.start()
    place.emulate()
    child = place.run(feeder.port, KELVIN_STREAM_IP="stream.plant.test" if stream_name() == "localhost" else "127.0.0.1")
    wait_for("a file in the volume", 40, place.files)
    if stream_name() == "localhost" and not any(b"\x06stream\x05plant\x04test" in query for query in asked):
        fail(f"nobody asked the name server: {asked}")
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"exit code {child.returncode}")
    feeder.stop()


if __name__ == "__main__":
    main(everything_works, odd_lines_and_a_profile, it_can_be_switched_off, names_come_from_a_name_server)
