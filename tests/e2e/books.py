"""Reading the books: which commands stand in the documents and in the examples of the manual pages."""
import glob
import os
import re

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
# Words a command line begins with: such a line belongs into a block that says `sh`, where it is run.
COMMAND = re.compile(r"^\s*(\$ |(volume-uploader (?=run|setup|check|demo|simulate|emulate|inspect|top|help)|make|sudo|systemctl|journalctl|kelvin|curl|export|cd|docker|ctest|promtool"
                     r"|scripts/\S+|apt-get|pip) ?\S*)")


def documents():
    """README.md first, as a newcomer reads."""
    names = ["README.md", "docs/databricks.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md"]
    names += glob.glob("docs/**/*.md", root_dir=ROOT, recursive=True) + glob.glob("deploy/**/*.md", root_dir=ROOT, recursive=True)
    names += glob.glob("man/*.1", root_dir=ROOT)
    return list(dict.fromkeys(names))


def text_of(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def blocks(name):
    """[(language, heading above it, [line])] of the fenced blocks; of a manual page those that keep their lines."""
    if name.endswith(".1"):
        found = re.findall(r"^\.nf\n(.*?)^\.fi$", text_of(name), re.M | re.S)
        plain = [text.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\").split("\n") for text in found]
        return [("man", "", [line for line in lines if COMMAND.match(line)]) for lines in plain]
    out, heading, language, lines = [], "", None, []
    for line in text_of(name).split("\n"):
        if fence := re.match(r" *```(\w*)$", line):
            if language is None:
                language, lines = fence[1], []
            else:
                out.append((language, heading, lines))
                language = None
        elif language is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line
    return out


def commands_in(lines):
    """The command lines of a block: continued ones joined, comments cut off."""
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [re.sub(r"(^|\s+)#( .*)?$", "", line).strip() for line in text.split("\n")]
    return [line for line in found if line]


def commands(name):
    """[(heading above it, command)] in the order in which a reader meets them."""
    return [(heading, command) for language, heading, lines in blocks(name) if language in ("sh", "man")
            for command in commands_in(lines)]


def inline(name):
    """What stands between back-ticks in the running text."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text_of(name), flags=re.M | re.S))
