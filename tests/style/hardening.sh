#!/bin/sh
# The release program has what a release is hardened with. Looks at $HARDENED, or at the release that is there;
# skipped without one, because only releases have these flags.
set -eu
program=${HARDENED:-build/release/volume-uploader}
if [ ! -x "$program" ] || ! command -v readelf >/dev/null; then
    echo "skipped: no $program, or no readelf"
    exit 0
fi
status=0
wants() { # what, a command's output, a pattern that must be there
    if ! printf '%s\n' "$2" | grep -qE "$3"; then
        echo "$program: no $1"
        status=1
    fi
}
header=$(readelf -hW "$program")
segments=$(readelf -lW "$program")
dynamic=$(readelf -dW "$program")
symbols=$(readelf --dyn-syms -W "$program")
wants "position independent program" "$header" 'Type: +DYN'
wants "position independent program" "$dynamic" 'FLAGS_1.* PIE'
wants "read-only relocations" "$segments" 'GNU_RELRO'
wants "binding at the start" "$dynamic" 'BIND_NOW|FLAGS_1.* NOW'
wants "stack that cannot run" "$segments" 'GNU_STACK +[^E]* RW +0x'
wants "stack protector" "$symbols" '__stack_chk_fail'
wants "checked calls (fortify)" "$symbols" '__(memcpy|snprintf|vsnprintf|fprintf|read|printf)_chk'
# Functions that may be jumped to say so. The property note says nothing: Debian's start-up code lacks it.
case $header in
*X86-64*) marks=endbr64 ;;
*AArch64*) marks='paciasp|bti' ;;
*) marks= ;;
esac
if [ -n "$marks" ] && code=$(objdump -d --no-show-raw-insn "$program" 2>/dev/null); then
    count=$(printf '%s\n' "$code" | grep -cE "[[:space:]]($marks)" || true)
    if [ "$count" -lt 100 ]; then # start-up code alone has a few
        echo "$program: only $count places with $marks: no control-flow protection"
        status=1
    fi
fi
if printf '%s\n' "$segments" | grep -E '^ +LOAD' | grep -q 'RWE'; then
    echo "$program: a segment is both writable and runnable"
    status=1
fi
if printf '%s\n' "$dynamic" | grep -qE 'RPATH|RUNPATH|TEXTREL'; then
    echo "$program: a library path or text relocations inside"
    status=1
fi
exit $status
