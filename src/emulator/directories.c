/* The Files API, directories: databricks-api.md 2.4. */
#include "emulator/request.h"
#include "emulator/rights.h"

#include <stdlib.h>
#include <sys/stat.h>

#define PAGE_MAX 1000U

void directories_put(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};

    if (!request_target(req) || !rights_allow_target(req, true))
        return;
    answer = store_volume(req->emu->store, &req->target, true, &err);
    if (answer == STORE_OK)
        answer = store_make_dir(req->emu->store, &req->target, &err);
    reply_store(req, answer, "directory", &err);
}

void directories_head(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};
    int fd = -1;

    if (!request_target(req) || !rights_allow_target(req, false))
        return;
    answer = store_dir(req->emu->store, &req->target, &fd, &err);
    reply_store(req, answer, "directory", &err);
    if (answer == STORE_OK) {
        reply_status(req, 200);
        file_drop(fd);
    }
}

void directories_delete(struct request *req)
{
    enum store_answer answer;
    struct err err = {0};

    if (!request_target(req) || !rights_allow_target(req, true))
        return;
    answer = store_remove_dir(req->emu->store, &req->target, &err);
    if (answer == STORE_OK)
        atomic_fetch_add(&req->emu->count.deletes, 1);
    reply_store(req, answer, "directory", &err);
}

/* --- listing --- */

/* A page token is the last name of the page in hexadecimal: opaque to the client, and the next
 * page is right even when files come and go in between. */
static void print_token(struct json_out *json, const char *name)
{
    struct buf token;

    buf_init(&token, 1024);
    for (const char *p = name; *p; p++)
        buf_printf(&token, "%02x", (unsigned char)*p);
    reply_json_buf(json, "next_page_token", &token);
    buf_done(&token);
}

static bool parse_token(struct span token, struct buf *out)
{
    if (token.len % 2)
        return false;
    for (size_t i = 0; i < token.len; i += 2) {
        uint64_t byte;

        if (!str_hex_u64((struct span){token.data + i, 2}, 2, &byte) || byte == 0 ||
            !buf_add_byte(out, (uint8_t)byte))
            return false;
    }
    return true;
}

/* page_size and page_token; false: answered 400. */
static bool page_arguments(struct request *req, size_t *ret_size, struct buf *after)
{
    struct buf text;
    uint64_t size = PAGE_MAX;
    const char *why = NULL;
    bool found;

    buf_init(&text, 2048);
    if (!path_query(req->query, "page_size", &text, &found) ||
        (found && text.len && !str_u64((struct span){text.data, text.len}, &size)))
        why = "page_size is not a number.";
    buf_reset(&text);
    if (!why && (!path_query(req->query, "page_token", &text, &found) ||
                    !parse_token((struct span){text.data, text.len}, after)))
        why = "page_token is invalid.";
    buf_done(&text);
    if (why) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", why);
        return false;
    }
    *ret_size = size == 0 || size > PAGE_MAX ? PAGE_MAX : (size_t)size;
    return true;
}

/* False: it is gone by now, or not something the API knows. */
static bool print_entry(
    struct json_out *json, const struct path *dir, int fd, const char *name, bool first)
{
    struct file_info info;
    struct err err = {0};
    bool exists = false;
    struct buf path;

    if (!file_stat(fd, name, &exists, &info, &err) || !exists ||
        (!S_ISREG(info.mode) && !S_ISDIR(info.mode)))
        return false;
    if (first) {
        json_key(json, "contents");
        json_out_array(json);
    }
    buf_init(&path, 2 * PATH_BYTES_MAX);
    path_print(&path, dir);
    buf_add_byte(&path, '/');
    buf_add_text(&path, name);
    json_out_object(json);
    reply_json_buf(json, "path", &path);
    json_key_text(json, "name", name);
    json_key_bool(json, "is_directory", S_ISDIR(info.mode));
    if (S_ISREG(info.mode)) {
        json_key_uint(json, "file_size", info.bytes);
        json_key_int(json, "last_modified", info.modified_us / 1000);
    }
    json_out_object_end(json);
    buf_done(&path);
    return true;
}

static void print_page(
    struct request *req, int fd, const struct file_list *list, size_t page_size, const char *after)
{
    struct json_out json;
    size_t at = 0, done = 0;

    reply_json(req, 200, &json);
    json_out_object(&json);
    while (at < list->count && *after && strcmp(list->names[at], after) <= 0)
        at++;
    for (; at < list->count && done < page_size; at++)
        done += print_entry(&json, &req->target, fd, list->names[at], done == 0);
    if (done)
        json_out_array_end(&json);
    if (done && at < list->count)
        print_token(&json, list->names[at - 1]);
    json_out_object_end(&json);
}

void directories_get(struct request *req)
{
    struct file_list list = {0};
    enum store_answer answer;
    struct err err = {0};
    struct buf after;
    size_t page_size;
    int fd = -1;

    buf_init(&after, 512);
    if (!request_target(req) || !rights_allow_target(req, false) ||
        !page_arguments(req, &page_size, &after))
        goto out;
    answer = store_dir(req->emu->store, &req->target, &fd, &err);
    if (answer == STORE_OK && !file_list(fd, &list, &err))
        answer = STORE_FAILED;
    if (answer != STORE_OK)
        reply_store(req, answer, "directory", &err);
    else
        print_page(req, fd, &list, page_size, buf_text(&after));
out:
    file_list_done(&list);
    file_drop(fd);
    buf_done(&after);
}
