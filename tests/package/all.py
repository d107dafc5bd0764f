"""Runs every package test in a process of its own: package, image, cross-built package, same bytes twice."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77


def main():
    wanted = sys.argv[1:] or sorted(name[:-8] for name in os.listdir(HERE) if name.endswith("_test.py"))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([HERE, os.path.join(HERE, "../e2e")]))
    codes = {}
    for name in wanted:
        print(f"{name}:", flush=True)
        codes[name] = subprocess.run([sys.executable, "-B", os.path.join(HERE, name + "_test.py")], env=environment,
                                     check=False).returncode
    failed = [name for name, code in codes.items() if code not in (0, SKIPPED)]
    skipped = [name for name, code in codes.items() if code == SKIPPED]
    print(f"package-test: {len(codes) - len(failed) - len(skipped)} passed, {len(failed)} failed {failed}, "
          f"{len(skipped)} skipped {skipped}")
    sys.exit(1 if failed else 0)


main()
