"""The emulate command: what it prints, whom it lets in, how it ends."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from plant import PROGRAM, TOKEN, VOLUME, environ_of, fail, log_of, main, wait_for

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
    if secret.encode() in environ_of(child):
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


def https_with_a_certificate_of_ones_own(place):
    cert, key = (os.path.join(place.directory, name) for name in ("cert.pem", "key.pem"))
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                           "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                          capture_output=True, text=True, check=False, timeout=60)
    want(made.returncode, 0, made.stderr)
    child = place.start(["emulate", "--listen", f"localhost:{place.emulator_port}", "--root", place.root, "--volume",
                         VOLUME, "--cert", cert, "--key", key], {**place.env, "DATABRICKS_TOKEN": TOKEN})
    place.wait_port(place.emulator_port, child)
    host = f"https://localhost:{place.emulator_port}"
    wait_for("the settings", 10, lambda: f"SERVER_HOSTNAME={host}" in log_of(child))
    trusting = ssl.create_default_context(cafile=cert)
    with urllib.request.urlopen(host + "/.well-known/databricks-config", timeout=20, context=trusting) as answer:
        want(json.load(answer)["oidc_endpoint"], host + "/oidc", "the address of the sign-in")
    try:
        urllib.request.urlopen(host + "/.well-known/databricks-config", timeout=20)
        fail("a client without the certificate was content")
    except urllib.error.URLError:
        pass
    request = urllib.request.Request(host + FILE, data=b"x" * 300_000, method="PUT",
                                     headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=20, context=trusting) as answer:
        want(answer.status, 204, "upload over TLS")
    want(os.path.getsize(os.path.join(place.data, "a.bin")), 300_000, "what arrived")
    ends_well(child, signal.SIGTERM)
    with open(key, "w", encoding="ascii") as broken:
        broken.write("no key\n")
    out = subprocess.run([PROGRAM, "emulate", "--root", place.root, "--listen", "localhost:0", "--cert", cert, "--key",
                          key], env=place.env, capture_output=True, text=True, check=False, timeout=20)
    if out.returncode == 0 or "certificate" not in out.stderr:
        fail(f"a broken key: {out.returncode} {out.stderr}")


def who_is_restricted_needs_grants(place):
    secret = os.path.join(place.directory, "other.secret")
    with open(secret, "w", encoding="ascii") as out:
        out.write("other-secret\n")
    os.chmod(secret, 0o600)
    child = start(place, "--volume", VOLUME, "--restrict", "--client-id", "me", "--principal", f"other={secret}",
                  DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_SECRET="my-secret")
    catalog, schema, _ = VOLUME.split(".")

    def token_of(pair):
        status, body = call(place, "POST", "/oidc/v1/token", body="grant_type=client_credentials&scope=all-apis",
                            headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
        want(status, 200, f"sign-in of {pair}")
        return json.loads(body)["access_token"]

    def grant(kind, name, *privileges):
        body = json.dumps({"changes": [{"principal": "me", "add": list(privileges)}]})
        want(call(place, "PATCH", f"/api/2.1/unity-catalog/permissions/{kind}/{name}", TOKEN, body)[0], 200, "grant")

    me, other = token_of("me:my-secret"), token_of("other:other-secret")
    status, body = call(place, "PUT", FILE, me, b"1")
    want(status, 403, "upload without grants")
    if b"USE CATALOG" not in body:
        fail(f"the privilege is not named: {body}")
    grant("catalog", catalog, "USE_CATALOG")
    grant("schema", f"{catalog}.{schema}", "USE_SCHEMA")
    grant("volume", VOLUME, "WRITE_VOLUME")
    want(call(place, "PUT", FILE, me, b"1")[0], 204, "upload with grants")
    want(call(place, "PUT", FILE, other, b"1")[0], 403, "upload by the other one")
    ends_well(child, signal.SIGTERM)
    start(place, "--volume", VOLUME, "--restrict", "--client-id", "me", DATABRICKS_TOKEN=TOKEN,
          DATABRICKS_CLIENT_SECRET="my-secret")
    want(call(place, "PUT", FILE, token_of("me:my-secret"), b"1")[0], 204, "upload after a restart")


def wrong_use_is_said(place):
    rows = [
        ([], "--root"),
        (["--root", place.root, "--listen", "8181"], "--listen"),
        (["--root", place.root, "--fault", "PUT /x wat"], "unknown word 'wat'"),
        (["--root", place.root, "--volume", "a.b"], "catalog.schema.volume"),
        (["--root", place.root, "--token-lifetime", "5"], "--token-lifetime"),
        (["--root", place.root, "--listen", "0.0.0.0:0", "--allow-remote"], "--token-file"),
        (["--root", place.root, "--tok", "x"], "--tok"),
        (["--root", place.root, "--cert", "x"], "--key"),
        (["--root", place.root, "--principal", "x"], "ID=FILE"),
        (["--root", place.root, "--warehouse", "x:y"], "classic"),
        (["--root", place.root, "--job-poll", "x"], "--job-poll"),
        (["--root", place.root, "--job-time-scale", "0"], "--job-time-scale"),
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
     it_ends_in_the_middle_of_an_upload_and_starts_again, https_with_a_certificate_of_ones_own,
     who_is_restricted_needs_grants, wrong_use_is_said)
