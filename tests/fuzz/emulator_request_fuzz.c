/* What a client can write that we take apart ourselves: paths, queries, fault rules, dates.
 *
 * The first byte chooses; the rest is the text. */
#include <assert.h>
#include <stdlib.h>

#include "emulator/faults.h"
#include "emulator/httpdate.h"
#include "emulator/path.h"
#include "emulator/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted is a safe path: no part could lead out of the directory it is used in. */
static void check_path(struct span raw)
{
    struct path *path = calloc(1, sizeof(*path));
    const char *why = NULL;

    if (!path)
        return;
    if (path_decode_volume(raw, path, &why)) {
        assert(path->count >= PATH_VOLUME_PARTS && path->count <= PATH_PARTS_MAX);
        for (size_t i = 0; i < path->count; i++) {
            size_t len = strlen(path->part[i]);

            assert(len > 0 && len <= 255 && !strchr(path->part[i], '/'));
            assert(strcmp(path->part[i], ".") != 0 && strcmp(path->part[i], "..") != 0);
            assert(str_utf8_valid(path->part[i], len));
        }
    } else {
        assert(why);
    }
    (void)route_find("GET", raw);
    (void)route_find("PUT", raw);
    free(path);
}

static void check_query(struct span raw)
{
    struct buf out;
    bool found, ok;

    buf_init(&out, 256);
    ok = path_query(raw, "page_token", &out, &found);
    assert(ok || found);
    ok = path_query(raw, "overwrite", &out, &found);
    assert(ok || found);
    assert(out.len <= 256);
    buf_done(&out);
}

static void check_rules(struct span raw)
{
    struct fault_action *act = calloc(1, sizeof(*act));
    struct err err = {0};
    struct faults *faults = faults_new(&err);
    struct json_out json;
    struct buf out;

    if (act && faults && faults_add(faults, raw, &err)) {
        buf_init(&out, 1 << 20);
        json_init(&json, &out);
        if (faults_hit(faults, "PUT", "/api/2.0/fs/files/x", act))
            assert(act->header_count <= FAULT_HEADERS_MAX && memchr(act->rule, 0, FAULT_RULE_MAX));
        faults_print(faults, &json);
        buf_done(&out);
    }
    faults_free(faults);
    free(act);
}

static void check_date(struct span raw)
{
    char text[HTTPDATE_SIZE];
    int64_t seconds;

    if (httpdate_parse(raw, &seconds))
        (void)httpdate_text(text, seconds);
}

/* The pattern and the text, divided by the first NUL. */
static void check_glob(struct span raw)
{
    const char *nul = raw.len ? memchr(raw.data, '\0', raw.len) : NULL;

    if (nul && raw.len < 4096)
        (void)path_glob((struct span){raw.data, (size_t)(nul - raw.data)},
            (struct span){nul + 1, raw.len - (size_t)(nul - raw.data) - 1});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span raw;

    if (size == 0)
        return 0;
    raw = (struct span){(const char *)data + 1, size - 1};
    switch (data[0] % 5) {
    case 0:
        check_path(raw);
        break;
    case 1:
        check_query(raw);
        break;
    case 2:
        check_rules(raw);
        break;
    case 3:
        check_date(raw);
        break;
    case 4:
        check_glob(raw);
        break;
    }
    return 0;
}
