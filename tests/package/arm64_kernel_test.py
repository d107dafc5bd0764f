"""The package for arm64 on a real arm64 kernel: Debian's own boots in an emulated machine, and the sandbox meets it.

arm64_test.py runs the tests with qemu-user, whose kernel is that of this machine: no seccomp filter, no Landlock of arm64.
Here the whole machine is emulated. What runs inside is arm64_guest.py.
"""
import glob
import os
import re
import shutil
import subprocess
import time

import arm64_test
import tree

UNIT_TESTS = ("base_sandbox_test", "base_secret_test", "commands_confine_test")
# Beside what the package itself asks for. busybox is for the first moments, when the disk is not there yet.
GUEST = ("linux-image-cloud-arm64", "busybox-static", "python3", "openssl", "strace", "iproute2", "libcmocka0", "netbase")
# Debian's kernel for clouds has no disk of its own built in, and ext4.
MODULES = ("virtio", "virtio_ring", "virtio_mmio", "virtio_blk")
FIRST = f"""#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in {' '.join(MODULES)}; do /bin/busybox insmod /$module.ko; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox poweroff -f
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox mount -t securityfs security /root/sys/kernel/security
/bin/busybox mount -t tmpfs -o mode=755 run /root/run
/bin/busybox mount -t devtmpfs dev /root/dev
exec /bin/busybox switch_root /root /usr/bin/python3 -B /test/package/arm64_guest.py
"""
DEADLINE_S = 5400


# --- what goes into the machine ---

def cross_build():
    """The package, and the tests of the sandbox, made in a clean tree."""
    place = arm64_test.tree_with_source("arm64-kernel-build", "dpkg-dev file libcmocka-dev:arm64")
    print(arm64_test.package_in(place), flush=True)
    arm64_test.in_source(place, "cmake --preset dev -B /test -DCMAKE_TOOLCHAIN_FILE=cmake/debian-arm64.cmake "
                         f"&& cmake --build /test --target {' '.join(UNIT_TESTS)}")
    return place


def dependencies(deb):
    """The names alone; of alternatives the first."""
    text = tree.sh(["dpkg-deb", "--field", deb, "Depends"])
    return [re.split(r"[ |(]", one.strip())[0] for one in text.split(",")]


def unpack(deb, root):
    """Nothing of arm64 has to run for it: files alone, and no scripts of the package."""
    files = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    tree.sh(["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=files.stdout)
    if files.wait() != 0:
        tree.fail(f"dpkg-deb --fsys-tarfile {deb}")


def make_root(root, deb):
    """A minimal Debian of arm64 with what the tests need, unpacked and not configured."""
    shutil.rmtree(root, ignore_errors=True)
    tree.sh(["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", f"--include={','.join([*GUEST, *dependencies(deb)])}",
             "bookworm", root], timeout=1800)
    archives = os.path.join(root, "var/cache/apt/archives")
    for one in sorted(glob.glob(os.path.join(archives, "*.deb"))):
        unpack(one, root)
    unpack(deb, root)
    for unneeded in (archives, os.path.join(root, "var/lib/apt/lists"), os.path.join(root, "debootstrap"),
                     os.path.join(root, "usr/share/doc"), os.path.join(root, "usr/share/locale")):
        shutil.rmtree(unneeded, ignore_errors=True)
    # Where debootstrap thinks that it is in a container, it leaves a link to that one's /proc.
    if os.path.islink(os.path.join(root, "proc")):
        os.unlink(os.path.join(root, "proc"))
        os.mkdir(os.path.join(root, "proc"))
    for name in ("passwd", "group"):
        shutil.copy(os.path.join(root, f"usr/share/base-passwd/{name}.master"), os.path.join(root, "etc", name))
    for name, text in (("hosts", "127.0.0.1 localhost\n::1 localhost\n"), ("nsswitch.conf", "hosts: files dns\n"),
                       ("resolv.conf", "")):
        with open(os.path.join(root, "etc", name), "w", encoding="ascii") as file:
            file.write(text)


def add_tests(root, build):
    for part in ("package", "e2e"):
        shutil.copytree(os.path.join(tree.ROOT, "tests", part), os.path.join(root, "test", part))
    os.mkdir(os.path.join(root, "test/unit"))
    for name in UNIT_TESTS:
        (made,) = glob.glob(os.path.join(build.path("/test"), "**", name), recursive=True)
        shutil.copy(made, os.path.join(root, "test/unit"))


def cpio(entries):
    """An archive for the kernel's first file system, of (name, mode, content)."""
    out = b""
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return out


def first_file_system(root):
    entries = [(name, 0o40755, b"") for name in ("bin", "dev", "root")] + [("init", 0o100755, FIRST.encode())]
    for name, found in [("bin/busybox", "bin/busybox"), *((f"{one}.ko", f"lib/modules/*/kernel/drivers/**/{one}.ko") for one in MODULES)]:
        (path,) = glob.glob(os.path.join(root, found), recursive=True)
        with open(path, "rb") as file:
            entries.append((name, 0o100755, file.read()))
    return cpio(entries)


def make_disk(root, disk):
    with open(disk, "wb") as file:
        file.truncate((int(tree.size_mb(root)) + 1024) << 20)
    tree.sh(["mke2fs", "-q", "-t", "ext4", "-d", root, disk], timeout=600)


# --- the machine ---

def boot(kernel, initrd, disk, console):
    """Returns when the machine has switched itself off, with all that it said."""
    words = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024", "-accel", "tcg,thread=multi",
             "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-serial", f"file:{console}",
             "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyAMA0 panic=-1 loglevel=4",
             "-drive", f"file={disk},format=raw,if=none,id=disk,cache=unsafe", "-device", "virtio-blk-device,drive=disk"]
    try:
        out = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        how = f"qemu ended with {out.returncode}: {out.stderr.strip()}"
    except subprocess.TimeoutExpired:
        how = f"the machine was not done after {DEADLINE_S} s"
    with open(console, encoding="utf-8", errors="replace") as file:
        return file.read().replace("\r", ""), how


def judge(said, how):
    lines = re.findall(r"^arm64: (.*)$", said, re.M)
    print("\n".join("  " + line for line in lines), flush=True)
    if lines[-1:] != ["PASS"] or "Kernel panic" in said:
        tree.fail(f"{how}; the end of the console:\n{said[-6000:]}")


def the_sandbox_meets_a_kernel_of_arm64():
    started = time.monotonic()
    build = cross_build()
    deb = os.path.join(tree.WORK, "arm64.deb")
    root = os.path.join(tree.WORK, "arm64-kernel")
    make_root(root, deb)
    add_tests(root, build)
    (kernel,) = glob.glob(os.path.join(root, "boot/vmlinuz-*"))
    disk, initrd, vmlinuz = root + ".disk", root + ".initrd", root + ".vmlinuz"
    shutil.copy(kernel, vmlinuz)
    with open(initrd, "wb") as file:
        file.write(first_file_system(root))
    make_disk(root, disk)
    prepared = time.monotonic()
    said, how = boot(vmlinuz, initrd, disk, root + ".log")
    judge(said, how)
    print(f"made ready in {prepared - started:.0f} s, the machine ran for {time.monotonic() - prepared:.0f} s", flush=True)
    build.remove()
    shutil.rmtree(root)
    for file in (disk, initrd, vmlinuz):
        os.unlink(file)


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot", "qemu-system-aarch64", "mke2fs", "dpkg-deb")
    tree.main(the_sandbox_meets_a_kernel_of_arm64)
