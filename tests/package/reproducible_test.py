"""The same source gives the same package, byte for byte, from two directories."""
import hashlib
import os
import subprocess
import tempfile

import tree


def build(source, name):
    with tempfile.TemporaryDirectory(prefix=name) as directory:
        copy = os.path.join(directory, "source")
        os.mkdir(copy)
        for part in ("CMakeLists.txt", "CMakePresets.json", "CHANGELOG.md", "cmake", "src", "man", "deploy", "scripts"):
            tree.sh(["cp", "-R", os.path.join(source, part), copy])
        # Times of the files are those of the copy, as after a fresh clone.
        tree.sh([os.path.join(copy, "scripts/package"), "amd64", os.path.join(directory, "out")], timeout=900,
                env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"})
        (package,) = [file for file in os.listdir(os.path.join(directory, "out")) if file.endswith(".deb")]
        with open(os.path.join(directory, "out", package), "rb") as file:
            return package, file.read()


def two_directories_one_package():
    first_name, first = build(tree.ROOT, "one.")
    second_name, second = build(tree.ROOT, "another-one-with-a-longer-name.")
    if first_name != second_name or first != second:
        tree.fail(f"{first_name}: {len(first)} and {len(second)} bytes, and they differ")
    print(f"{first_name}: {len(first)} bytes, sha256 {hashlib.sha256(first).hexdigest()}", flush=True)


if __name__ == "__main__":
    if subprocess.run(["dpkg", "--print-architecture"], capture_output=True, check=False, text=True).stdout != "amd64\n":
        tree.skip("not an amd64 Debian")
    tree.main(two_directories_one_package)
