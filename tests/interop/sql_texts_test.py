"""The SQL that goes into a workspace, read by somebody else's parser of Databricks' dialect."""
import logging
import os
import sys

try:
    import sqlglot
    from sqlglot import exp
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/ingestion")
COLUMNS = [("timestamp", "TIMESTAMPNTZ"), ("asset", "TEXT"), ("datastream", "TEXT"), ("payload", "DOUBLE")]
ODD_TABLE = ["ma`in", "Röh", "ev\"ent's"]


def statements(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as text:
        return [s for s in sqlglot.parse(text.read(), read="databricks") if s is not None]


def parts(table):
    return [part.this for part in table.parts]


def expect(have, want, what):
    if have != want:
        sys.exit(f"{what}: {have!r}, not {want!r}")


def check_copy_into():
    found = statements("copy_into.sql")
    expect(len(found), 2, "statements")
    expect(found[0].sql("databricks").endswith("SET TIME ZONE 'UTC'"), True, "the first one")
    copy = found[1]
    expect(type(copy), exp.Copy, "the second one")
    expect(parts(copy.this), ODD_TABLE, "the table")
    select = copy.args["files"][0].this
    casts = [(e.alias, e.this.this.name, e.this.to.this.name) for e in select.expressions]
    expect([(alias, kind) for alias, _, kind in casts], COLUMNS, "the casts")
    expect([column for _, column, _ in casts], [name for name, _ in COLUMNS], "the columns of the file")
    source = select.args.get("from_") or select.args["from"]
    expect(source.find(exp.Literal, exp.Identifier).name, "/Volumes/ma`in/it's/Länd/data/", "the folder")
    expect("FILEFORMAT = PARQUET" in copy.sql("databricks").upper().replace("FILE_FORMAT", "FILEFORMAT"), True, "the format")


def check_create(name, table):
    creates = [s for s in statements(name) if isinstance(s, exp.Create) and s.kind == "TABLE"]
    expect(len(creates), 1, "tables created")
    expect(parts(creates[0].this.this), table, "the table")
    expect(creates[0].args["exists"], True, "IF NOT EXISTS")
    columns = [(c.name, c.args["kind"].this.name) for c in creates[0].this.expressions]
    expect(columns, COLUMNS, "the columns")
    expect("USING DELTA" in creates[0].sql("databricks"), True, "the format")


def check_grants(name, principal):
    grants = [s for s in statements(name) if isinstance(s, exp.Grant)]
    if len(grants) < 2:  # the parser knows tables and schemas; catalogs and volumes are beyond it
        sys.exit(f"{name}: {len(grants)} grants were understood")
    for grant in grants:
        expect(grant.args["principals"][0].this.name, principal, "the principal")


logging.disable(logging.WARNING)  # "unsupported syntax" of volumes and catalogs
check_copy_into()
check_create("auto_loader.sql", ["main", "raw", "events"])
check_create("odd_setup.sql", ODD_TABLE)
check_grants("odd_setup.sql", "o'ne `two`")
print(f"sqlglot {sqlglot.__version__}: COPY INTO, CREATE TABLE and GRANT say what we mean")
