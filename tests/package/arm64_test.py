"""The package for arm64: cross-built in a clean tree, its unit tests and the demo under qemu."""
import os
import shutil

import tree

PARTS = ("CMakeLists.txt", "CMakePresets.json", "CHANGELOG.md", "cmake", "src", "man", "deploy", "scripts", "tests")

# It starts itself once more, which the kernel can only do where qemu is registered with it.
NOT_UNDER_QEMU = "unit.base_secret_test"


def cross_builds_and_passes():
    place = tree.Tree("arm64")
    os.mkdir(place.path("/source"))
    for part in PARTS:
        tree.sh(["cp", "-R", os.path.join(tree.ROOT, part), place.path("/source/")])
    inside = ["env", "SOURCE_DATE_EPOCH=1790000000", "sh", "-ec"]
    place.run(*inside, "/source/scripts/install-packages cross-arm64 && apt-get install -q -y --no-install-recommends "
              "qemu-user-static dpkg-dev file libcmocka-dev:arm64 libcmocka0:arm64")
    print(place.run(*inside, "cd /source && scripts/package arm64 /out").strip(), flush=True)
    shutil.copy(place.path("/out/volume-uploader_0.1.0-1_arm64.deb"), os.path.join(tree.WORK, "arm64.deb"))
    # A minimal tree has no names of its own; one test wants localhost.
    with open(place.path("/etc/hosts"), "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n::1 localhost\n")
    place.run(*inside, "cd /source && cmake --preset dev -B /test -DCMAKE_TOOLCHAIN_FILE=cmake/debian-arm64.cmake "
              "-DCMAKE_CROSSCOMPILING_EMULATOR=/usr/bin/qemu-aarch64-static && cmake --build /test")
    out = place.run(*inside, "cd /test && ctest -L 'unit|property|golden|fuzz' -E "
                    f"'{NOT_UNDER_QEMU}' --timeout 600 --output-on-failure -j 2", seconds=3000)
    print("\n".join(out.splitlines()[-12:]), flush=True)
    print(place.run("/usr/bin/qemu-aarch64-static", "/test/volume-uploader", "demo", "--seconds", "14", "--rate", "1000",
                    seconds=300).splitlines()[-1], flush=True)
    place.remove()


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot")
    tree.main(cross_builds_and_passes)
