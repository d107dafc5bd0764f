"""The shells themselves complete, and mandoc reads the pages: the end-to-end test, where it may leave none of them out."""
import os
import shutil
import subprocess
import sys

missing = [program for program in ("bash", "zsh", "fish", "mandoc") if not shutil.which(program)]
if missing:
    print(f"not there: {', '.join(missing)}")
    sys.exit(77)
test = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e/made_docs_test.py")
sys.exit(subprocess.run([sys.executable, "-B", test, "pages_are_sound", "shells_complete"], check=False).returncode)
