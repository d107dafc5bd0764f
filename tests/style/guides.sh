#!/bin/sh
# The troubleshooting guide knows every warning and error that is logged, quotes advice the program really gives,
# and the links in the guides lead somewhere.
set -eu
status=0
guide=docs/guides/troubleshooting.md
events=$(cat src/commands/*.c | tr '\n' ' ' |
    grep -oE 'LOG_(WARN|ERROR)\( *([a-z]+ \? )?"[a-z_]+"( : "[a-z_]+")?' | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
[ "$(echo "$events" | wc -l)" -ge 20 ] || {
    echo "guides: found only these events: $events"
    status=1
}
for event in $events; do
    grep -q "\`$event\`" $guide || {
        echo "$guide: nothing about '$event'"
        status=1
    }
done
# What stands between back-ticks in the second table is part of a message.
sed -n '/^## No files arrive/,/^| event /p' $guide | grep -oE '^\| `[^`]+`' | sed 's/^| `//; s/`$//' | while read -r text; do
    # A message may be broken over two lines of source.
    cat src/databricks/*.c | tr -d '\n' | sed 's/"  *"//g' | grep -qF "$text" || {
        echo "$guide: the program never says '$text'"
        exit 1
    }
done || status=1
for page in docs/guides/*.md SECURITY.md; do
    for link in $(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -v '^https\?:'); do
        [ -e "$(dirname "$page")/$link" ] || {
            echo "$page: no $link"
            status=1
        }
    done
done
exit $status
