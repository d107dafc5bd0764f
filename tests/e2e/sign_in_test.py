"""Every way to sign in, with the real program up to a file in the volume: what is asked for, from where each value came,
and which of two ways wins. An identity provider of its own stands before the emulator, which knows one token."""
import base64
import http.client
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

from plant import (CLIENT_ID, CLIENT_SECRET, OAUTH, PROGRAM, TOKEN, Feeder, delivered, end_well, environ_of, fail, free_port, main,
                   wait_for)

TABLE = "main.plant.events"
NONE = {"DATABRICKS_TOKEN": None}
ACCOUNT, WORKSPACE = "0a1b2c3d-0000-4000-8000-00000000acc7", "7205759403792794"


def jwt(subject):
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
             for part in ({"alg": "RS256"}, {"iss": "https://idp.example.com", "sub": subject, "aud": "databricks"})]
    return ".".join([*coded, "c2lnbmF0dXJlLW9mLXRoZS1wcm92aWRlcg"])


class Front(http.server.BaseHTTPRequestHandler):
    """Signs in by token exchange and as Entra ID does; hands all other requests on to the emulator."""
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value):
        self.answer(status, json.dumps(value).encode(), Content_Type="application/json")

    def token(self, form, wanted):
        """For the right words the token that the emulator knows."""
        if all(form.get(key) == value for key, value in wanted.items()):
            self.json(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": self.server.life})
        else:
            self.json(400, {"error": "invalid_request", "error_description": f"not {sorted(wanted)}"})

    def sign_in(self, body):
        """True: it was about signing in."""
        path, form = urllib.parse.urlsplit(self.path).path, {}
        if self.headers["Content-Type"] == "application/x-www-form-urlencoded":
            form = dict(urllib.parse.parse_qsl(body.decode()))
        self.server.asked.append((self.command, path, form))
        if path == "/.well-known/databricks-config" and self.server.unified:
            self.json(200, {"oidc_endpoint": f"{self.server.url}/oidc/accounts/{{account_id}}", "account_id": ACCOUNT,
                            "workspace_id": WORKSPACE, "host_type": "unified", "cloud": "AWS"})
        elif path == f"/oidc/accounts/{ACCOUNT}/.well-known/oauth-authorization-server":
            self.json(200, {"token_endpoint": f"{self.server.url}/oidc/accounts/{ACCOUNT}/v1/token"})
        elif path == f"/oidc/accounts/{ACCOUNT}/v1/token":
            basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            self.token({**form, "basic": self.headers["Authorization"]},
                       {"grant_type": "client_credentials", "basic": f"Basic {basic}"})
        elif path == "/oidc/v1/token" and "subject_token" in form:
            self.token(form, {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "client_id": CLIENT_ID,
                              "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "scope": "all-apis",
                              "subject_token": self.server.subject})
        elif path == "/aad/auth":
            self.answer(302, Location=f"https://login.microsoftonline.com/{self.server.tenant}/oauth2/authorize?x=1")
        elif path == f"/{self.server.tenant}/oauth2/token":
            self.token(form, {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
                              "resource": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"})
        elif path.startswith("/api/") and self.server.unified and self.headers["X-Databricks-Workspace-Id"] != WORKSPACE:
            self.answer(200, b"<html><title>Sign in</title></html>", Content_Type="text/html")
        else:
            return False
        return True

    def serve(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.sign_in(body):
            return
        other = http.client.HTTPConnection("127.0.0.1", self.server.emulator_port, timeout=60)
        other.request(self.command, self.path, body or None, dict(self.headers))
        answer = other.getresponse()
        data = answer.read()
        headers = {name: value for name, value in answer.getheaders()
                   if name.lower() not in ("transfer-encoding", "connection", "content-length")}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.answer(answer.status, data, **{**headers, "Content-Length": length or "0"})
        other.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = serve

    def log_message(self, *_):
        pass


def start_front(place, **more):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    server.emulator_port, server.asked = place.emulator_port, []
    server.unified, server.subject, server.tenant, server.life = False, jwt("one"), "72f988bf-0000-tenant", 3600
    for name, value in more.items():
        setattr(server, name, value)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def private(place, name, text):
    path = os.path.join(place.directory, name)
    with open(os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


def check(place, env, method, *sources):
    """`check` names the method and where each value came from, and shows no secret."""
    env = place.run_env(free_port(), DATABRICKS_DELTA_TABLE=TABLE, **env)
    out = subprocess.run([PROGRAM, "check", "--json"], env=env, capture_output=True, text=True, check=False, timeout=120)
    for secret in (TOKEN, CLIENT_SECRET, jwt("one"), jwt("two")):
        if secret in out.stdout + out.stderr:
            fail(f"a secret is shown: {out.stdout}{out.stderr}")
    lines = {(item["name"], item["status"]): item["text"] for item in json.loads(out.stdout)["checks"]}
    if f" with {method}" not in lines.get(("sign-in", "ok"), ""):
        fail(f"not signed in by {method}: {out.stdout}")
    settings = [item["text"] for item in json.loads(out.stdout)["checks"] if item["name"] == "setting"]
    for source in sources:
        if not any(source in text for text in settings):
            fail(f"'{source}' is not among {settings}")


def delivers(place, feeder, env):
    child = place.run(feeder.listen(), "--stop-ms=60s", **env)
    wait_for(f"a delivery with {sorted(env)}", 120, lambda: delivered(child))
    return child


def every_way_reaches_the_volume(place):
    place.emulate()
    front = start_front(place)
    feeder = Feeder(rate=200)
    feeder.start()
    host = {"DATABRICKS_HOST": front.url}
    os.mkdir(os.path.join(place.directory, "credentials"), 0o700)
    private(place, "credentials/databricks_client_secret", CLIENT_SECRET + "\n")
    profiles = private(place, "databrickscfg", f"[DEFAULT]\nhost = http://127.0.0.1:1\ntoken = dapi-none\n\n"
                       f"[plant]\nhost = {front.url}/?o=1\ntoken = \"{TOKEN}\"\n")
    federation = {"DATABRICKS_CLIENT_ID": CLIENT_ID, **NONE, **host}
    azure = {"ARM_CLIENT_ID": CLIENT_ID, "ARM_CLIENT_SECRET": CLIENT_SECRET, "AZURE_AUTHORITY_HOST": front.url, **NONE,
             **host}
    for method, env, *sources in (
            ("pat", {"DATABRICKS_TOKEN": None, "DATABRICKS_ACCESS_TOKEN": TOKEN, **host},
             "token = (set) (environment DATABRICKS_ACCESS_TOKEN)"),
            ("pat", {**NONE, "DATABRICKS_ACCESS_TOKEN_FILE": private(place, "token", TOKEN + "\n"), **host}, "(file "),
            ("pat", {**NONE, "DATABRICKS_HOST": None, "DATABRICKS_CONFIG_FILE": profiles,
                     "DATABRICKS_CONFIG_PROFILE": "plant"}, "profile plant"),
            ("oauth-m2m", {**OAUTH, **host}, "client_id = "),
            ("oauth-m2m", {**OAUTH, "DATABRICKS_CLIENT_SECRET": None,
                           "CREDENTIALS_DIRECTORY": os.path.join(place.directory, "credentials"), **host},
             "credentials/databricks_client_secret"),
            ("file-oidc", {"DATABRICKS_OIDC_TOKEN_FILEPATH": private(place, "jwt", jwt("one") + "\n"), **federation},
             "DATABRICKS_OIDC_TOKEN_FILEPATH"),
            ("env-oidc", {"DATABRICKS_OIDC_TOKEN": jwt("one"), **federation}, "environment DATABRICKS_OIDC_TOKEN"),
            ("env-oidc", {"DATABRICKS_OIDC_TOKEN_ENV": "JOB_TOKEN", "JOB_TOKEN": jwt("one"), **federation},
             "environment JOB_TOKEN"),
            ("azure-client-secret", {"ARM_TENANT_ID": front.tenant, **azure}, "ARM_TENANT_ID"),
            ("azure-client-secret", azure, "environment ARM_CLIENT_ID")):
        check(place, env, method, *sources)
        child = delivers(place, feeder, env)
        environ = environ_of(child)
        if any(secret.encode() in environ for secret in (TOKEN, CLIENT_SECRET, jwt("one"))):
            fail(f"{method}: a secret is still in the environment")
        end_well(child)
    if [path for _, path, _ in front.asked].count("/aad/auth") != 2:
        fail("the tenant is asked for once a program, and only without ARM_TENANT_ID")
    feeder.stop()


def a_unified_host_is_told_the_workspace(place):
    place.emulate()
    front = start_front(place, unified=True)
    feeder = Feeder(rate=200)
    feeder.start()
    env = {**OAUTH, "DATABRICKS_HOST": front.url}
    check(place, env, "oauth-m2m at " + front.url + f"/oidc/accounts/{ACCOUNT}/v1/token")
    end_well(delivers(place, feeder, env))
    feeder.stop()


def a_federation_token_is_read_again(place):
    """Such files are exchanged every few minutes: each sign-in takes what is there then."""
    place.emulate()
    front = start_front(place, life="2")
    feeder = Feeder(rate=200)
    feeder.start()
    path = private(place, "jwt", jwt("one"))
    child = delivers(place, feeder, {"DATABRICKS_OIDC_TOKEN_FILEPATH": path, "DATABRICKS_CLIENT_ID": CLIENT_ID,
                                     "DATABRICKS_HOST": front.url, **NONE})
    front.subject = jwt("two")
    private(place, "jwt", jwt("two"))
    used = lambda: [form["subject_token"] for _, _, form in front.asked if "subject_token" in form]
    wait_for("the new one", 60, lambda: jwt("two") in used())
    before = delivered(child)
    wait_for("deliveries with it", 60, lambda: delivered(child) > before)
    end_well(child)
    feeder.stop()


def two_ways_at_once_are_a_mistake(place):
    def said(*words, **env):
        out = subprocess.run([PROGRAM, "run"], env=place.run_env(1, **env), capture_output=True, text=True, check=False,
                             timeout=60, cwd=place.directory)
        if out.returncode != 2 or any(word not in out.stderr for word in words):
            fail(f"{words} with {sorted(env)}: {out.returncode} {out.stderr}")

    both = {"DATABRICKS_TOKEN": TOKEN, "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": CLIENT_SECRET}
    said("two ways to sign in", "DATABRICKS_AUTH_TYPE", "pat", "oauth-m2m", **both)
    said("two ways to sign in", **{**both, "DATABRICKS_CLIENT_SECRET": None})
    said("two ways to sign in", ARM_CLIENT_ID=CLIENT_ID)
    said("DATABRICKS_CLIENT_SECRET", **NONE, DATABRICKS_CLIENT_ID=CLIENT_ID)
    said("no service principal", DATABRICKS_AUTH_TYPE="oauth-m2m")
    said("DATABRICKS_AUTH_TYPE", "kerberos", DATABRICKS_AUTH_TYPE="kerberos")
    said("no profile [elsewhere]", **NONE, DATABRICKS_CONFIG_PROFILE="elsewhere",
         DATABRICKS_CONFIG_FILE=private(place, "databrickscfg", "[here]\nhost = x\n"))
    # A host alone hides the profile file.
    said("none are set", "profile file is not read", **NONE,
         DATABRICKS_CONFIG_FILE=private(place, "databrickscfg", f"[DEFAULT]\nhost = x\ntoken = {TOKEN}\n"))
    place.emulate()
    for auth in ("pat", "oauth-m2m"):  # and this picks one of them
        check(place, {**both, "DATABRICKS_AUTH_TYPE": auth}, auth)


main(two_ways_at_once_are_a_mistake, every_way_reaches_the_volume, a_unified_host_is_told_the_workspace,
     a_federation_token_is_read_again)
