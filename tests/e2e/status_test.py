"""The status server of a run: numbers move and add up, an outage shows and clears, clients cannot harm it."""
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from plant import PROGRAM, TOKEN, Feeder, fail, free_port, log_of, main, wait_for


class Status:
    def __init__(self, place):
        self.port = free_port()
        self.listen = f"127.0.0.1:{self.port}"

    def get(self, path):
        """(HTTP status, body)"""
        try:
            with urllib.request.urlopen(f"http://{self.listen}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name.removeprefix("volume_uploader_")] = float(value)
        return found

    def up(self):
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


def both_sums(m):
    """Every line and every reading is somewhere, and in one place."""
    rejected = sum(v for k, v in m.items() if k.startswith("rejected_lines_total"))
    waiting = sum(v for k, v in m.items() if k.startswith("waiting_readings"))
    lines = (m["lines_total"], m["readings_total"] + rejected + m["ignored_lines_total"])
    readings = (m["carried_readings"] + m["readings_total"], m["delivered_readings_total"] + waiting +
                m["superseded_readings_total"] + m["gap_readings_total"])
    return lines, readings, waiting


def assert_sums(status, what):
    lines, readings, waiting = both_sums(status.metrics())
    if lines[0] != lines[1] or readings[0] != readings[1]:
        fail(f"{what}: lines {lines}, readings {readings}")
    return waiting


def at_rest(status, lines, outage=False):
    """All lines came, and for 1.5 s (ship looks at the outbox once a second) nothing moved any more. In an outage closed
    segments wait for one large file."""
    before = status.metrics()
    if before["lines_total"] <= lines or before["waiting_readings{place=\"active\"}"] or (
            before["waiting_readings{place=\"closed\"}"] and not outage):
        return False
    time.sleep(1.5)
    after = status.metrics()
    return all(before[k] == after[k] for k in before if "readings" in k)


def simulate(place, port, count):
    return place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--assets", "20", "--rate", "20000", "--count",
                        str(count), "--repeat", "0.02", "--bad", "0.002", "--other", "0.01", "--upload-interval", "1",
                        "--batch-size", "1000000", "--quiet"], place.env)


def sums_are_exact(place):
    """With repeated keys, bad lines and others; at the end of a good time, in an outage, and after a restart."""
    status, stream = Status(place), free_port()
    place.emulate()
    feeder = simulate(place, stream, 60000)
    place.wait_port(stream, feeder)  # a connection that came and went is nothing to it
    run = place.run(stream, VOLUME_UPLOADER_STATUS_LISTEN=status.listen)
    wait_for("the server", 60, status.up)
    wait_for("all delivered", 120, lambda: at_rest(status, 60000) and both_sums(status.metrics())[2] == 0)
    m = status.metrics()
    if not m["superseded_readings_total"] or not m["ignored_lines_total"] or m["rejected_lines_total{reason=\"not_json\"}"] == 0:
        fail(f"nothing odd was in the stream: {m}")
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=status.get("/metrics")[1].encode(), check=True, timeout=60)
    if assert_sums(status, "all delivered") != 0:
        fail("something waits")
    rows = sum(json.loads(subprocess.run([PROGRAM, "inspect", "--json", f], capture_output=True, check=True).stdout)[
        "rows"] for f in place.files())
    if rows != m["delivered_readings_total"]:
        fail(f"{rows} rows in the volume, {m['delivered_readings_total']} said to be delivered")
    feeder.kill()
    feeder.wait()

    place.faults("* /api/2.0/fs/* status=503")
    feeder = simulate(place, stream, 30000)
    wait_for("the outage's readings", 120, lambda: at_rest(status, 90000, outage=True))
    if assert_sums(status, "outage") < 20000:
        fail("nothing waits in an outage")
    run.send_signal(signal.SIGTERM)
    run.wait(90)

    run = place.run(stream, VOLUME_UPLOADER_STATUS_LISTEN=status.listen)
    wait_for("the server", 60, status.up)
    wait_for("carried", 60, lambda: status.metrics()["carried_readings"] > 20000)
    place.faults("", "DELETE")
    feeder.kill()
    wait_for("what was carried is delivered", 180, lambda: both_sums(status.metrics())[2] == 0 and at_rest(
        status, -1))
    assert_sums(status, "after a restart")
    run.send_signal(signal.SIGTERM)
    run.wait(90)


def an_outage_shows_and_clears(place):
    status = Status(place)
    place.emulate()
    feeder = Feeder(rate=2000)
    feeder.start()
    run = place.run(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=status.listen)
    wait_for("ready", 60, lambda: status.up() and status.get("/readyz")[0] == 200)
    first = json.loads(status.get("/api/status.json")[1])
    wait_for("numbers that move", 60, lambda: json.loads(status.get("/api/status.json")[1])["volume"]["readings"] >
             first["volume"]["readings"] + 2000)
    place.faults("* /api/2.0/fs/* status=503")
    began = time.monotonic()
    wait_for("the outage to show", 60, lambda: status.get("/readyz")[0] == 503)
    shown = time.monotonic() - began
    code, body = status.get("/readyz")
    why = json.loads(body)
    if why["delivering"] or not why["connected"] or why["why_not"][0]["id"] != "delivery_waits" or "503" not in body:
        fail(f"/readyz does not say why: {body}")
    seen = json.loads(status.get("/api/status.json")[1])
    if seen["level"] != "warning" or seen["troubles"][0]["id"] != "delivery_waits" or status.get("/healthz")[0] != 200:
        fail(f"the page does not say what is wrong: {seen}")
    place.faults("", "DELETE")
    wait_for("the outage to clear", 120, lambda: status.get("/readyz")[0] == 200)
    # Begin and end are logged once each; what was tried between is counted.
    wait_for("the end in the log", 60, lambda: "delivery_works" in log_of(run))
    tries = re.findall(r"^info delivery_works was=\".*503.*\" after_ms=\d+ tries=([1-9]\d*)$", log_of(run), re.M)
    if len(tries) != 1 or len(re.findall(r"^warn delivery_waits .*503", log_of(run), re.M)) != 1:
        fail(f"an outage is not two lines:\n{log_of(run)}")
    feeder.stop()
    wait_for("a lost stream to show", 60, lambda: "stream_not_connected" in status.get("/readyz")[1])
    top = subprocess.run([PROGRAM, "top", "--once", f"--status-listen={status.listen}"], capture_output=True, text=True,
                         check=False, env=place.env)
    if top.returncode != 0 or "No connection to the Kelvin stream" not in top.stdout or "\033" in top.stdout:
        fail(f"top: {top.returncode}\n{top.stdout}{top.stderr}")
    print(f"the outage showed after {shown:.1f} s")
    run.send_signal(signal.SIGTERM)
    run.wait(90)
    top = subprocess.run([PROGRAM, "top", "--once", f"--status-listen={status.listen}"], capture_output=True, text=True,
                         check=False, env=place.env)
    if top.returncode != 1 or "refused" not in top.stderr:
        fail(f"top without a run: {top.returncode}\n{top.stderr}")


def nothing_secret_is_shown(place):
    status = Status(place)
    place.emulate()
    run = place.run(free_port(), VOLUME_UPLOADER_STATUS_LISTEN=status.listen, HTTPS_PROXY="http://user:pr0xypass@127.0.0.1:1",
                    NO_PROXY="127.0.0.1")
    wait_for("the server", 60, status.up)
    for path in ("/", "/metrics", "/readyz", "/api/status.json", "/api/status.txt", "/api/history.json", "/api/settings.json"):
        body = status.get(path)[1]
        if TOKEN in body or "pr0xypass" in body:
            fail(f"a secret is in {path}")
    if '"name":"token","value":"(set)"' not in status.get("/api/settings.json")[1]:
        fail("the settings do not say that a token is set")
    run.send_signal(signal.SIGTERM)
    run.wait(90)


def a_port_in_use_is_only_a_warning(place):
    place.emulate()
    feeder = Feeder()
    feeder.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = place.run(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
        wait_for("a delivery", 60, lambda: "delivered file=" in log_of(run))
        if "status_off" not in log_of(run) or "in use" not in log_of(run):
            fail("no word about the port")
    feeder.stop()
    run.send_signal(signal.SIGTERM)
    if run.wait(90) != 0:
        fail("it did not end well")


def hostile_clients_change_nothing(place):
    """Hundreds of connections, some slow, some loud: readings arrive at the pace of the feeder."""
    status = Status(place)
    place.emulate()
    feeder = Feeder(rate=20000)
    feeder.start()
    run = place.run(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=status.listen)
    wait_for("the server", 60, status.up)
    wait_for("readings", 60, lambda: status.metrics()["readings_total"] > 0)
    going = [True]

    def bother(number):
        while going[0]:
            try:
                with socket.create_connection(("127.0.0.1", status.port), 2) as s:
                    s.settimeout(0.5)
                    if number % 3 == 0:
                        s.sendall(b"GET /metr")  # and no more
                        time.sleep(1)
                    elif number % 3 == 1:
                        s.sendall(b"GET /" + b"a" * 100000)
                    else:
                        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
                    s.recv(100)
            except OSError:
                pass
            time.sleep(0.05)

    clients = [threading.Thread(target=bother, args=(n,), daemon=True) for n in range(60)]
    for client in clients:
        client.start()
    sent, began = feeder.sent(), time.monotonic()
    time.sleep(6)
    seconds = time.monotonic() - began
    going[0] = False
    for client in clients:
        client.join()
    pace = (feeder.sent() - sent) / seconds
    wait_for("the server after the storm", 30, status.up)
    wait_for("every reading taken", 60, lambda: feeder.sent() - status.metrics()["readings_total"] < 5000)
    print(f"{pace:.0f} readings/s with 60 hostile clients")
    feeder.stop()
    run.send_signal(signal.SIGTERM)
    if run.wait(90) != 0 or re.search(r"^error", log_of(run), re.M):
        fail("it did not end well")

main(sums_are_exact, an_outage_shows_and_clears, nothing_secret_is_shown, a_port_in_use_is_only_a_warning,
     hostile_clients_change_nothing)
