"""Every command in the books is run, in the order in which a reader meets it, on this machine alone.

A document gets a home, a plant (`simulate`) and a workspace (`emulate`) of its own. What stands in the books for somebody's
host or directory becomes ours by HERE; what cannot run in a test stands in NOT_HERE, with the reason and what is looked at
instead. A command that is in neither and does not work fails the test, and so does an entry that no book needs any more.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import books
import plant

PROGRAM = os.path.realpath(plant.PROGRAM)
SECRET = "books-secret-0123456789"
APPLICATION = "00000000-0000-0000-0000-000000000000"
BUILD = os.path.dirname(PROGRAM)

# What the books say -> what it is here, one after the other; {name}: see World.ours.
HERE = [
    (r"(?<![\w/])/(etc|mnt|tmp|var)/", "{home}/\\1/"),
    (r"^sudo ", ""),
    (r"^make install$", "cmake --install {build} --prefix {home}/usr-local"),
    (r"^make demo$", "volume-uploader demo --seconds 5 --rate 5000 --dir {home}/demo"),
    (r"dbc-a1b2c3d4-e5f6\.cloud\.databricks\.com", "{workspace}"),
    (r"^volume-uploader simulate", "volume-uploader simulate --listen 127.0.0.1:{reader's stream}"),
    (r"^volume-uploader emulate", "volume-uploader emulate --listen 127.0.0.1:{reader's workspace}"),
    (r"--count 10000000", "--count 100000"),  # the load test lasts longer than this whole test
    (r"10\.0\.0\.5", "127.0.0.1"),
    (r"^curl URL", "curl -sS --fail --noproxy '*' {workspace}"),
]

# Files that stand for the reader's own.
FILES = {"data.csv": "timestamp,pressure,valve\n2026-01-01T00:00:00Z,1.5,0\n2026-01-01T00:00:01Z,1.25,1\n"}

# At this heading a reader opens new terminals.
NEW_SHELL = {"README.md": ["### Without a plant or a workspace"]}

# These stay until they are ended; they work once they have said so.
STAYS = {"run": "stream_connected.*delivered ", "simulate": "Listening on", "emulate": "export DATABRICKS_CLIENT_SECRET="}

# What a manual page or a guide takes for granted.
WORKSPACE = ["export DATABRICKS_SERVER_HOSTNAME=dbc-a1b2c3d4-e5f6.cloud.databricks.com", f"export DATABRICKS_CLIENT_ID={APPLICATION}",
             f"export DATABRICKS_CLIENT_SECRET={SECRET}", "export DATABRICKS_UC_VOLUME=main.raw.land",
             "export DATABRICKS_DELTA_TABLE=main.raw.events"]
BEFORE = {"man/volume-uploader-check.1": WORKSPACE + ["volume-uploader setup"],
          "docs/guides/salvage.md": WORKSPACE + ["volume-uploader setup", "mkdir -p /mnt/usb",
                                                 "volume-uploader run --state-dir /var/lib/volume-uploader"]}


def a_target(world, command):
    """make itself knows what it would do; nothing is done."""
    said = subprocess.run(["make", "-n", command.split()[1]], cwd=books.ROOT, capture_output=True, check=False, text=True)
    if said.returncode != 0 or command.split()[1] not in said.stdout + open(os.path.join(books.ROOT, "Makefile"), encoding="utf-8").read():
        plant.fail(f"{command}: {said.stderr}")
    del world


def the_package_has_this_name(world, command):
    del world
    changelog = books.text_of("deploy/debian/changelog")
    version = re.match(r"volume-uploader \((\S+)\)", changelog)[1]
    if f"build/package/volume-uploader_{version}_amd64.deb" not in command:
        plant.fail(f"the package of {version} has another name than in: {command}")


def settings_of_the_service(world, command):
    """What a person would do in the editor: the lines of the example file, with values of their own."""
    path = os.path.join(world.home, command.split()[1].lstrip("/"))
    example = books.text_of("deploy/systemd/volume-uploader.env")
    mine = {"KELVIN_STREAM_IP": "127.0.0.1", "KELVIN_STREAM_PORT": str(world.stream), "DATABRICKS_CLIENT_ID": APPLICATION,
            "DATABRICKS_SERVER_HOSTNAME": world.workspace, "DATABRICKS_UC_VOLUME": "main.raw.land",
            "DATABRICKS_DELTA_TABLE": "main.raw.events", "VOLUME_UPLOADER_JOB_SERVERLESS": "yes",
            "VOLUME_UPLOADER_STATUS_LISTEN": "off"}
    for name, value in mine.items():
        example, there = re.subn(rf"^#({name}=).*$", rf"\g<1>{value}", example, flags=re.M)
        if there != 1:
            plant.fail(f"{name} is not in the example file of the service")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(example)


def the_service_runs(world, command):
    """As systemd would: ExecStart with the environment file and the credential that the guide had the reader make."""
    del command
    unit = books.text_of("deploy/systemd/volume-uploader.service")
    start = re.search(r"^ExecStart=(.*)$", unit, re.M)[1]
    file = re.search(r"^EnvironmentFile=-(.*)$", unit, re.M)[1]
    with open(world.home + file, encoding="utf-8") as settings:
        env = dict(line.strip().split("=", 1) for line in settings if re.match(r"[A-Z]", line))
    for credential in re.findall(r"^LoadCredential=(\w+)$", unit, re.M):
        if os.path.exists(f"{world.home}/etc/credstore/{credential}"):
            env["CREDENTIALS_DIRECTORY"] = f"{world.home}/etc/credstore"
    world.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    world.manager.bind(world.home + "/notify")
    world.manager.settimeout(60)
    env.update({"PATH": world.env["PATH"], "STATE_DIRECTORY": world.home + "/state", "NOTIFY_SOCKET": world.home + "/notify",
                "VOLUME_UPLOADER_ALLOW_VOLATILE_STATE": "yes"}, **world.sanitizers)
    world.stays("run", start, env)


def the_status_looks_so(world, command):
    """The line that the guide shows below `systemctl status`."""
    del command
    (shown,) = re.findall(r'Status: "(.*)"', books.text_of("docs/guides/systemd.md"))
    heard, end = [], time.monotonic() + 60
    while time.monotonic() < end:
        said = world.manager.recv(4096).decode()
        heard += [said[7:]] if said.startswith("STATUS=") else []
        if heard and shape(heard[-1]) == shape(shown):
            return
    plant.fail(f"the guide shows the status {shape(shown)!r}, but heard was {heard}")


# Cannot run here: why, and what is looked at instead.
NOT_HERE = {
    "make test": ("it is what runs this", a_target),
    "make package": ("minutes; `make package-test` does it", a_target),
    "sudo apt install ./build/package/volume-uploader_0.1.0-1_amd64.deb": (
        "changes the machine; `make package-test` does it in a clean Debian tree", the_package_has_this_name),
    "sudoedit /etc/default/volume-uploader": ("an editor", settings_of_the_service),
    "sudo systemctl enable --now volume-uploader": ("no systemd runs here", the_service_runs),
    "systemctl status volume-uploader": ("no systemd runs here", the_status_looks_so),
    # tests/interop/kelvin_cli_test.py gives these to the parser of the real `kelvin`.
    "kelvin auth login <your platform's URL>": ("needs a platform", None),
    "kelvin secret create databricks-server-hostname --value dbc-a1b2c3d4-e5f6.cloud.databricks.com": ("needs a platform", None),
    "kelvin secret create databricks-uc-volume --value main.raw.land": ("needs a platform", None),
    "kelvin secret create databricks-delta-table --value main.raw.events": ("needs a platform", None),
    "kelvin secret create databricks-client-id --value 00000000-0000-0000-0000-000000000000": ("needs a platform", None),
    'kelvin secret create databricks-client-secret --value "$(cat ~/databricks-secret)"': ("needs a platform", None),
    "kelvin secret create databricks-job-cluster-id --value 0123-456789-cluster0": ("needs a platform", None),
    "kelvin app upload --app-dir .": ("needs a platform and Docker", None),
    "kelvin app upload --app-dir . --multiarch amd64,arm64": ("needs a platform and Docker", None),
    "kelvin app upload --app-dir . --build-arg RUN_AS=0:0": ("needs a platform and Docker", None),
}
# Only where the program is there; e2e.monitoring_test looks at the same files without it.
OPTIONAL = ("promtool", "curl")


def shape(text):
    """Numbers and units aside, what a line looks like."""
    for old, new in ((r"[0-9][0-9,.]*", "0"), (r"\b0 ([KMG]i)?B\b", "0 B"), (r"\b0 (us|ms|s|min|h|d)\b", "0 s"), (r"\s+", " ")):
        text = re.sub(old, new, text)
    return text.strip()


class World:
    """One reader: a home, a plant, a workspace, and a shell that remembers."""

    def __init__(self, place, number):
        self.place = place
        self.home = os.path.join(place.directory, f"reader-{number}")
        os.makedirs(self.home + "/tmp")
        os.makedirs(self.home + "/etc")
        os.makedirs(self.home + "/var/lib")
        self.stream, self.own_stream, self.own_workspace = plant.free_port(), plant.free_port(), plant.free_port()
        port = plant.free_port()
        self.workspace = f"http://127.0.0.1:{port}"
        self.sanitizers = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
        self.children, self.said = {}, []
        lab = {"PATH": os.environ["PATH"], **self.sanitizers}
        self.helpers = [
            place.start(["simulate", "--listen", f"127.0.0.1:{self.stream}", "--rate", "1000", "--upload-interval", "1"], lab),
            place.start(["emulate", "--listen", f"127.0.0.1:{port}", "--root", self.home + "/workspace"],
                        {**lab, "DATABRICKS_CLIENT_ID": APPLICATION, "DATABRICKS_CLIENT_SECRET": SECRET})]
        place.wait_port(port, self.helpers[1])
        plant.wait_for("the plant", 60, lambda: "Listening" in plant.log_of(self.helpers[0]))
        self.clone()
        self.new_shell()

    def clone(self):
        """The reader's clone of this repository, as far as the commands need it."""
        self.cwd = self.home + "/clone"
        os.mkdir(self.cwd)
        for part in ("Makefile", "CMakeLists.txt", "CMakePresets.json", "LICENSE", "cmake", "src", "scripts", "deploy"):
            subprocess.run(["cp", "-R", os.path.join(books.ROOT, part), self.cwd], check=True)
        for name, text in FILES.items():
            with open(os.path.join(self.cwd, name), "w", encoding="utf-8") as file:
                file.write(text)

    def new_shell(self):
        self.env = {"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": self.home, "TMPDIR": self.home + "/tmp", "LANG": "C.UTF-8",
                    "VOLUME_UPLOADER_ALLOW_VOLATILE_STATE": "yes", "VOLUME_UPLOADER_UPLOAD_INTERVAL": "1s", "KELVIN_STREAM_PORT": str(self.stream),
                    "VOLUME_UPLOADER_STATUS_LISTEN": f"127.0.0.1:{plant.free_port()}", **self.sanitizers}

    def ours(self, command):
        names = {"build": BUILD, "home": self.home, "workspace": self.workspace, "reader's stream": self.own_stream,
                 "reader's workspace": self.own_workspace}
        for old, new in HERE:
            command = re.sub(old, re.sub(r"\{(.*?)\}", lambda m: str(names[m[1]]), new), command)
        return command

    def do(self, command):
        """One line of a book, as a person would type it."""
        ours = self.ours(command)
        words = ours.split()
        if words[0] == "volume-uploader" and words[1] in STAYS and "--exit" not in words:
            self.stays(words[1], ours, self.env)
        elif words[:2] == ["volume-uploader", "simulate"]:
            self.ends_by_itself(ours)
        else:
            self.runs(ours)

    def runs(self, command):
        """In a shell whose variables and directory the next command finds again."""
        script = f"{command}\ncode=$?\npwd >$HOME/cwd\nenv -0 >$HOME/env\nexit $code\n"
        out = subprocess.run(["bash", "-c", script], cwd=self.cwd, env=self.env, input=SECRET + "\n", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False, text=True, timeout=300)
        self.said.append(out.stdout)
        if out.returncode != 0:
            plant.fail(f"exit code {out.returncode} of: {command}\n{out.stdout[-3000:]}")
        with open(self.home + "/env", encoding="utf-8") as file:
            self.env = dict(item.split("=", 1) for item in file.read().split("\0") if item and not item.startswith("_="))
        with open(self.home + "/cwd", encoding="utf-8") as file:
            self.cwd = file.read().strip()

    def begin(self, name, command, env):
        with open(os.path.join(self.home, f"{name}.log"), "wb") as log:
            child = subprocess.Popen(["bash", "-c", "exec " + command], cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=subprocess.STDOUT)
        child.log = log.name
        self.place.children.append(child)
        return child

    def stays(self, name, command, env):
        """One of a name at a time: the terminal of the one before is used again."""
        self.ends(name)
        child = self.children[name] = self.begin(name, command, env)

        def works():
            if child.poll() is not None:
                plant.fail(f"ended with {child.returncode}: {command}\n{plant.log_of(child)[-3000:]}")
            return re.search(STAYS[name], plant.log_of(child), re.S)

        plant.wait_for(f"'{STAYS[name]}' of: {command}", 120, works)
        if name == "emulate":  # "after pasting the export lines"
            self.env.update(re.findall(r"^export (\w+)=(\S+)", plant.log_of(child), re.M))
        if name == "simulate":
            self.env["KELVIN_STREAM_PORT"] = str(self.own_stream)

    def ends(self, name):
        child = self.children.pop(name, None)
        if child is None:
            return
        if name == "simulate" and "Connected" not in plant.log_of(child):
            if read_stream(self.own_stream, 2) < 2:
                plant.fail("the stream has no readings")
        child.send_signal(signal.SIGTERM)
        if child.wait(120) != 0:
            plant.fail(f"{name} ended with {child.returncode}\n{plant.log_of(child)[-3000:]}")

    def ends_by_itself(self, command):
        """`simulate --exit`: somebody has to read all of it."""
        self.ends("simulate")
        child = self.begin("simulate", command, self.env)
        plant.wait_for("the stream", 60, lambda: "Listening" in plant.log_of(child) or child.poll() is not None)
        lines = read_stream(self.own_stream, None)
        if child.wait(60) != 0 or lines < 2:
            plant.fail(f"{lines} lines, exit code {child.returncode}: {command}\n{plant.log_of(child)[-2000:]}")

    def end(self):
        for name in ("run", *list(self.children)):
            self.ends(name)
        for child in self.helpers:
            child.send_signal(signal.SIGTERM)
            if child.wait(60) != 0:
                plant.fail(f"{child.args[1]} ended with {child.returncode}\n{plant.log_of(child)[-3000:]}")


def read_stream(port, enough):
    """The lines that come, until there are enough or the server ends the connection."""
    lines = 0
    with socket.create_connection(("127.0.0.1", port), 60) as peer:
        while enough is None or lines < enough:
            chunk = peer.recv(1 << 20)
            if not chunk:
                break
            lines += chunk.count(b"\n")
    return lines


def every_command_works(place):
    used, tried, left = set(), 0, 0
    for number, name in enumerate(books.documents()):
        listed = books.commands(name)
        if not listed:
            continue
        started = time.monotonic()
        world = World(place, number)
        heading = ""
        for command in BEFORE.get(name, []):
            world.do(command)
        for above, command in listed:
            if above != heading and above in NEW_SHELL.get(name, []):
                world.new_shell()
            heading = above
            print(f"  {name}: {command}", flush=True)
            if command in NOT_HERE:
                used.add(command)
                left += 1
                if NOT_HERE[command][1]:
                    NOT_HERE[command][1](world, command)
            elif command.split()[0] in OPTIONAL and not shutil.which(command.split()[0]):
                left += 1
                print(f"  skipped: no {command.split()[0]}", flush=True)
            else:
                world.do(command)
                tried += 1
                if command == "make demo":
                    the_demo_looks_so(world.said[-1])
        world.end()
        print(f"{name}: {len(listed)} commands ({time.monotonic() - started:.1f} s)", flush=True)
    if gone := set(NOT_HERE) - used:
        plant.fail(f"no book needs these any more: {sorted(gone)}")
    if tried < 30:
        plant.fail(f"only {tried} commands found in the books")
    print(f"{tried} commands run, {left} that cannot run here", flush=True)


def the_demo_looks_so(said):
    """What README.md shows of the demo: each line is one the demo prints, numbers aside."""
    (shown,) = [lines for language, _, lines in books.blocks("README.md") if not language and lines[-1].startswith("demo: ")]
    there = {shape(line) for line in said.split("\n")}
    for line in shown:
        if line.strip() != "..." and shape(line) not in there and not any(line_.startswith(shape(line)) for line_ in there):
            plant.fail(f"the README shows {shape(line)!r}; the demo never said so:\n{said[-3000:]}")


def no_command_hides(place):
    """A command stands in a block that says `sh`; what is named in the running text exists."""
    del place
    targets = set(re.findall(r"^([a-z-]+):", books.text_of("Makefile"), re.M))
    helps = {}
    for name in books.documents():
        for language, _, lines in books.blocks(name):
            for line in lines:
                if language not in ("sh", "man") and books.COMMAND.match(line):
                    plant.fail(f"{name}: a command in a block without `sh`: {line}")
        for text in books.inline(name):
            words = text.split()
            if words[0] == "make" and len(words) == 2 and words[1] not in targets:
                plant.fail(f"{name}: there is no target for `{text}`")
            if re.match(r"(scripts|deploy|tests)/[\w./-]+$", words[0]) and not os.path.exists(os.path.join(books.ROOT, words[0])):
                plant.fail(f"{name}: there is no {words[0]}")
            if words[0] == "volume-uploader" and len(words) > 1 and re.match(r"[a-z]+$", words[1]):
                if words[1] not in helps:
                    helps[words[1]] = subprocess.run([PROGRAM, words[1], "--help"], capture_output=True, check=True, text=True).stdout
                for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", text):
                    # Two that only make the documents themselves.
                    if flag not in helps[words[1]] and flag not in ("--settings-md", "--metrics-md"):
                        plant.fail(f"{name}: {flag} is no option of {words[1]}: `{text}`")


def the_sql_is_that_of_setup(place):
    """What docs/databricks.md has a person run is what `setup --sql` prints."""
    del place
    (shown,) = ["\n".join(lines) for language, _, lines in books.blocks("docs/databricks.md") if language == "sql"]
    env = {"DATABRICKS_SERVER_HOSTNAME": "dbc-a1b2c3d4-e5f6.cloud.databricks.com", "DATABRICKS_UC_VOLUME": "main.raw.land",
           "DATABRICKS_DELTA_TABLE": "main.raw.events", "DATABRICKS_JOB_CLUSTER_ID": "0123-456789-cluster0"}
    out = subprocess.run([PROGRAM, "setup", "--sql", "--principal", "<application id>"], env=env, capture_output=True, check=True,
                         text=True).stdout
    statements = [[re.sub(r"\s+", " ", part).strip() for part in re.sub(r"^--.*$", "", text, flags=re.M).split(";")]
                  for text in (shown, out)]
    if statements[0] != statements[1] or len(statements[0]) < 6:
        plant.fail(f"the page has\n{statements[0]}\nand setup prints\n{statements[1]}")


if __name__ == "__main__":
    plant.main(no_command_hides, the_sql_is_that_of_setup, every_command_works)
