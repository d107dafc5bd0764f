"""Clean Debian trees for the package tests: debootstrap once, then copies. Needs root and the package archive."""
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
WORK = os.path.join(ROOT, "build/package-test")
BASE = os.path.join(WORK, "debian-bookworm")
SKIPPED = 77
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


# P keeps argv[0], F opens qemu now, so that it is found from inside the tree. The magic is that of qemu-user-static.
IN_NAMESPACE = r"""root=$0
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:'\
'\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$root"\
'/usr/libexec/qemu-binfmt/aarch64-binfmt-P:PF' >/proc/sys/fs/binfmt_misc/register
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


class Failure(Exception):
    pass


def fail(text):
    raise Failure(text)


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(SKIPPED)


def needs(*programs):
    if os.geteuid() != 0:
        skip("chroot needs root")
    for program in programs:
        if not shutil.which(program):
            skip(f"no {program}")


def sh(arguments, **more):
    """Runs a program; its output only matters when it fails."""
    out = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                         check=False, **more)
    if out.returncode != 0:
        fail(f"{' '.join(arguments)}: exit code {out.returncode}\n{out.stdout[-4000:]}")
    return out.stdout


def base():
    """A minimal Debian 12, made once."""
    if not os.path.exists(os.path.join(BASE, "ready")):
        shutil.rmtree(BASE, ignore_errors=True)
        os.makedirs(WORK, exist_ok=True)
        sh(["debootstrap", "--variant=minbase", "bookworm", BASE], timeout=900)
        with open(os.path.join(BASE, "ready"), "w", encoding="ascii"):
            pass
    return BASE


def size_mb(root):
    """Without what only apt wants: its lists, its cache, its logs."""
    leave = ["--exclude=" + os.path.join(root, part) for part in ("var/lib/apt/lists", "var/cache/apt", "var/log")]
    return int(sh(["du", "-sxk", *leave, root]).split()[0]) / 1024


class Tree:
    """A copy of the base that is thrown away at the end."""

    def __init__(self, name):
        self.root = os.path.join(WORK, name)
        shutil.rmtree(self.root, ignore_errors=True)
        sh(["cp", "-a", "--reflink=auto", base(), self.root])
        shutil.copy("/etc/resolv.conf", self.path("/etc/resolv.conf"))

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def command(self, *arguments, user=None, isolate=False):
        """The command line that runs something inside; `isolate`: as process 1 of a process space of its own."""
        words = ["unshare", "--pid", "--fork", "--kill-child"] if isolate else []
        words += ["chroot"] + ([f"--userspec={user}"] if user else []) + [self.root]
        return words + list(arguments)

    def run(self, *arguments, user=None, env=None, seconds=900):
        return sh(self.command(*arguments, user=user), env={**ENVIRONMENT, **(env or {})}, timeout=seconds)

    def run_as_arm64(self, *arguments, seconds=900):
        """Like run(), where the kernel itself starts programs of arm64, with the qemu inside: also those that our program or a
        test starts. The kernel's list of formats is that of a user namespace which ends with the command (Linux 6.7), so the
        machine's own stays as it is. Needs qemu-user-static in the tree. Returns the exit code and the output."""
        words = ["unshare", "--user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                 'read -r go; exec sh -ec "$0" "$@"', IN_NAMESPACE, self.root, *arguments]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", env=ENVIRONMENT)
        own = os.readlink("/proc/self/ns/user")
        while child.poll() is None and os.readlink(f"/proc/{child.pid}/ns/user") == own:
            time.sleep(0.01)
        for kind in ("uid_map", "gid_map"):
            with open(f"/proc/{child.pid}/{kind}", "w", encoding="ascii") as file:
                file.write("0 0 65536\n")
        try:
            out, _ = child.communicate("go\n", timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            fail(f"{' '.join(arguments)}: not done after {seconds} s")
        return child.returncode, out

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def main(*tests):
    """Runs tests that take nothing; one that fails ends it."""
    for test in tests:
        try:
            test()
        except Failure as failure:
            print(f"FAIL {test.__name__}: {failure}", flush=True)
            sys.exit(1)
        print(f"ok {test.__name__}", flush=True)
