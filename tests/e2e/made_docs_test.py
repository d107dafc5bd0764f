"""Manual pages, completions and docs/settings.md say what the program says."""
import importlib.machinery
import importlib.util
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import plant

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def load():
    loader = importlib.machinery.SourceFileLoader("make_docs", os.path.join(ROOT, "scripts/make-docs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_docs", loader))
    loader.exec_module(module)
    return module


def help_of(command):
    return subprocess.run([plant.PROGRAM, command, "--help"], capture_output=True, check=True, text=True).stdout


def what_is_committed_is_fresh(place):
    del place
    make_docs = load()
    made = make_docs.made(plant.PROGRAM)
    stale = []
    for path, text in made.items():
        try:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                same = file.read() == text
        except FileNotFoundError:
            same = False
        if not same:
            stale.append(path)
    extra = {f"man/{name}" for name in os.listdir(os.path.join(ROOT, "man"))} - set(made)
    if stale or extra:
        plant.fail(f"stale: {stale}, of no command: {sorted(extra)}; run scripts/make-docs {plant.PROGRAM}")


def every_option_stands_in_its_page(place):
    """Not by the generator's own reading of the help, but by every --word in it."""
    del place
    for command, _ in load().commands_of(plant.PROGRAM):
        with open(os.path.join(ROOT, f"man/volume-uploader-{command}.1"), encoding="utf-8") as file:
            page = file.read().replace("\\-", "-")
        flags = set(re.findall(r"^ +(--[a-z][a-z0-9-]*)", help_of(command), re.M))
        missing = [flag for flag in flags if f"\\fB{flag}" not in page]
        variables = set(re.findall(r"\b((?:DATABRICKS|KELVIN|VOLUME_UPLOADER)_[A-Z_]+)\b", help_of(command)))
        missing += [name for name in variables if name not in page]
        if missing or not flags:
            plant.fail(f"volume-uploader-{command}(1) lacks {missing}")
        with open(os.path.join(ROOT, "deploy/completion/volume-uploader.bash"), encoding="utf-8") as file:
            bash = re.search(rf'^    {command}\)\n        flags="(.*)"', file.read(), re.M)[1].split()
        if sorted(bash) != sorted(flags):
            plant.fail(f"bash completes {sorted(set(bash) ^ flags)} of {command} wrongly")


def pages_are_sound(place):
    del place
    if not shutil.which("mandoc"):
        print("skipped: no mandoc", flush=True)
        return
    for name in sorted(os.listdir(os.path.join(ROOT, "man"))):
        out = subprocess.run(["mandoc", "-Tlint", "-W", "warning", os.path.join(ROOT, "man", name)],
                             capture_output=True, check=False, text=True).stdout
        wrong = [line for line in out.splitlines() if "missing date" not in line]
        if wrong:
            plant.fail("\n".join(wrong))


def zsh_completes(folder, typed, wanted):
    """Only a zsh with a terminal completes: it is given one, and the Tab key."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "PS1": "> "})
    seen = b""

    def until(text):
        nonlocal seen
        end = time.monotonic() + 30 * plant.PATIENCE
        while text not in seen:
            if time.monotonic() > end:
                plant.fail(f"zsh completes '{typed}' to {seen[-200:]!r}, no '{wanted}'")
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536)

    try:
        # The parts in quotes: what is typed is shown, too.
        os.write(terminal, f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; echo COM''PLETE\n".encode())
        until(b"COMPLETE")
        seen = b""
        os.write(terminal, f"volume-uploader {typed}\t".encode())
        until(wanted.encode())
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def shells_complete(place):
    """What a person gets who presses Tab."""
    del place
    cases = [("ru", "run"), ("run --compr", "--compression"), ("run --compression s", "snappy"),
             ("run --job-trigger p", "periodic"), ("help sett", "settings"), ("run --state-dir /et", "/etc")]
    script = ['. "$1"', 'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _volume_uploader; echo "${COMPREPLY[*]}"; }']
    script += [f"try volume-uploader {typed}" for typed, _ in cases]
    folder = os.path.join(ROOT, "deploy/completion")
    out = subprocess.run(["bash", "-c", "\n".join(script), "bash", os.path.join(folder, "volume-uploader.bash")],
                         capture_output=True, check=True, text=True).stdout.splitlines()
    for (typed, wanted), got in zip(cases, out, strict=True):
        if got != wanted:
            plant.fail(f"bash completes '{typed}' to '{got}', not '{wanted}'")
    if shutil.which("zsh"):
        for typed, wanted in cases[:5]:
            zsh_completes(folder, typed.replace("--compression ", "--compression=").replace("--job-trigger ", "--job-trigger="), wanted)
    if shutil.which("fish"):
        for typed, wanted in cases[:5]:
            got = subprocess.run(["fish", "--no-config", "-c", f'source "{folder}/volume-uploader.fish"; '
                                  f'complete -C "volume-uploader {typed}"'], capture_output=True, check=True,
                                 text=True).stdout
            if wanted not in [line.split("\t")[0] for line in got.splitlines()]:
                plant.fail(f"fish completes '{typed}' to {got!r}")
    ran = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]
    print(f"tried in {', '.join(ran)}", flush=True)


if __name__ == "__main__":
    plant.main(what_is_committed_is_fresh, every_option_stands_in_its_page, pages_are_sound, shells_complete)
