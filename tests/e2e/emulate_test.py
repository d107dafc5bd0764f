"""The emulate command: what it prints, whom it lets in, how it ends."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

from plant import PROGRAM, TOKEN, VOLUME, fail, log_of, main, wait_for

FILE = "/api/2.0/fs/files/Volumes/" + VOLUME.replace(".", "/") + "/data/a.bin"


def call(place, method, path, token=None, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", place.emulator_port, timeout=20)
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def want(got, expected, what):
    if got != expected:
        fail(f"{what}: {got}, not {expected}")


def ends_well(child, number):
    child.send_signal(number)
    want(child.wait(20), 0, f"exit after {number.name}")


def start(place, *arguments, **more):
    child = place.start(["emulate", "--listen", f"127.0.0.1:{place.emulator_port}", "--root", place.root,
                         *arguments], {**place.env, **more})
    place.wait_port(place.emulator_port, child)
    wait_for("the settings", 10, lambda: "SERVER_HOSTNAME" in log_of(child))
    return child


def local_credentials_are_printed_and_work(place):
    child = start(place, "--volume", VOLUME, "--verbose")
    said = dict(re.findall(r"export (\w+)=(\S+)", log_of(child)))
    want(said["DATABRICKS_SERVER_HOSTNAME"], f"http://127.0.0.1:{place.emulator_port}", "host")
    want(said["DATABRICKS_UC_VOLUME"], VOLUME, "volume")
    pair = f"{said['DATABRICKS_CLIENT_ID']}:{said['DATABRICKS_CLIENT_SECRET']}"
    status, body = call(place, "POST", "/oidc/v1/token", body="grant_type=client_credentials&scope=all-apis",
                        headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
    want(status, 200, "sign-in")
    token = json.loads(body)["access_token"]
    want(call(place, "PUT", FILE, token, b"12345")[0], 204, "upload with OAuth")
    want(call(place, "PUT", FILE, said["DATABRICKS_ACCESS_TOKEN"], b"123456")[0], 204, "upload with the token")
    with open(os.path.join(place.data, "a.bin"), "rb") as plain:
        want(plain.read(), b"123456", "the plain file")
    wait_for("a line a request", 10, lambda: "method=PUT" in log_of(child) and "status=204" in log_of(child))
    if token in log_of(child):
        fail("a token is in the log")
    ends_well(child, signal.SIGTERM)


def own_credentials_are_taken_and_not_printed(place):
    secret = "a-secret-of-my-own"
    child = start(place, "--client-id", "me", DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_SECRET=secret)
    if TOKEN in log_of(child) or secret in log_of(child) or "local-" in log_of(child):
        fail(f"it shows secrets, or offers well-known ones:\n{log_of(child)}")
    want(call(place, "PUT", FILE, TOKEN, b"1")[0], 204, "upload, which makes the volume")
    want(call(place, "PUT", FILE, "local-token", b"1")[0], 403, "the well-known token")
    with open(f"/proc/{child.pid}/environ", "rb") as environ:
        if secret.encode() in environ.read():
            fail("the secret is still in the environment")
    ends_well(child, signal.SIGINT)


def it_ends_in_the_middle_of_an_upload_and_starts_again(place):
    child = start(place, "--volume", VOLUME, DATABRICKS_TOKEN=TOKEN)
    with socket.create_connection(("127.0.0.1", place.emulator_port)) as half:
        half.sendall(f"PUT {FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
                     "Content-Length: 1000000\r\n\r\n".encode() + b"x" * 1000)
        time.sleep(0.3)
        ends_well(child, signal.SIGTERM)
    want(place.files(), [], "files")
    child = start(place, "--volume", VOLUME, "--fault", "GET * delay=300s", DATABRICKS_TOKEN=TOKEN)
    with socket.create_connection(("127.0.0.1", place.emulator_port)) as waiting:
        waiting.sendall(b"GET /.well-known/databricks-config HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        child.kill()
        child.wait()
    child = start(place, "--volume", VOLUME, DATABRICKS_TOKEN=TOKEN)
    want(call(place, "PUT", FILE, TOKEN, b"1")[0], 204, "upload after a restart")
    state = json.loads(urllib.request.urlopen(
        f"http://127.0.0.1:{place.emulator_port}/emulator/state", timeout=10).read())
    want(state["uploads"], 1, "uploads counted")
    ends_well(child, signal.SIGTERM)


def wrong_use_is_said(place):
    rows = [
        ([], "--root"),
        (["--root", place.root, "--listen", "8181"], "--listen"),
        (["--root", place.root, "--fault", "PUT /x wat"], "unknown word 'wat'"),
        (["--root", place.root, "--volume", "a.b"], "catalog.schema.volume"),
        (["--root", place.root, "--token-lifetime", "5"], "--token-lifetime"),
        (["--root", place.root, "--listen", "0.0.0.0:0", "--allow-remote"], "--token-file"),
        (["--root", place.root, "--tok", "x"], "--tok"),
        (["--root", place.root, "more"], "more"),
    ]
    for arguments, text in rows:
        out = subprocess.run([PROGRAM, "emulate", *arguments], env=place.env, capture_output=True, text=True,
                             check=False, timeout=20)
        if out.returncode != 2 or text not in out.stderr:
            fail(f"{arguments}: {out.returncode} {out.stderr}")
    out = subprocess.run([PROGRAM, "emulate", "--root", place.root, "--listen", "0.0.0.0:0"], env=place.env,
                         capture_output=True, text=True, check=False, timeout=20)
    if out.returncode == 0 or "loopback" not in out.stderr:
        fail(f"it listens to everybody: {out.returncode} {out.stderr}")


main(local_credentials_are_printed_and_work, own_credentials_are_taken_and_not_printed,
     it_ends_in_the_middle_of_an_upload_and_starts_again, wrong_use_is_said)
