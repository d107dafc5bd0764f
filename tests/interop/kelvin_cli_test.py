"""The `kelvin` commands of the books, given to the parser of Kelvin's own command line. Nothing is executed."""
import importlib.metadata
import shlex
import sys

import books

try:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="kelvin")
    import click

    kelvin = entry.load()
except (ImportError, ValueError) as missing:
    print(f"the Kelvin command line is not there: {missing}")
    sys.exit(77)


def parse(words):
    """Walks down the groups to the command and has it read its arguments; click raises where it would complain."""
    command, path = kelvin, ["kelvin"]
    context = None
    while isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1], parent=context)
        name, words = words[0], words[1:]
        command = command.get_command(context, name)
        if command is None:
            raise click.UsageError(f"{' '.join(path)} has no {name}")
        path.append(name)
    return command.make_context(path[-1], words, parent=context)


def main():
    found = {command for name in books.documents() for _, command in books.commands(name) if command.startswith("kelvin ")}
    for command in sorted(found):
        # What stands in <> is the reader's own word.
        words = shlex.split(command.replace("<your platform's URL>", "example.kelvin.ai"))[1:]
        try:
            parse(words)
        except click.ClickException as wrong:
            sys.exit(f"{command}: {wrong.format_message()}")
        print(f"understood: {command}")
    for wrong in (["secret", "create", "a", "--valu", "b"], ["app", "uplaod"]):
        try:
            parse(wrong)
            sys.exit(f"the parser takes everything: {wrong}")
        except click.ClickException:
            pass
    if len(found) < 5:
        sys.exit(f"only {sorted(found)} found in the books")


main()
