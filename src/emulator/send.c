/* From struct reply to an answer of libmicrohttpd. */
#include "emulator/server.h"

#include <errno.h>
#include <stdlib.h>

#define BLOCK_BYTES 65536U

/* Where the body of an answer comes from; owned by the answer. */
struct source {
    int fd; /* or -1: data */
    uint64_t offset;
    uint64_t cut; /* the connection ends here; UINT64_MAX: never */
    struct buf data;
};

static ssize_t source_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct source *source = cls;
    struct err err = {0};
    size_t n = 0;

    if (pos >= source->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (max > source->cut - pos)
        max = (size_t)(source->cut - pos);
    if (source->fd >= 0) {
        if (!file_read_at(source->fd, source->offset + pos, out, max, &n, &err) || n == 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        return (ssize_t)n;
    }
    if (pos >= source->data.len)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = source->data.len - (size_t)pos;
    n = n < max ? n : max;
    memcpy(out, source->data.data + pos, n);
    return (ssize_t)n;
}

static void source_free(void *cls)
{
    struct source *source = cls;

    file_drop(source->fd);
    buf_done(&source->data);
    free(source);
}

/* "inside the body" of an answer: only when the request had none to cut. */
static bool cuts_answer(const struct request *req)
{
    return req->fault && req->fault->cut == FAULT_CUT_INSIDE && req->received == 0;
}

static struct MHD_Response *make_response(struct request *req, uint64_t length)
{
    struct reply *reply = &req->reply;
    struct MHD_Response *response;
    struct source *source = calloc(1, sizeof(*source));

    if (!source)
        return NULL;
    source->fd = reply->file_fd;
    source->offset = reply->offset;
    source->data = reply->body;
    source->cut = UINT64_MAX;
    reply->file_fd = -1;
    reply->body = (struct buf){0};
    if (cuts_answer(req))
        source->cut = req->fault->cut_bytes == FAULT_CUT_HALF ? length / 2 : req->fault->cut_bytes;
    response =
        MHD_create_response_from_callback(length, BLOCK_BYTES, source_read, source, source_free);
    if (!response)
        source_free(source);
    return response;
}

static void add_headers(const struct request *req, struct MHD_Response *response)
{
    const struct reply *reply = &req->reply;

    if (reply->type)
        (void)MHD_add_response_header(response, "Content-Type", reply->type);
    for (int i = 0; i < reply->header_count; i++)
        (void)MHD_add_response_header(response, reply->header[i].name, reply->header[i].value);
    for (int i = 0; req->fault && i < req->fault->header_count; i++) {
        const char *name = req->fault->header[i];
        const char *value = name + strlen(name) + 1;

        value += strspn(value, " \t");
        (void)MHD_add_response_header(response, name, value);
    }
}

enum MHD_Result send_reply(struct request *req)
{
    struct reply *reply = &req->reply;
    bool head = strcmp(req->method, "HEAD") == 0;
    struct MHD_Response *response;
    enum MHD_Result result;
    uint64_t length;

    if (reply->body.failed)
        return MHD_NO; /* out of memory: better no answer than half of one */
    /* Errors answer a HEAD without a body and without its length. */
    if (reply->status == 204 || (head && reply->file_fd < 0))
        buf_reset(&reply->body);
    length = reply->file_fd >= 0 ? reply->length : reply->body.len;
    if (cuts_answer(req) && (length == 0 || head))
        return MHD_NO;
    response = make_response(req, length);
    if (!response)
        return MHD_NO;
    add_headers(req, response);
    req->sent_status = reply->status;
    req->sent_bytes = head ? 0 : length;
    result = MHD_queue_response(req->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}
