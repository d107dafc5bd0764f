"""The Debian package in a clean tree: installed, run, upgraded, removed, purged."""
import glob
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile

import plant
import tree

HOME_OF_STATE = "/var/lib/private/volume-uploader"
DEPENDENCIES_MAX_MB = 15


def package():
    tree.sh([os.path.join(tree.ROOT, "scripts/package")], timeout=900)
    (found,) = glob.glob(os.path.join(tree.ROOT, "build/package/*_amd64.deb"))
    return found


def install(place, deb):
    shutil.copy(deb, place.path("/root/"))
    place.run("apt-get", "update", "-q")
    simulated = place.run("apt-get", "install", "-s", "--no-install-recommends", "/root/" + os.path.basename(deb))
    names = re.findall(r"^Inst (\S+)", simulated, re.M)
    place.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "/root/" + os.path.basename(deb))
    sizes = dict(line.split() for line in place.run(
        "dpkg-query", "-W", "-f", "${Package} ${Installed-Size}\\n", *names).splitlines())
    own = int(sizes.pop("volume-uploader")) / 1024
    others = sum(map(int, sizes.values())) / 1024
    print(f"installed: {own:.1f} MB, and {len(sizes)} dependencies of {others:.1f} MB that a minimal Debian lacks", flush=True)
    if others > DEPENDENCIES_MAX_MB:
        tree.fail(f"the dependencies take {others:.1f} MB, more than {DEPENDENCIES_MAX_MB}")


def emulated(test):
    """A local workspace and a stream for the program in the tree: the network is the machine's."""
    feeder = plant.Feeder()
    feeder.start()
    where = plant.Place()
    try:
        where.emulate()
        test(feeder, where)
    finally:
        feeder.stop()
        where.end()


def run_service(place, feeder, where, until):
    """As the unit does: not root, the state directory of its own, a secret from a credential, stopped by SIGTERM."""
    state = place.path(HOME_OF_STATE)
    os.makedirs(state, exist_ok=True)
    shutil.chown(state, 61234, 61234)
    os.chmod(state, 0o700)
    # DynamicUser's parent directory is closed to all but root; here the chroot's user must pass.
    os.chmod(os.path.dirname(state), 0o755)
    os.makedirs(place.path("/run/credentials"), exist_ok=True)
    with open(place.path("/run/credentials/databricks_access_token"), "w", encoding="ascii") as file:
        file.write(plant.TOKEN)
    shutil.chown(place.path("/run/credentials/databricks_access_token"), 61234, 61234)
    os.chmod(place.path("/run/credentials/databricks_access_token"), 0o400)
    env = {**tree.ENVIRONMENT, **where.run_env(feeder.port, DATABRICKS_TOKEN=None, VOLUME_UPLOADER_STATE_DIR=None,
                                             STATE_DIRECTORY=HOME_OF_STATE, CREDENTIALS_DIRECTORY="/run/credentials"),
           "PATH": tree.ENVIRONMENT["PATH"]}
    log = open(os.path.join(where.directory, "service.log"), "w+", encoding="utf-8")
    child = subprocess.Popen(place.command("volume-uploader", "run", "--no-live-line", user="61234:61234"), env=env,
                             stdout=log, stderr=subprocess.STDOUT)
    try:
        plant.wait_for("what was asked for", 60, until)
    finally:
        child.send_signal(signal.SIGTERM)
        code = child.wait(40)
    log.seek(0)
    if code != 0:
        tree.fail(f"exit code {code}\n{log.read()[-3000:]}")


def installs_runs_upgrades_and_goes():
    deb = package()
    place = tree.Tree("debian-package")
    install(place, deb)
    if place.run("volume-uploader", "version").split()[0] != "volume-uploader":
        tree.fail("version")
    for file in ("/usr/lib/systemd/system/volume-uploader.service", "/usr/share/man/man1/volume-uploader-run.1.gz",
                 "/usr/share/bash-completion/completions/volume-uploader", "/etc/default/volume-uploader"):
        # The tree leaves documents out when dpkg is told so; a minimal Debian is not.
        if not os.path.exists(place.path(file)):
            tree.fail(f"{file} is not there")
    emulated(lambda feeder, where: run_service(place, feeder, where, where.files))
    check_upgrade(place, deb)
    check_purge(place)
    place.remove()


def newer(deb, place):
    """The same package with a higher version, as the next release would be."""
    folder = place.path("/root/next")
    tree.sh(["dpkg-deb", "-R", deb, folder])
    control = os.path.join(folder, "DEBIAN/control")
    with open(control, encoding="utf-8") as file:
        text = re.sub(r"^Version: .*$", "Version: 9.9.9-1", file.read(), flags=re.M)
    with open(control, "w", encoding="utf-8") as file:
        file.write(text)
    tree.sh(["dpkg-deb", "--root-owner-group", "-b", folder, place.path("/root/next.deb")])


def check_upgrade(place, deb):
    """Settings a person wrote and the state stay."""
    with open(place.path("/etc/default/volume-uploader"), "a", encoding="utf-8") as file:
        file.write("KELVIN_STREAM_IP=192.0.2.7\n")
    with open(place.path(HOME_OF_STATE + "/IDENTITY"), "rb") as file:
        identity = file.read()
    newer(deb, place)
    place.run("dpkg", "-i", "/root/next.deb")
    if "9.9.9-1" not in place.run("dpkg-query", "-W", "volume-uploader"):
        tree.fail("the upgrade did not happen")
    with open(place.path("/etc/default/volume-uploader"), encoding="utf-8") as file:
        if "192.0.2.7" not in file.read():
            tree.fail("the upgrade lost the settings")
    with open(place.path(HOME_OF_STATE + "/IDENTITY"), "rb") as file:
        if file.read() != identity:
            tree.fail("the upgrade touched the state")


def check_purge(place):
    """A purge leaves undelivered readings, and nothing else."""
    outbox = place.path(HOME_OF_STATE + "/outbox")
    waiting = os.path.join(outbox, "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet")
    with open(waiting, "wb") as file:
        file.write(b"PAR1")
    place.run("apt-get", "remove", "-q", "-y", "volume-uploader")
    if not os.path.exists(place.path("/etc/default/volume-uploader")):
        tree.fail("a remove took the settings")
    said = place.run("apt-get", "purge", "-q", "-y", "volume-uploader")
    if not os.path.exists(waiting) or "not delivered" not in said:
        tree.fail(f"the purge threw an undelivered file away, or did not say that it stays:\n{said}")
    left = [path for path in ("/etc/default/volume-uploader", "/usr/bin/volume-uploader",
                              "/usr/share/doc/volume-uploader") if os.path.exists(place.path(path))]
    if left:
        tree.fail(f"after the purge there still is {left}")
    # Delivered and purged again: now the state goes.
    place.run("dpkg", "-i", "/root/next.deb")
    os.unlink(waiting)
    for folder in ("journal", "outbox"):
        for name in os.listdir(place.path(f"{HOME_OF_STATE}/{folder}")):
            os.unlink(place.path(f"{HOME_OF_STATE}/{folder}/{name}"))
    place.run("apt-get", "purge", "-q", "-y", "volume-uploader")
    if os.path.exists(place.path(HOME_OF_STATE)):
        tree.fail("a purge with nothing waiting left the state")


def the_bill_names_what_the_package_needs():
    """The bill of materials comes from the program, Depends from dpkg-shlibdeps: they must agree."""
    deb = package()
    with open(deb.removesuffix(".deb") + ".cdx.json", encoding="utf-8") as file:
        bill = json.load(file)
    about = bill["metadata"]["component"]
    inside = tarfile.open(fileobj=io.BytesIO(subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True,
                                                            check=True).stdout))
    program = inside.extractfile("./usr/bin/volume-uploader").read()
    if about["hashes"][0]["content"] != hashlib.sha256(program).hexdigest() or "_" + about["version"] + "-" not in deb:
        tree.fail(f"the bill is of another program: {about}")
    (own,) = bill["dependencies"]
    listed = {re.match(r"pkg:deb/debian/([^@]+)@", reference)[1] for reference in own["dependsOn"]}
    depends = {part.split()[0] for part in tree.sh(["dpkg-deb", "-f", deb, "Depends"]).strip().split(", ")}
    if listed != depends - {"ca-certificates"}:
        tree.fail(f"the bill has {sorted(listed)}, the package needs {sorted(depends)}")
    print(f"{len(listed)} libraries of our own, {len(bill['components'])} with theirs", flush=True)


def the_program_is_hardened():
    package()
    tree.sh(["sh", "tests/style/hardening.sh"], cwd=tree.ROOT, env={
        **os.environ, "HARDENED": os.path.join(tree.ROOT, "build/package/amd64/volume-uploader")})


def lintian_is_content():
    out = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package()], capture_output=True,
                         check=False, text=True)
    if out.returncode != 0:
        tree.fail(out.stdout)


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot", "lintian")
    plant.PROGRAM = os.path.join(tree.ROOT, "build/package/amd64/volume-uploader")
    tree.main(lintian_is_content, the_program_is_hardened, the_bill_names_what_the_package_needs, installs_runs_upgrades_and_goes)
