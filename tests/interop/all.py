"""Runs every interop test in a process of its own and says passed, failed or skipped, by name."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77  # the exit code of a test that lacks something; it prints what


def tests():
    for name in sorted(os.listdir(HERE)):
        if name.endswith("_test.py"):
            yield name[:-8]


def run(name):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([HERE, os.path.join(HERE, "../e2e")]))
    out = subprocess.run([sys.executable, os.path.join(HERE, name + "_test.py")], env=environment, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return out.returncode, out.stdout


def main():
    wanted = sys.argv[1:] or list(tests())
    passed, failed, skipped = [], [], []
    for name in wanted:
        code, text = run(name)
        sys.stdout.write("".join(f"  {line}\n" for line in text.splitlines()[-40:] if code != 0 or "WARN" not in line))
        if code == 0:
            passed.append(name)
        elif code == SKIPPED:
            skipped.append(name)
        else:
            failed.append(name)
        print(f"{name}: {'passed' if code == 0 else 'skipped' if code == SKIPPED else 'FAILED'}", flush=True)
    for name in skipped:
        print(f"skipped: {name}")
    for name in failed:
        print(f"failed: {name}")
    if skipped and os.environ.get("INTEROP") == "required":
        print("INTEROP=required: what is skipped has failed")
        failed += skipped
        skipped = []
    print(f"interop: {len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(1 if failed else 0)


main()
