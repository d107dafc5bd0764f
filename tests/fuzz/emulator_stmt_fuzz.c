/* Any bytes as a script: cut, parsed, and what was understood must hang together. */
#include <stdlib.h>

#include "emulator/stmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span script = {(const char *)data, size}, one;

    while (stmt_next(&script, &one)) {
        char full[3 * STMT_NAME_MAX];
        struct err err = {0};
        struct stmt stmt;

        if (!stmt_parse(one, &stmt, &err)) {
            if (err.kind != ERR_INPUT || !err.text[0])
                abort();
            continue;
        }
        if (stmt.name.count > 3 || stmt.column_count > STMT_COLUMNS_MAX ||
            stmt.pair_count > STMT_PAIRS_MAX || (stmt.kind == STMT_COPY_INTO && !stmt.text))
            abort();
        if (stmt.name.count && !stmt_full_name(&stmt.name, "", "", full))
            abort();
        stmt_done(&stmt);
    }
    return 0;
}
