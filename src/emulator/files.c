/* The Files API, files: databricks-api.md 2.2, 2.3. */
#include "emulator/httpdate.h"
#include "emulator/request.h"
#include "emulator/rights.h"

#include <stdio.h>

/* Credentials were good. What can be said before the body is said then, so that a client that
 * waits for "100 Continue" need not send it. */
void serve_file_put_check(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};
    bool overwrite;

    if (!request_target(req) || !request_query_bool(req, "overwrite", true, &overwrite))
        return;
    if (!rights_allow_target(req, true))
        return;
    if (req->target.directory || req->target.count <= PATH_VOLUME_PARTS) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "The path must name a file.");
        return;
    }
    answer = store_volume(req->emu->store, &req->target, true, &err);
    if (answer != STORE_OK)
        reply_store(req, answer, "file", &err);
}

void serve_file_put(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};
    bool overwrite = true;

    if (!request_query_bool(req, "overwrite", true, &overwrite))
        return;
    if (!file_close(req->upload_fd, req->upload, &err)) {
        req->upload_fd = -1;
        reply_store(req, STORE_FAILED, "file", &err);
        return;
    }
    req->upload_fd = -1;
    answer = store_publish(req->emu->store, &req->target, req->upload, overwrite, &err);
    req->upload[0] = '\0'; /* published or discarded */
    if (answer == STORE_OK) {
        atomic_fetch_add(&req->emu->count.uploads, 1);
        atomic_fetch_add(&req->emu->count.upload_bytes, req->received);
    } else if (answer == STORE_EXISTS) {
        atomic_fetch_add(&req->emu->count.conflicts, 1);
    }
    reply_store(req, answer, "file", &err);
}

/* Makes the file the answer's body; false: answered already. */
static bool open_target(struct request *req, struct file_info *info)
{
    enum store_answer answer;
    struct err err = {0};
    char date[HTTPDATE_SIZE];
    int fd = -1;

    if (!request_target(req) || !rights_allow_target(req, false))
        return false;
    answer = req->target.directory ? STORE_MISSING
                                   : store_read(req->emu->store, &req->target, &fd, info, &err);
    if (answer != STORE_OK) {
        reply_store(req, answer, "file", &err);
        return false;
    }
    reply_status(req, 200);
    req->reply.type = "application/octet-stream";
    req->reply.file_fd = fd;
    req->reply.length = info->bytes;
    reply_header(req, "Last-Modified", httpdate_text(date, info->modified_us / 1000000));
    return true;
}

void serve_file_head(struct request *req)
{
    struct file_info info;

    if (!open_target(req, &info) || !req->fault || !req->fault->head_delta)
        return;
    if (req->fault->head_delta < 0 && info.bytes < (uint64_t)-req->fault->head_delta)
        req->reply.length = 0;
    else
        req->reply.length = info.bytes + (uint64_t)req->fault->head_delta;
}

/* One range "a-b", "a-" or "-n" (RFC 7233 2.1). False: not one we know, so it is ignored.
 * *ret_first > *ret_last: nothing of it exists. */
static bool parse_range(const char *header, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_last)
{
    struct span text, from, to;
    const char *dash;
    uint64_t first, last;

    if (!header || strncmp(header, "bytes=", 6) != 0)
        return false;
    text = span_of(header + 6);
    dash = memchr(text.data, '-', text.len);
    if (!dash)
        return false;
    from = (struct span){text.data, (size_t)(dash - text.data)};
    to = (struct span){dash + 1, text.len - from.len - 1};
    if (from.len == 0) {
        if (!str_u64(to, &last))
            return false;
        *ret_first = last < bytes ? bytes - last : 0;
        *ret_last = bytes - 1;
        if (last == 0 || bytes == 0) {
            *ret_first = 1;
            *ret_last = 0;
        }
        return true;
    }
    last = UINT64_MAX;
    if (!str_u64(from, &first) || (to.len && !str_u64(to, &last)) || last < first)
        return false;
    if (first >= bytes) {
        *ret_first = 1;
        *ret_last = 0;
        return true;
    }
    *ret_first = first;
    *ret_last = last < bytes ? last : bytes - 1;
    return true;
}

static void refuse_range(struct request *req, uint64_t bytes)
{
    char text[48];

    reply_error(req, 416, "INVALID_PARAMETER_VALUE", NULL, "The range is outside of the file.");
    (void)snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)bytes);
    reply_header(req, "Content-Range", text);
}

void serve_file_get(struct request *req)
{
    const char *condition = request_header(req, "If-Unmodified-Since");
    uint64_t first = 0, last = 0;
    struct file_info info;
    int64_t since;
    char text[96];

    if (!open_target(req, &info))
        return;
    if (condition && httpdate_parse(span_of(condition), &since) &&
        info.modified_us / 1000000 > since) {
        reply_error(req, 412, "FAILED_PRECONDITION", NULL, "The file was modified since.");
        return;
    }
    reply_header(req, "Accept-Ranges", "bytes");
    if (parse_range(request_header(req, "Range"), info.bytes, &first, &last)) {
        if (first > last) {
            refuse_range(req, info.bytes);
            return;
        }
        req->reply.status = 206;
        req->reply.offset = first;
        req->reply.length = last - first + 1;
        (void)snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)first,
            (unsigned long long)last, (unsigned long long)info.bytes);
        reply_header(req, "Content-Range", text);
    }
    atomic_fetch_add(&req->emu->count.downloads, 1);
    atomic_fetch_add(&req->emu->count.download_bytes, req->reply.length);
}

void serve_file_delete(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};

    if (!request_target(req) || !rights_allow_target(req, true))
        return;
    answer =
        req->target.directory ? STORE_MISSING : store_remove(req->emu->store, &req->target, &err);
    if (answer == STORE_OK)
        atomic_fetch_add(&req->emu->count.deletes, 1);
    reply_store(req, answer, "file", &err);
}
