"""No byte of a secret appears anywhere: not in output, log, state directory or /proc, whatever command, way to sign in
and fault. The server, too, may say our secret back to us (a proxy's error page, a message that quotes a header)."""
import base64
import json
import os
import random
import signal
import string
import subprocess
import time
import urllib.error
import urllib.request

from plant import CLIENT_ID, PROGRAM, VOLUME, Feeder, environ_of, fail, free_port, log_of, main, seed, wait_for

TABLE = "main.plant.events"
WINDOW = 8  # looked for at every 4th byte of a secret: 11 of its bytes in a row are always seen

# What may go wrong, on every path. In ECHO stands what the server says back.
RULES = [
    "status=400 message=\"ECHO\"",
    "status=401 numeric message=\"invalid token ECHO\"",
    "status=403 error_code=PERMISSION_DENIED message=\"Bearer ECHO is not allowed\"",
    "status=404 message=\"no such thing: ECHO\"",
    "status=409 message=\"ECHO\"",
    "status=429 retry-after=1 message=\"slow down, ECHO\"",
    "status=500 body=\"Authorization: Bearer ECHO\"",
    "status=503 body=\"<html><title>ECHO</title><body>password=ECHO</body></html>\" header=\"Content-Type: text/html\"",
    "status=302 header=\"Location: https://login.example.com/ECHO?token=ECHO\"",
    "status=200 body=\"not json ECHO\"",
    "status=400 error_code=ECHO message=\"x\"",
    "status=403 header=\"X-Databricks-Reason-Phrase: ECHO\" header=\"X-Request-Id: ECHO\" body=\"\"",
    "html", "limit", "numeric", "quota", "missing", "denied", "401-once", "delay=200ms", "cut=before", "cut=inside",
    "cut=after", "lose", "lose status=500",
]


class Canary:
    """A secret nobody else has, and all the forms in which its bytes might come out."""

    def __init__(self, rng, prefix=""):
        self.own = "".join(rng.choices(string.ascii_letters + string.digits, k=40))
        self.text = prefix + self.own  # beginnings that many secrets share are no leak

    def pieces(self):
        forms = [self.own, self.own[::-1], self.own.encode().hex()]
        for lead in (0, 1, 2):  # base64 depends on where it begins
            coded = base64.b64encode(b"x" * lead + self.own.encode()).decode()
            forms.append(coded[4:-4])
        for form in forms:
            for at in range(0, len(form) - WINDOW + 1, 4):
                yield form[at:at + WINDOW].encode()


class Watch:
    """Looks for the canaries in bytes from anywhere."""

    def __init__(self, place, rng):
        self.place = place
        self.token = Canary(rng, "dapi")
        self.secret = Canary(rng, "dose")
        self.oidc = Canary(rng, "eyJhbGciOiJSUzI1NiJ9.")
        self.proxy = Canary(rng)
        self.needles = {piece for canary in (self.token, self.secret, self.oidc, self.proxy)
                        for piece in canary.pieces()}

    def look(self, data, where):
        for needle in self.needles:
            if needle in data:
                at = data.index(needle)
                fail(f"{where} has {needle!r}: ...{data[max(0, at - 120):at + 60]!r}...")

    def look_tree(self, folder):
        for path, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(path, name), "rb") as file:
                    # Segments take their whole length beforehand.
                    self.look(file.read().rstrip(b"\0"), os.path.join(path, name))

    def look_process(self, child):
        self.look(environ_of(child), f"/proc/<{child.args[1]}>/environ")
        for name in ("cmdline", "status", "comm"):
            with open(f"/proc/{child.pid}/{name}", "rb") as file:
                self.look(file.read(), f"/proc/<{child.args[1]}>/{name}")
        for task in os.listdir(f"/proc/{child.pid}/task"):
            try:
                with open(f"/proc/{child.pid}/task/{task}/comm", "rb") as file:
                    self.look(file.read(), "the name of a thread")
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended

    def call(self, *arguments, env, codes=(0, 1, 2, 3, 4)):
        out = subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, check=False, timeout=120,
                             cwd=self.place.directory)
        self.look(out.stdout, f"stdout of {arguments}")
        self.look(out.stderr, f"stderr of {arguments}")
        if out.returncode not in codes:
            fail(f"{arguments}: {out.returncode}\n{out.stdout.decode()}{out.stderr.decode()}")
        return out

    def finish(self):
        """Everything that was written, in the end."""
        for child in self.place.children:
            self.look(log_of(child).encode(), f"log of {child.args[1]}")
        self.look_tree(self.place.state)
        self.look_tree(self.place.root)  # files, code and jobs as the workspace keeps them

    def look_status(self, port):
        for path in ("/", "/metrics", "/readyz", "/api/status.json", "/api/status.txt", "/api/history.json",
                     "/api/settings.json"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                    self.look(answer.read(), path)
            except urllib.error.HTTPError as error:
                self.look(error.read(), path)

    # --- ways to hand secrets over ---

    def emulate(self, *arguments):
        """With --verbose its log shows the fault rules it was given, and so what they say back."""
        env = dict(self.place.env, DATABRICKS_TOKEN=self.token.text, DATABRICKS_CLIENT_ID=CLIENT_ID,
                   DATABRICKS_CLIENT_SECRET=self.secret.text)
        child = self.place.start(["emulate", "--listen", f"127.0.0.1:{self.place.emulator_port}", "--root",
                                  self.place.root, "--volume", VOLUME, *arguments], env)
        self.place.wait_port(self.place.emulator_port, child)
        self.look_process(child)
        return child

    def token_env(self, port, **more):
        return self.place.run_env(port, DATABRICKS_DELTA_TABLE=TABLE, **{"DATABRICKS_TOKEN": self.token.text, **more})

    def oauth_env(self, port, **more):
        return self.token_env(port, **{"DATABRICKS_TOKEN": None, "DATABRICKS_CLIENT_ID": CLIENT_ID,
                                       "DATABRICKS_CLIENT_SECRET": self.secret.text, **more})

    def file_env(self, port):
        """Secrets outside the state directory: in files that only we can read."""
        path = os.path.join(self.place.directory, "secret.txt")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(self.secret.text + "\n")
        return self.oauth_env(port, DATABRICKS_CLIENT_SECRET=None, DATABRICKS_CLIENT_SECRET_FILE=path)

    def profile_env(self, port):
        path = os.path.join(self.place.directory, "databrickscfg")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"[plant]\nhost = http://127.0.0.1:{self.place.emulator_port}\ntoken = {self.token.text}\n")
        return self.token_env(port, DATABRICKS_TOKEN=None, DATABRICKS_HOST=None, DATABRICKS_CONFIG_FILE=path,
                              DATABRICKS_CONFIG_PROFILE="plant")

    def oidc_env(self, port):
        return self.token_env(port, DATABRICKS_TOKEN=None, DATABRICKS_CLIENT_ID=CLIENT_ID,
                              DATABRICKS_OIDC_TOKEN=self.oidc.text + ".e30.c2ln", DATABRICKS_AUTH_TYPE="env-oidc")

    def azure_env(self, port):
        return self.token_env(port, DATABRICKS_TOKEN=None, ARM_CLIENT_ID=CLIENT_ID, ARM_TENANT_ID="tenant",
                              ARM_CLIENT_SECRET=self.secret.text, DATABRICKS_AUTH_TYPE="azure-client-secret")

    def proxy_env(self, port):
        return self.token_env(port, DATABRICKS_HOST="https://workspace.example.com", NO_PROXY="",
                              HTTPS_PROXY=f"http://someone:{self.proxy.text}@127.0.0.1:{free_port()}")


def has_no_core(child):
    """Both limits are 0: also with the soft one raised by somebody before."""
    with open(f"/proc/{child.pid}/limits", encoding="ascii") as limits:
        return any(line.split()[-3:-1] == ["0", "0"] for line in limits if line.startswith("Max core file size"))


def commands_that_hold_secrets_leave_no_core(place):
    watch = Watch(place, random.Random(seed()))
    emulator = watch.emulate()
    if not has_no_core(emulator):
        fail("emulate could write a core file")
    place.faults("GET * delay=10s")
    for words in (["check"], ["setup"], ["setup", "--dry-run"]):
        child = place.start(words, watch.oauth_env(free_port()))
        wait_for(f"no core of {words}", 60, lambda: has_no_core(child) or child.poll() is not None)
        if child.poll() is not None:
            fail(f"{words} ended: {log_of(child)}")
        wait_for("the environment to be empty of secrets", 60,
                 lambda: watch.secret.text.encode() not in environ_of(child))
        watch.look_process(child)
        child.kill()
        child.wait()


def rules_for(canary):
    for rule in RULES:
        yield rule.replace("ECHO", canary.text)


def every_command_and_every_way_to_sign_in(place):
    watch = Watch(place, random.Random(seed()))
    feeder = Feeder(rate=100)
    feeder.start()
    watch.emulate("--verbose")
    for env in (watch.token_env(feeder.port), watch.oauth_env(feeder.port), watch.file_env(feeder.port),
                watch.profile_env(feeder.port), watch.oidc_env(feeder.port), watch.azure_env(feeder.port),
                watch.proxy_env(feeder.port)):
        for words in (["check"], ["check", "--json", "--strict"], ["setup"], ["setup", "--dry-run"], ["setup", "--sql"],
                      ["inspect", place.state], ["inspect", "--json", place.state], ["version"], ["help"],
                      ["help", "settings"], ["check", "--help"]):
            watch.call(*words, env=env)
    # A mistake beside a secret: the message names the setting, never its value.
    env = watch.oauth_env(feeder.port)
    for more in ({"DATABRICKS_TOKEN": watch.token.text}, {"DATABRICKS_AUTH_TYPE": "wrong"}, {"DATABRICKS_HOST": "::"},
                 {"DATABRICKS_CLIENT_SECRET": watch.secret.text + "\n\x01"}, {"DATABRICKS_CLIENT_ID": None},
                 {"HTTPS_PROXY": f"socks9://someone:{watch.proxy.text}@x", "NO_PROXY": ""},
                 {"HTTPS_PROXY": f"http://someone:{watch.proxy.text}@x:99999", "NO_PROXY": ""}):
        wrong = {k: v for k, v in {**env, **more}.items() if v is not None}
        for command in ("check", "setup", "run"):
            # A `run` that finds its settings good would run on: the lock of a file that is no directory ends it.
            extra = ["--state-dir", "/dev/null/x"] if command == "run" else []
            watch.call(command, *extra, env=wrong)
    watch.call("run", f"--client-secret={watch.secret.text}x", env=env, codes=(2,))
    feeder.stop()
    watch.finish()


def every_fault_in_check_and_setup(place):
    watch = Watch(place, random.Random(seed()))
    feeder = Feeder(rate=100)
    feeder.start()
    watch.emulate()
    job = {"VOLUME_UPLOADER_JOB_SERVERLESS": "yes"}
    for env, canary in ((watch.token_env(feeder.port, **job), watch.token),
                        (watch.oauth_env(feeder.port, **job), watch.secret)):
        for rule in rules_for(canary):
            for where in ("* *", "* /api/*", "POST *"):
                place.faults(f"{where} {rule}")
                for command in (["check"], ["setup", "--dry-run"] if where == "* *" else ["setup"]):
                    watch.call(*command, env=env)
                place.faults(None, "DELETE")
    feeder.stop()
    watch.look_tree(place.state)


def every_fault_in_run(place):
    rng = random.Random(seed())
    watch = Watch(place, rng)
    watch.emulate()
    for make, canary in ((watch.token_env, watch.token), (watch.oauth_env, watch.secret)):
        feeder = Feeder(rate=2000)
        feeder.start()
        port = free_port()
        env = make(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}", NO_PROXY="*",
                   VOLUME_UPLOADER_JOB_SERVERLESS="yes", VOLUME_UPLOADER_LOG_LEVEL="debug",
                   HTTPS_PROXY=f"http://someone:{watch.proxy.text}@127.0.0.1:{free_port()}")
        child = place.start(["run", "--no-live-line"], env)
        wait_for("a delivery", 90, lambda: "delivered file=" in log_of(child))
        watch.look_process(child)
        if not has_no_core(child):
            fail("a core file could be written")
        for rule in rules_for(canary):
            place.faults(f"* * {rule}")
            child.send_signal(signal.SIGHUP)  # deliveries and the job are tried at once, and meet it
            time.sleep(0.4)
            watch.look_status(port)
            place.faults(None, "DELETE")
        watch.call("check", env=env)
        watch.call("top", "--once", env=env)
        watch.look_process(child)
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        feeder.stop()
    watch.finish()


def programs_that_need_no_secret_do_not_keep_one(place):
    watch = Watch(place, random.Random(seed()))
    env = watch.oauth_env(free_port(), DATABRICKS_TOKEN=watch.token.text)
    port = free_port()
    child = place.start(["simulate", "--listen", f"127.0.0.1:{port}"], env)
    place.wait_port(port, child)
    watch.look_process(child)
    out = watch.call("demo", "--help", env=env, codes=(0,))
    if not out.stdout:
        fail("no help")
    watch.finish()


def the_watch_itself_sees(place):
    """A test that cannot fail is none."""
    watch = Watch(place, random.Random(seed()))
    for data in (watch.secret.text, watch.token.text[6:17], json.dumps({"a": "x" + watch.proxy.text}),
                 "Basic " + base64.b64encode(f"{CLIENT_ID}:{watch.secret.text}".encode()).decode(),
                 base64.b64encode(f"y{watch.token.text}".encode()).decode(), watch.secret.text.encode().hex()):
        try:
            watch.look(data.encode(), "this")
        except Exception:
            continue
        fail(f"not seen: {data}")
    watch.look(b"dapi dose Bearer eyJhbGciOiJSUzI1NiJ9. 11111111-2222-3333-4444-555555555555", "this")


main(the_watch_itself_sees, every_command_and_every_way_to_sign_in, every_fault_in_check_and_setup,
     every_fault_in_run, commands_that_hold_secrets_leave_no_core, programs_that_need_no_secret_do_not_keep_one)
