"""The package for arm64: cross-built in a clean tree, its unit and end-to-end tests and the demo under qemu."""
import os
import re
import shutil

import tree

PARTS = ("CMakeLists.txt", "CMakePresets.json", "Makefile", "LICENSE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
         "SECURITY.md", "layers.txt", "cmake", "src", "man", "deploy", "docs", "scripts", "tests")

# What qemu-user cannot show, however right the program is.
NOT_UNDER_QEMU = {
    "unit.base_secret_test": "reads /proc/self/environ, which is that of qemu; arm64_kernel_test.py runs it",
}
TOOLS = "qemu-user-static dpkg-dev file libcmocka-dev:arm64 libcmocka0:arm64 python3 make openssl curl ca-certificates"


def without(kinds):
    names = [name for name in NOT_UNDER_QEMU if name.split(".")[0] in kinds]
    for name in names:
        print(f"  left out: {name}: {NOT_UNDER_QEMU[name]}", flush=True)
    return f"-E '^({'|'.join(names)})$'" if names else ""


def tests(place, kinds, seconds):
    """By ctest, with a kernel that starts arm64 programs itself; the last lines say how many passed."""
    code, out = place.run_as_arm64("sh", "-ec", f"cd /test && PATIENCE=5 ctest -L '{'|'.join(kinds)}' {without(kinds)} --timeout 1800 "
                                   "--output-on-failure -j 2", seconds=seconds)
    print("\n".join(line for line in out.splitlines() if re.search(r"tests passed|Failed|Timeout|\*\*\*|Total Test", line)), flush=True)
    if code != 0:
        tree.fail(out[-6000:])


def in_source(place, words, seconds=3000):
    """A shell's words, in the source inside; the same time in every build."""
    return place.run("env", "SOURCE_DATE_EPOCH=1790000000", "sh", "-ec", "cd /source && " + words, seconds=seconds)


def tree_with_source(name, tools):
    """A clean tree with our source, the cross compiler and these packages."""
    place = tree.Tree(name)
    os.mkdir(place.path("/source"))
    for part in PARTS:
        tree.sh(["cp", "-R", os.path.join(tree.ROOT, part), place.path("/source/")])
    in_source(place, "scripts/install-packages cross-arm64 && "
              f"apt-get install -q -y --no-install-recommends python3 {tools}")
    return place


def package_in(place):
    """Made inside, and kept as arm64.deb."""
    out = in_source(place, "scripts/package arm64 /out").strip()
    shutil.copy(place.path("/out/volume-uploader_0.1.0-1_arm64.deb"), os.path.join(tree.WORK, "arm64.deb"))
    return out


def cross_builds_and_passes():
    place = tree_with_source("arm64", TOOLS)
    print(package_in(place), flush=True)
    # A minimal tree has no names of its own; one test wants localhost.
    with open(place.path("/etc/hosts"), "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n::1 localhost\n")
    in_source(place, "cmake --preset dev -B /test -DCMAKE_TOOLCHAIN_FILE=cmake/debian-arm64.cmake && cmake --build /test")
    tests(place, ("unit", "property", "golden", "fuzz"), 4000)
    tests(place, ("e2e",), 7200)
    code, out = place.run_as_arm64("/test/volume-uploader", "demo", "--seconds", "14", "--rate", "1000", seconds=600)
    print(out.splitlines()[-1], flush=True)
    if code != 0:
        tree.fail(out)
    place.remove()


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot", "unshare")
    tree.main(cross_builds_and_passes)
