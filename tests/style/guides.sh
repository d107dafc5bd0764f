#!/bin/sh
# The troubleshooting guide knows every warning and error that is logged, quotes advice the program really gives,
# and the links in all documents lead somewhere.
set -eu
status=0
guide=docs/guides/troubleshooting.md
# Wherever it is logged: `LOG_WARN("name"` or `LOG_ERROR(cond ? "name" : "other"`; base/log.h only defines them.
calls=$(cat src/*/*.c | tr '\n' ' ' | grep -oE '(LOG_WARN|LOG_ERROR|LOG_AT\([^,"]*LOG_LEVEL_(WARN|ERROR)[^,"]*,|log_event\(LOG_LEVEL_(WARN|ERROR),)[^;]{0,80}')
names=$(echo "$calls" | grep -oE '^[A-Za-z_]*\([^"]*("[a-z_]+"( : "[a-z_]+")?)?')
if echo "$names" | grep -v '"'; then
    echo "guides: these calls name no event"
    status=1
fi
events=$(echo "$names" | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
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
# And the other way round: an event that stands in the first column is one that the program still logs.
for event in $(grep -E '^\| `' $guide | grep -v '^| `error` contains' | cut -d'|' -f2 | grep -oE '`[a-z]+(_[a-z]+)*`' | tr -d '\`'); do
    echo "$events" | grep -qx "$event" || {
        echo "$guide: '$event' is no warning or error of the program"
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
for page in *.md docs/*.md docs/*/*.md deploy/*/*.md; do
    for link in $(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -v '^https\?:'); do
        [ -e "$(dirname "$page")/$link" ] || {
            echo "$page: no $link"
            status=1
        }
    done
done
exit $status
