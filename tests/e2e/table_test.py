"""Every reading reaches the Delta table once, also when the workspace is killed again and again."""
import random

from plant import BASE_US, Verdict, fail, main, rows_of, seed
from table_rig import LOADERS, fill, log_actions, table_files


class TableVerdict(Verdict):
    """The same questions, asked of the table's files."""

    def __init__(self, place):
        super().__init__(place, read=lambda path: [])  # the volume's names, for their ranges
        self.files = table_files(place)
        for path in self.files:
            for timestamp_us, *rest in rows_of(path):
                self.row(timestamp_us - BASE_US, *rest)


def judge(place, loader, kills):
    sent = fill(place, LOADERS[loader], 8, kills)
    TableVerdict(place).check(range(sent), sent)
    actions = list(log_actions(place))
    sources = [value["tags"]["source"] for _, kind, value in actions if kind == "add"]
    if len(set(sources)) != len(sources):
        fail("a path was loaded twice")
    print(f"{loader}: {actions[-1][0]} versions, {len(sources)} files")


def auto_loader_fills_the_table(place):
    judge(place, "auto loader", 0)


def auto_loader_survives_kills_of_the_workspace(place):
    judge(place, "auto loader", 5)


def copy_into_survives_kills_of_the_workspace(place):
    judge(place, "copy into", 5)


random.seed(seed())
main(auto_loader_fills_the_table, auto_loader_survives_kills_of_the_workspace,
     copy_into_survives_kills_of_the_workspace)
