"""at_once.py TOTAL PIECE JOBS COMMAND...: a long recipe in pieces, several at a time, as most of their time is sleep.

Each piece is COMMAND with {} replaced by the size of the piece, and a seed of its own in SEED (the first one from SEED,
else random). Says what each said, and, when one fails, the command that repeats it. A failure does not stop the rest.
"""
import concurrent.futures
import os
import random
import re
import shlex
import subprocess
import sys
import time

KEEP = "".join(f"{name}={shlex.quote(os.environ[name])} " for name in ("VOLUME_UPLOADER", "FILE_SYSTEMS") if name in os.environ)


def piece(size, seed, command):
    words = [word.replace("{}", str(size)) for word in command]
    done = subprocess.run(words, env=dict(os.environ, SEED=str(seed)), check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    return size, seed, words, done.returncode, done.stdout


def main():
    total, most, jobs = (int(word) for word in sys.argv[1:4])
    first = int(os.environ.get("SEED", random.SystemRandom().randrange(2**31)))
    sizes = [min(most, total - at) for at in range(0, total, most)]
    failed, sums, started = [], {}, time.monotonic()
    print(f"{total} in {len(sizes)} pieces, seeds {first} to {first + len(sizes) - 1}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        going = [pool.submit(piece, size, first + i, sys.argv[4:]) for i, size in enumerate(sizes)]
        for one in concurrent.futures.as_completed(going):
            size, seed, words, code, text = one.result()
            lines = text.strip().splitlines()
            if code != 0:
                failed.append(f"SEED={seed} {KEEP}{shlex.join(words)}")
                print(f"-- FAILED, seed {seed}:\n" + "\n".join(lines[-60:]), flush=True)
                continue
            said = [line for line in lines if not line.startswith(("SEED=", "ok "))]
            print(f"seed {seed}, {size}: " + "; ".join(said), flush=True)
            for number, what in re.findall(r"(\d+) (readings|rows|superseded|dropped)\b", " ".join(said)):
                sums[what] = sums.get(what, 0) + int(number)
            for number in re.findall(r"durable (\d+)", text):
                sums["durable"] = sums.get("durable", 0) + int(number)
    print(f"{total} in {len(sizes)} pieces, {len(failed)} failed, {time.monotonic() - started:.0f} s; "
          + ", ".join(f"{count} {what}" for what, count in sorted(sums.items())), flush=True)
    for command in failed:
        print(f"again: {command}")
    sys.exit(1 if failed else 0)


main()
