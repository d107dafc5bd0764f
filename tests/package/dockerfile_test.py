"""The image's Dockerfile without a container engine: its steps in a Debian tree, then the program as process 1.

Knows the instructions our Dockerfile uses and refuses any other, so that nothing is skipped in silence.
"""
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess

import plant
import tree

APP = os.path.join(tree.WORK, "kelvin-app")
SIZE_MAX_MB = 40  # what the image adds to its base


def instructions(path):
    """[(name, argument)]; continued lines are joined, comments left out."""
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def expand(text, variables):
    """$NAME, ${NAME}, and the two forms of RUN_AS that a shell expands itself."""
    return re.sub(r"\$\{?([A-Za-z_]+)\}?", lambda m: variables.get(m[1], ""), text)


class Image:
    """One stage at a time: a tree, and what later instructions set."""

    def __init__(self):
        self.stages, self.now = {}, None
        self.globals = {"BUILDPLATFORM": "linux/amd64"}
        self.variables, self.env, self.folder, self.config = {}, {}, "/", {}

    def step(self, name, argument):
        getattr(self, "do_" + name.lower(), lambda _: tree.fail(f"this test knows no {name}"))(argument)

    def do_arg(self, argument):
        name, _, value = argument.partition("=")
        (self.globals if self.now is None else self.variables)[name] = value

    def do_from(self, argument):
        words = argument.split()
        words = [word for word in words if not word.startswith("--platform=")]
        base = expand(words[0], self.globals)
        if not re.fullmatch(r"debian:bookworm-\d{8}-slim(@sha256:[0-9a-f]{64})?", base):
            tree.fail(f"the base is not pinned: {base}")
        name = words[2] if len(words) == 3 else "image"
        self.now = self.stages[name] = tree.Tree("image-" + name)
        self.variables, self.env, self.folder = {}, {}, "/"

    def do_workdir(self, argument):
        self.folder = argument
        os.makedirs(self.now.path(argument), exist_ok=True)

    def do_env(self, argument):
        self.env.update(word.split("=", 1) for word in shlex.split(argument))

    def do_copy(self, argument):
        words = argument.split()
        if words[0].startswith("--from="):
            source = self.stages[words[0][7:]].path(words[1])
            shutil.copy(source, self.now.path(words[2]))
            return
        (source,) = glob.glob(os.path.join(APP, words[0]))
        target = self.now.path(os.path.join(self.folder, words[1]))
        os.makedirs(target if words[1].endswith(("/", ".")) else os.path.dirname(target), exist_ok=True)
        tree.sh(["cp", "-R", source + "/." if os.path.isdir(source) else source, target])

    def do_run(self, argument):
        print(f"  RUN {argument[:100]}", flush=True)
        self.now.run("/bin/sh", "-c", f"cd {self.folder} && {argument}", env={**self.variables, **self.env}, seconds=1200)

    def do_user(self, argument):
        self.config["user"] = expand(argument, self.variables)

    def do_volume(self, argument):
        self.config["volume"] = argument

    def do_expose(self, argument):
        self.config["port"] = int(argument)

    def do_entrypoint(self, argument):
        self.config["entrypoint"] = json.loads(argument)

    def do_cmd(self, argument):
        self.config["cmd"] = json.loads(argument)


def build():
    tree.sh([os.path.join(tree.ROOT, "deploy/kelvin/assemble"), APP])
    image = Image()
    for name, argument in instructions(os.path.join(APP, "Dockerfile")):
        image.step(name, argument)
    return image


def stops_as_process_1(image):
    """With the platform's variables, not root, an own process space; SIGTERM delivers and ends it with 0."""
    feeder = plant.Feeder()
    feeder.start()
    where = plant.Place()
    where.emulate()
    settings = where.run_env(feeder.port, VOLUME_UPLOADER_STATE_DIR=None, VOLUME_UPLOADER_STATUS_LISTEN=None)
    env = {**tree.ENVIRONMENT, **settings, **image.env, "PATH": tree.ENVIRONMENT["PATH"],
           "VOLUME_UPLOADER_STATUS_LISTEN": "off"}
    command = image.now.command(*image.config["entrypoint"], *image.config["cmd"], user=image.config["user"], isolate=True)
    log = open(os.path.join(where.directory, "image.log"), "w+", encoding="utf-8")
    child = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        plant.wait_for("a file in the volume", 60, where.files)
        inside = tree.sh(["pgrep", "-P", str(child.pid)]).split()[0]
        with open(f"/proc/{inside}/status", encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        if status["NSpid"].split()[-1] != "1":
            tree.fail(f"not process 1 of its space: {status['NSpid']}")
        if status["Uid"].split()[0] == "0" or int(status["CapEff"], 16) != 0:
            tree.fail(f"runs as {status['Uid']} with {status['CapEff']}")
        os.kill(int(inside), signal.SIGTERM)
        child.wait(30)
    finally:
        if child.poll() is None:
            child.kill()
        feeder.stop()
    log.seek(0)
    text = log.read()
    if child.returncode != 0 or "stopped" not in text:
        tree.fail(f"exit code {child.returncode}\n{text[-3000:]}")
    where.end()


def steps_make_an_image_that_works():
    image = build()
    final = image.now
    if image.config["entrypoint"] != ["/usr/bin/volume-uploader"] or image.config["cmd"] != ["run"]:
        tree.fail(f"{image.config}")
    if image.env["VOLUME_UPLOADER_STATE_DIR"] != image.config["volume"]:
        tree.fail("the state is not in the volume")
    about = os.stat(final.path(image.config["volume"]))
    if (about.st_uid, about.st_mode & 0o777) != (int(image.config["user"].split(":")[0]), 0o700):
        tree.fail("the volume belongs to somebody else")
    if not os.path.getsize(final.path("/etc/ssl/certs/ca-certificates.crt")):
        tree.fail("no certificates")
    if os.listdir(final.path("/var/lib/apt/lists")):
        tree.fail("package lists are left in the image")
    final.run("tail", "--version")  # `kelvin app images unpack` starts it
    for path in ("/var/cache/apt/pkgcache.bin", "/var/cache/apt/archives/*.deb", "/var/log/*"):
        if glob.glob(final.path(path)):
            tree.fail(f"{path} is left in the image")
    added = tree.size_mb(final.root) - tree.size_mb(tree.base())
    stops_as_process_1(image)
    program = os.path.getsize(final.path("/usr/bin/volume-uploader")) / 1024
    print(f"the image adds {added:.0f} MB to its base; the program is {program:.0f} KiB", flush=True)
    if added > SIZE_MAX_MB:
        tree.fail(f"more than {SIZE_MAX_MB} MB")
    for stage in image.stages.values():
        stage.remove()


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot", "unshare")
    plant.PROGRAM = os.path.join(tree.ROOT, "build/package/amd64/volume-uploader")
    if not os.path.exists(plant.PROGRAM):
        tree.sh([os.path.join(tree.ROOT, "scripts/package")], timeout=900)
    tree.main(steps_make_an_image_that_works)
