"""`check`: each thing that can be wrong is found, named, and comes with what to do; nothing is left behind."""
import concurrent.futures
import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from email.utils import formatdate

from plant import (CLIENT_ID, CLIENT_SECRET, OAUTH, PROGRAM, TOKEN, VOLUME, Feeder, fail, free_port, log_of, main,
                   manifest_line, wait_for)

TABLE = "main.plant.events"
UC = "/api/2.1/unity-catalog"
USER = "somebody@example.com"  # whose the emulator's personal access token is
PROXY_PASSWORD = "pr0xy-passw0rd"
COLUMNS = [["timestamp", "timestamp_ntz"], ["asset", "string"], ["datastream", "string"], ["payload", "double"]]
JOB = {"VOLUME_UPLOADER_JOB_SERVERLESS": "yes"}


class Found:
    """What one call of `check` said."""

    def __init__(self, place, stream_port, *arguments, code=None, **env):
        env = {"DATABRICKS_DELTA_TABLE": TABLE, "SSL_CERT_FILE": None, **env}
        started = time.monotonic()
        out = subprocess.run([PROGRAM, "check", "--json", *arguments], capture_output=True, text=True, check=False,
                             env=place.run_env(stream_port, **env), cwd=place.directory, timeout=120)
        self.took = time.monotonic() - started
        self.code, self.text = out.returncode, out.stdout + out.stderr
        for secret in (TOKEN, CLIENT_SECRET, PROXY_PASSWORD):
            if secret in self.text:
                fail(f"a secret is shown:\n{self.text}")
        try:
            self.report = json.loads(out.stdout)
        except ValueError:
            fail(f"no JSON ({out.returncode}):\n{self.text}")
        self.items = self.report["checks"]
        self.text = "".join(f"{i['status']:5} {i['name']:16} {i['text']}; fix: {i['fix']}\n" for i in self.items) + out.stderr
        for status in ("ok", "warn", "fail", "skip"):
            if self.report[status] != sum(item["status"] == status for item in self.items):
                fail(f"wrong count of {status}:\n{self.text}")
        # Each step has its own limit, all of them ten seconds; a busy machine may be late to notice its end.
        if sum(item["took_ms"] for item in self.items) > 20000:
            fail(f"took {self.took:.1f} s:\n{self.text}")
        if code is not None and self.code != code:
            fail(f"exit status {self.code}, not {code}:\n{self.text}")

    def want(self, name, status, *parts):
        """One of the lines `name` has this status, and text and fix together hold all parts."""
        for item in self.items:
            whole = f"{item['text']} {item['fix'] or ''}"
            if item["name"] == name and item["status"] == status and all(part in whole for part in parts):
                return item
        fail(f"no line '{name}' says {status} with {parts}:\n{self.text}")

    def only_fails(self, *names):
        failed = sorted({item["name"] for item in self.items if item["status"] == "fail"})
        if failed != sorted(names):
            fail(f"these fail: {failed}, not {sorted(names)}:\n{self.text}")


def with_body(method, path, body, status=200):
    """A fault rule that answers with this JSON."""
    text = json.dumps(body, separators=(",", ":")).replace("\\", "\\\\").replace('"', '\\"')
    return f'{method} {path} status={status} body="{text}"'


def table_rule(columns, owner="somebody else"):
    return with_body("GET", f"{UC}/tables/{TABLE}", {
        "full_name": TABLE, "owner": owner, "table_type": "MANAGED", "data_source_format": "DELTA",
        "columns": [{"name": n, "type_text": t, "type_name": t.upper(), "nullable": True, "position": i}
                    for i, (n, t) in enumerate(columns)]})


def grants_rule(*privileges):
    return with_body("GET", f"{UC}/effective-permissions/table/{TABLE}", {
        "privilege_assignments": [{"principal": who, "privileges": [{"privilege": p} for p in privileges]}
                                  for who in (CLIENT_ID, USER)]})


def api(place, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", place.emulator_port, timeout=20)
    connection.request(method, path, body=json.dumps(body) if body is not None else None,
                       headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status // 100 != 2:
        fail(f"{method} {path}: {answer.status} {data}")
    return json.loads(data) if data else {}


def good_workspace(place, *rules):
    """Volume, table, grants and job as `setup` leaves them; the table's answers come from rules."""
    place.emulate()
    place.faults("\n".join([*rules, table_rule(COLUMNS), grants_rule("SELECT", "MODIFY")]))


def set_up(place, feeder, **env):
    out = subprocess.run([PROGRAM, "setup"], capture_output=True, text=True, check=False, timeout=60,
                         env=place.run_env(feeder.port, DATABRICKS_DELTA_TABLE=TABLE, **env), cwd=place.directory)
    if "job" not in out.stdout:
        fail(f"setup: {out.returncode} {out.stdout} {out.stderr}")


def start_feeder():
    feeder = Feeder(rate=100)
    feeder.start()
    return feeder


def all_is_well_beside_a_running_run(place):
    feeder = start_feeder()
    good_workspace(place)
    set_up(place, feeder, **OAUTH, **JOB)
    found = Found(place, feeder.port, code=0, **OAUTH, **JOB)
    found.only_fails()
    found.want("run", "ok", "none is at work") if os.path.exists(place.state) else None
    found.want("stream", "ok", "manifest", "every 1.0 s")
    found.want("sign-in", "ok", CLIENT_ID, "oauth-m2m")
    found.want("setting", "ok", "client_secret = (set)", "environment DATABRICKS_CLIENT_SECRET")
    found.want("data/", "ok", "takes files")
    found.want("checkpoints/", "ok", "takes files")
    found.want("table", "ok", TABLE)
    found.want("grants", "ok", "nothing is missing")
    found.want("job", "ok", "is current")
    found.want("last run", "ok", "none yet")
    found.want("other jobs", "ok", "none")
    if place.files():
        fail(f"probe files were left behind: {place.files()}")

    # The feeder serves one client: while `run` has it, the next one waits or is turned away.
    child = place.run(feeder.port, **OAUTH, **JOB, DATABRICKS_DELTA_TABLE=TABLE)
    wait_for("the connection", 30, lambda: "stream_connected" in log_of(child))
    found = Found(place, feeder.port, code=0, **OAUTH, **JOB)
    found.want("run", "ok", f"process {child.pid}")
    found.want("state directory", "ok", "in use")
    found.want("stream", "ok", "`run` at work here")
    if child.poll() is not None:
        fail(f"run ended with {child.returncode}:\n{log_of(child)}")
    feeder.stop()


def a_busy_stream_is_in_use_or_taken(place):
    """A publisher that accepts a second client and closes at once."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            if held:
                peer.close()
            else:
                held.append(peer)
                peer.sendall(manifest_line())

    threading.Thread(target=serve, daemon=True).start()
    port = server.getsockname()[1]
    good_workspace(place)
    child = place.run(port)
    wait_for("the connection", 30, lambda: held)
    Found(place, port, code=0).want("stream", "ok", "in use by the `run`")
    child.kill()
    child.wait()
    found = Found(place, port, code=2)
    found.only_fails("stream")
    found.want("stream", "fail", "another client", "stop the other one")
    found.want("run", "ok", "nobody holds the lock")
    server.close()


def no_stream(place):
    good_workspace(place)
    found = Found(place, free_port(), code=2)
    found.only_fails("stream")
    found.want("stream", "fail", "Connection refused", "KELVIN_STREAM_PORT")
    silent = socket.create_server(("127.0.0.1", 0))
    found = Found(place, silent.getsockname()[1], code=0)
    found.want("stream", "warn", "no manifest within 3", "Kelvin stream?")
    Found(place, silent.getsockname()[1], "--strict", code=1)
    silent.close()


def wrong_settings(place):
    found = Found(place, 0, code=2, DATABRICKS_HOST=None, DATABRICKS_UC_VOLUME="main.plant", DATABRICKS_TOKEN=None)
    found.want("settings", "fail", "DATABRICKS_SERVER_HOSTNAME: not set")
    found.want("settings", "fail", "DATABRICKS_UC_VOLUME = main.plant")
    found.want("settings", "fail", "credentials")
    found.want("settings", "fail", "KELVIN_STREAM_PORT = 0")
    found.want("all the rest", "skip")


def with_thread_sanitizer():
    """It does not know the helper thread of the resolver: only addresses as numbers work (stream/resolve.h)."""
    with open(PROGRAM, "rb") as program:
        return b"__tsan_init" in program.read()


def wrong_host_and_port(place):
    feeder = start_feeder()
    if not with_thread_sanitizer():
        found = Found(place, feeder.port, code=2, DATABRICKS_HOST="https://no-such-workspace.invalid")
        found.only_fails("dns")
        found.want("dns", "fail", "no-such-workspace.invalid", "spelling")
        found.want("sign-in", "skip")
        found.want("job", "skip")
    found = Found(place, feeder.port, code=2, DATABRICKS_HOST=f"https://127.0.0.1:{free_port()}")
    found.only_fails("tcp")
    found.want("tcp", "fail", "Connection refused", "firewall")
    found.want("tls", "skip")
    feeder.stop()


def refused_credentials(place):
    feeder = start_feeder()
    good_workspace(place)
    found = Found(place, feeder.port, code=2, **{**OAUTH, "DATABRICKS_CLIENT_SECRET": "wrong-secret-123"})
    found.only_fails("sign-in")
    found.want("sign-in", "fail", "oauth-m2m", "secret")
    found.want("volume", "skip", "not signed in")
    if "wrong-secret-123" in found.text:
        fail("the wrong secret is shown")
    found = Found(place, feeder.port, code=2, DATABRICKS_TOKEN="wrong-token-123")
    found.only_fails("sign-in")
    found.want("sign-in", "fail", "pat")
    found = Found(place, feeder.port, code=2, DATABRICKS_WORKSPACE_ID="4711")
    found.only_fails("workspace id")
    found.want("workspace id", "fail", "4711", "DATABRICKS_WORKSPACE_ID")
    feeder.stop()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_certificates(folder):
    """An own CA, and certificates signed by it for this machine and for another name."""
    path = lambda name: os.path.join(folder, name)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/O=Plant/CN=Plant Test CA",
            "-keyout", path("ca.key"), "-out", path("ca.pem"))
    for name, san in (("here", "IP:127.0.0.1"), ("other", "DNS:other.example.com")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example.com",
                "-keyout", path(f"{name}.key"), "-out", path(f"{name}.csr"))
        with open(path("ext"), "w") as ext:
            ext.write(f"subjectAltName={san}\n")
        openssl("x509", "-req", "-days", "30", "-in", path(f"{name}.csr"), "-CA", path("ca.pem"), "-CAkey",
                path("ca.key"), "-CAcreateserial", "-extfile", path("ext"), "-out", path(f"{name}.pem"))
    return path


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with 404, like a host that is no workspace; its clock may be wrong."""
    ahead = 0

    def do_GET(self):
        self.send_response_only(404)
        self.send_header("Date", formatdate(time.time() + self.ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def serve_https(folder, name):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder(f"{name}.pem"), folder(f"{name}.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # handshakes that were refused are what is tested
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def wrong_certificate(place):
    feeder = start_feeder()
    folder = make_certificates(place.directory)
    here, other = serve_https(folder, "here"), serve_https(folder, "other")
    url = f"https://127.0.0.1:{here.server_address[1]}"
    found = Found(place, feeder.port, code=2, DATABRICKS_HOST=url)
    found.only_fails("tls")
    found.want("tls", "fail", "here.example.com", "Plant Test CA", "valid", "GMT", "--ca-file")
    found.want("sign-in", "skip")
    # With the CA named the way is free, and what comes next is at fault: this is no workspace.
    found = Found(place, feeder.port, "--ca-file", folder("ca.pem"), code=2, DATABRICKS_HOST=url)
    found.want("tls", "ok", "certificate")
    found.want("clock", "ok")
    found.only_fails("sign-in")
    found = Found(place, feeder.port, "--ca-file", folder("ca.pem"), code=2,
                  DATABRICKS_HOST=f"https://127.0.0.1:{other.server_address[1]}")
    found.only_fails("tls")
    found.want("tls", "fail", "other.example.com", "the name the certificate is for")
    feeder.stop()


def wrong_clock(place):
    feeder = start_feeder()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for ahead, status, text in ((3600, "fail", "behind"), (-3600, "fail", "ahead of"), (-100, "warn", "ahead of"),
                                (5, "ok", "agree")):
        Answer.ahead = ahead
        Found(place, feeder.port, DATABRICKS_HOST=url).want("clock", status, text)
    Answer.ahead = 0
    feeder.stop()


def proxy_server(answer, target=None):
    """Says `answer` to a CONNECT; with a target it is a tunnel to it."""
    server = socket.create_server(("127.0.0.1", 0))

    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            try:
                head = b""
                while b"\r\n\r\n" not in head and (data := peer.recv(4096)):
                    head += data
                if not head:
                    peer.close()
                    continue
                peer.sendall(answer)
                if not target:
                    peer.close()
                    continue
                other = socket.create_connection(target)
                threading.Thread(target=copy, args=(peer, other), daemon=True).start()
                threading.Thread(target=copy, args=(other, peer), daemon=True).start()
            except OSError:
                peer.close()

    threading.Thread(target=serve, daemon=True).start()
    return server


def the_proxy_is_a_hop_of_its_own(place):
    feeder = start_feeder()
    folder = make_certificates(place.directory)
    here = serve_https(folder, "here")
    host = {"DATABRICKS_HOST": f"https://127.0.0.1:{here.server_address[1]}"}
    proxies = {
        "refused": proxy_server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        "asks": proxy_server(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
                             b"Content-Length: 0\r\n\r\n"),
        "broken": proxy_server(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        "through": proxy_server(b"HTTP/1.1 200 Connection established\r\n\r\n", here.server_address),
    }

    def through(name):
        port = proxies[name].getsockname()[1] if name in proxies else free_port()
        return Found(place, feeder.port, "--ca-file", folder("ca.pem"), code=2, NO_PROXY="", no_proxy=None,
                     HTTPS_PROXY=f"http://user:{PROXY_PASSWORD}@127.0.0.1:{port}", **host)

    found = through("refused")
    found.only_fails("proxy")
    found.want("proxy", "fail", "403")
    found = through("asks")
    found.only_fails("proxy")
    found.want("proxy", "fail", "407", "HTTPS_PROXY")
    found = through("broken")
    found.only_fails("proxy")
    found = through("nobody")
    found.only_fails("tcp")
    found.want("tcp", "fail", "proxy", "Connection refused")
    found = through("through")
    found.want("tcp", "ok", "proxy")
    found.want("proxy", "ok", "lets us through")
    found.want("tls", "ok")
    found.only_fails("sign-in")
    for server in proxies.values():
        server.close()
    feeder.stop()


def the_disk_is_nearly_full(place):
    feeder = start_feeder()
    good_workspace(place)
    child = place.run(feeder.port, DATABRICKS_HOST=f"http://127.0.0.1:{free_port()}")
    wait_for("a file that waits", 40, lambda: os.path.isdir(os.path.join(place.state, "outbox")) and any(
        name.endswith(".parquet") for name in os.listdir(os.path.join(place.state, "outbox"))))
    child.kill()
    child.wait()
    found = Found(place, feeder.port, code=0)
    found.want("disk", "ok", "left for the state")
    found.want("backlog", "ok", "readings wait")
    found = Found(place, feeder.port, "--free-bytes-min", "1TiB", code=2)
    found.only_fails("disk")
    found.want("disk", "fail", "nothing is received any more", "make room")
    used = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(place.state)
               for name in names)
    found = Found(place, feeder.port, "--state-bytes-max", str(max(used * 10 // 9, 64 << 20)), code=None)
    if used * 10 // 9 >= 64 << 20:
        found.want("disk", "warn", "make room")
    feeder.stop()


def a_state_directory_that_is_not_ours_to_use(place):
    feeder = start_feeder()
    good_workspace(place)
    os.mkdir(place.state, 0o700)
    os.chmod(place.state, 0o777)
    found = Found(place, feeder.port, code=2)
    found.only_fails("state directory")
    found.want("state directory", "fail", "0777", "chmod 0700")
    if os.listdir(place.state):
        fail(f"check made something: {os.listdir(place.state)}")
    os.rmdir(place.state)
    with open(place.state, "w"):
        pass
    Found(place, feeder.port, code=2).only_fails("state directory")
    os.unlink(place.state)
    found = Found(place, feeder.port, code=0)
    found.want("state directory", "ok", "`run` makes it")
    found.want("disk", "ok", "free on")
    if os.path.exists(place.state):
        fail("check made the state directory")
    found = Found(place, feeder.port, "--state-dir", "/dev/shm/none/of/ours", code=2,
                  VOLUME_UPLOADER_ALLOW_VOLATILE_STATE=None)
    found.only_fails("state directory")
    found.want("state directory", "fail", "tmpfs", "not durable", "--state-dir")
    found = Found(place, feeder.port, "--state-dir", "/proc/none", code=2)
    if {item["name"] for item in found.items if item["status"] == "fail"} - {"state directory", "disk"}:
        fail(f"something else fails too:\n{found.text}")
    feeder.stop()


def volume_and_folders(place):
    feeder = start_feeder()
    good_workspace(place)
    found = Found(place, feeder.port, code=2, DATABRICKS_UC_VOLUME="main.plant.nowhere")
    found.want("volume", "fail", "main.plant.nowhere", "setup")
    found.want("data/", "skip")
    found.want("files in data/", "skip")
    place.faults(f"GET {UC}/volumes/* denied count=1")
    found = Found(place, feeder.port, code=2)
    found.want("volume", "fail", "403", "READ VOLUME")
    place.faults(None, "DELETE")
    place.faults("\n".join(["PUT /api/2.0/fs/files/*_volume-uploader-check* denied", table_rule(COLUMNS),
                            grants_rule("SELECT", "MODIFY")]))
    found = Found(place, feeder.port, code=2)
    found.want("data/", "fail", "403", "WRITE VOLUME")
    place.faults(None, "DELETE")
    place.faults("\n".join(["DELETE /api/2.0/fs/files/* denied", table_rule(COLUMNS)]))
    found = Found(place, feeder.port)
    found.want("data/", "warn", "_volume-uploader-check-", "could not be removed")
    feeder.stop()


def table_and_grants(place):
    feeder = start_feeder()
    place.emulate()

    def with_rules(*rules, **more):
        place.faults(None, "DELETE")
        place.faults("\n".join(rules))
        return Found(place, feeder.port, **OAUTH, **JOB, **more)

    wrong = [["timestamp", "timestamp"], *COLUMNS[1:3], ["payload", "string"], ["more", "int"]]
    found = with_rules(table_rule(wrong), grants_rule("SELECT", "MODIFY"), code=2)
    found.only_fails("table")
    found.want("table", "fail", "timestamp_ntz", "payload is string", "another table")
    found = with_rules(table_rule(COLUMNS[:3]), grants_rule("SELECT", "MODIFY"), code=2)
    found.want("table", "fail", "payload double is missing")
    found = with_rules(f"GET {UC}/tables/{TABLE} missing", code=2)
    found.want("table", "fail", "does not exist", "setup")
    found = with_rules(table_rule(COLUMNS), grants_rule("SELECT"), code=2)
    found.only_fails("grants")
    found.want("grants", "fail", "missing: MODIFY on table", f"GRANT MODIFY ON TABLE `main`.`plant`.`events` TO `{CLIENT_ID}`")
    found = with_rules(table_rule(COLUMNS), f"GET {UC}/effective-permissions/* denied", code=0)
    found.want("grants", "ok", "not known")
    found = with_rules(table_rule(COLUMNS, owner=CLIENT_ID), code=0)
    found.want("grants", "ok", "nothing is missing")
    feeder.stop()


def job_of(place):
    return api(place, "GET", "/api/2.2/jobs/list")["jobs"][0]["job_id"]


def the_job_and_its_runs(place):
    feeder = start_feeder()
    good_workspace(place)
    found = Found(place, feeder.port, code=0, **JOB)
    found.want("job", "warn", "does not exist yet", "setup")
    found.want("code", "warn", "does not exist yet")
    set_up(place, feeder, **JOB)
    Found(place, feeder.port, code=0, **JOB).want("job", "ok", "is current")
    job = job_of(place)
    settings = api(place, "GET", f"/api/2.2/jobs/get?job_id={job}")["settings"]
    trigger = settings["trigger"]
    api(place, "POST", "/api/2.2/jobs/update",
        {"job_id": job, "new_settings": {"trigger": {**trigger, "pause_status": "PAUSED"}}})
    found = Found(place, feeder.port, code=2, **JOB)
    found.only_fails("job")
    found.want("job", "fail", "is paused", str(job), "Resume")
    api(place, "POST", "/api/2.2/jobs/update", {"job_id": job, "new_settings": {
        "trigger": {**trigger, "pause_status": "UNPAUSED"}, "max_concurrent_runs": 5}})
    Found(place, feeder.port, code=0, **JOB).want("job", "warn", "another definition", "setup")
    api(place, "POST", "/api/2.2/jobs/update", {"job_id": job, "new_settings": {"max_concurrent_runs": 1}})
    now = int(time.time() * 1000)
    place.faults(with_body("GET", "/api/2.2/jobs/runs/list", {"runs": [
        {"run_id": 8, "job_id": job, "start_time": now, "state": {"life_cycle_state": "RUNNING"}},
        {"run_id": 7, "job_id": job, "start_time": now - 9000, "end_time": now - 5000, "run_page_url": "https://x/run/7",
         "state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "no such column"}}]}))
    found = Found(place, feeder.port, code=2, **JOB)
    found.only_fails("last run")
    found.want("last run", "fail", "no such column", "https://x/run/7")
    feeder.stop()


def more_jobs_than_there_is_time_for(place):
    """Thousands of jobs of others take longer than a check may: that is no failure of ours."""
    feeder = start_feeder()
    good_workspace(place)
    set_up(place, feeder, **JOB)
    place.faults("GET /api/2.2/jobs/list delay=100s after=1")  # the first looks for our own by its name
    found = Found(place, feeder.port, code=0, **JOB)
    found.want("job", "ok", "is current")
    found.want("other jobs", "warn", "could not be gone through", "setup --dry-run")
    feeder.stop()


def compute_that_does_not_do(place):
    feeder = start_feeder()
    good_workspace(place)
    warehouse = {"DATABRICKS_JOB_WAREHOUSE_ID": "abc123"}
    cluster = {"DATABRICKS_JOB_CLUSTER_ID": "0101-abc"}

    def compute(kind, body, status=200, **env):
        place.faults(None, "DELETE")
        path = "/api/2.0/sql/warehouses/abc123" if kind == "warehouse" else "/api/2.1/clusters/get"
        place.faults("\n".join([with_body("GET", path, body, status), table_rule(COLUMNS),
                                grants_rule("SELECT", "MODIFY")]))
        return Found(place, feeder.port, **(warehouse if kind == "warehouse" else cluster), **env)

    ok = {"id": "abc123", "name": "wh", "state": "STOPPED", "warehouse_type": "PRO"}
    compute("warehouse", ok).want("compute", "ok", "starts by itself")
    compute("warehouse", {**ok, "state": "DELETED"}, code=2).want("compute", "fail", "DELETED")
    compute("warehouse", {**ok, "warehouse_type": "CLASSIC"}, code=2).want("compute", "fail", "classic")
    gone = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}
    compute("warehouse", gone, 404, code=2).want("compute", "fail", "no SQL warehouse abc123")
    ok = {"cluster_id": "0101-abc", "cluster_name": "cl", "state": "TERMINATED", "spark_version": "15.4.x-scala2.12",
          "data_security_mode": "USER_ISOLATION"}
    compute("cluster", ok).want("compute", "ok", "the job starts it")
    compute("cluster", {**ok, "data_security_mode": "NONE"}, code=2).want("compute", "fail", "Unity Catalog")
    compute("cluster", ok, code=2, VOLUME_UPLOADER_JOB_CLEAN_SOURCE="yes").want("compute", "fail", "15.4", "16.4")
    compute("cluster", gone, 404, code=2).want("compute", "fail", "no cluster 0101-abc")
    feeder.stop()


def files_come_near_the_limit_of_the_trigger(place):
    feeder = start_feeder()
    good_workspace(place)
    set_up(place, feeder, **JOB)
    os.makedirs(os.path.join(place.data, "2026-01-31"), exist_ok=True)
    for n in range(8000):
        folder = os.path.join(place.data, "2026-01-31") if n % 2 else place.data
        os.close(os.open(os.path.join(folder, f"{n}.parquet"), os.O_CREAT | os.O_WRONLY))
    found = Found(place, feeder.port, code=0, **JOB)
    found.want("files in data/", "warn", "8,000", "10,000", "job_clean_source")
    found = Found(place, feeder.port, code=0)
    found.want("files in data/", "ok", "8,000")
    os.unlink(os.path.join(place.data, "0.parquet"))
    found = Found(place, feeder.port, code=0, **JOB)
    found.want("files in data/", "ok", "7,999")
    for n in range(8000, 10001):
        os.close(os.open(os.path.join(place.data, f"{n}.parquet"), os.O_CREAT | os.O_WRONLY))
    found = Found(place, feeder.port, code=2, **JOB)
    found.only_fails("files in data/")
    feeder.stop()


def a_slow_workspace_does_not_hold_it_up(place):
    feeder = start_feeder()
    place.emulate()
    place.faults("GET /api/* delay=100s")
    found = Found(place, feeder.port, code=2)
    found.want("sign-in", "fail", "no answer within 4")
    place.faults(None, "DELETE")
    place.faults(f"GET {UC}/* delay=100s")
    found = Found(place, feeder.port, code=2)
    found.want("volume", "fail", "no answer within 4")
    found.want("table", "fail", "no answer")
    feeder.stop()


def silent_server(folder=None):
    """Accepts and never says a word; with certificates it does, at least, shake hands."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def shake(peer):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder("here.pem"), folder("here.key"))
        try:
            held.append(context.wrap_socket(peer, server_side=True))
        except OSError:
            pass

    def serve():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            held.append(peer)
            if folder:
                threading.Thread(target=shake, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return server


def a_host_that_hangs_is_found_by_the_hop(place):
    """Whose silence it is: that of TLS, of the host behind it, of the proxy, or of the host behind the proxy."""
    feeder = start_feeder()
    folder = make_certificates(place.directory)
    silent, shakes = silent_server(), silent_server(folder)
    port = silent.getsockname()[1]
    through = proxy_server(b"HTTP/1.1 200 Connection established\r\n\r\n", silent.getsockname())

    def look(url, **env):
        return Found(place, feeder.port, "--ca-file", folder("ca.pem"), code=2, DATABRICKS_HOST=url, **env)

    proxy = {"NO_PROXY": "", "no_proxy": None}
    with concurrent.futures.ThreadPoolExecutor() as at_once:
        plain, tls, host, hop, behind = [at_once.submit(look, url, **env) for url, env in (
            (f"http://127.0.0.1:{port}", {}), (f"https://127.0.0.1:{port}", {}),
            (f"https://127.0.0.1:{shakes.getsockname()[1]}", {}),
            ("https://127.0.0.1:1", {"HTTPS_PROXY": f"http://127.0.0.1:{port}", **proxy}),
            ("https://127.0.0.1:1", {"HTTPS_PROXY": f"http://127.0.0.1:{through.getsockname()[1]}", **proxy}))]
    plain.result().only_fails("http")
    tls.result().only_fails("tls")
    tls.result().want("tls", "fail", "TLS is not answered", "firewall")
    host.result().want("tls", "ok", "is good")
    host.result().only_fails("http")
    hop.result().only_fails("proxy")
    behind.result().want("proxy", "ok", "lets us through")
    behind.result().only_fails("tls")
    for server in (silent, shakes, through):
        server.close()
    feeder.stop()


def probes(place):
    return [name for _, _, names in os.walk(place.root) for name in names if "volume-uploader-check" in name]


def probe_files_are_removed_whatever_happens(place):
    feeder = start_feeder()
    good_workspace(place)
    os.makedirs(place.data)  # without it the probe goes into the volume's root
    for fault in ("cut=after", "lose", "lose status=500", "delay=1s"):
        place.faults(f"PUT /api/2.0/fs/files/* {fault}")
        found = Found(place, feeder.port, code=None)
        if probes(place):
            fail(f"{fault}: left behind: {probes(place)}\n{found.text}")
        place.faults(None, "DELETE")
    # Ctrl-C while one is there.
    place.faults("PUT /api/2.0/fs/files/* delay=2s")
    child = place.start(["check"], place.run_env(feeder.port, DATABRICKS_DELTA_TABLE=TABLE))
    wait_for("a probe file", 60, lambda: probes(place))
    child.send_signal(signal.SIGINT)
    if child.wait(60) != -signal.SIGINT:
        fail(f"it ended with {child.returncode}:\n{log_of(child)}")
    if probes(place):
        fail(f"Ctrl-C left behind: {probes(place)}")
    feeder.stop()


def text_for_people(place):
    feeder = start_feeder()
    good_workspace(place)
    env = place.run_env(feeder.port, DATABRICKS_DELTA_TABLE=TABLE)
    out = subprocess.run([PROGRAM, "check"], env=env, capture_output=True, text=True, check=False, timeout=120)
    lines = out.stdout.splitlines()
    if out.returncode != 0 or out.stderr or "failures" not in lines[-1] or lines[-2] != "":
        fail(f"{out.returncode} {out.stdout} {out.stderr}")
    for line in lines[:-2]:
        if line[:5].strip() not in ("ok", "warn", "fail", "skip") or line[22] != " " or line[23] == " ":
            fail(f"not aligned: '{line}'")
    if "token = (set) (environment DATABRICKS_TOKEN)" not in out.stdout:
        fail(f"the source of the token is missing:\n{out.stdout}")
    full = subprocess.run(f"'{PROGRAM}' check > /dev/full", shell=True, env=env, check=False, timeout=120)
    if full.returncode != 1:
        fail(f"an output that cannot be written: {full.returncode}")
    feeder.stop()


main(all_is_well_beside_a_running_run, a_busy_stream_is_in_use_or_taken, no_stream, wrong_settings,
     wrong_host_and_port, refused_credentials, wrong_certificate, wrong_clock, the_proxy_is_a_hop_of_its_own,
     the_disk_is_nearly_full, a_state_directory_that_is_not_ours_to_use, volume_and_folders, table_and_grants,
     the_job_and_its_runs, more_jobs_than_there_is_time_for, compute_that_does_not_do,
     files_come_near_the_limit_of_the_trigger, a_slow_workspace_does_not_hold_it_up, a_host_that_hangs_is_found_by_the_hop,
     probe_files_are_removed_whatever_happens, text_for_people)
