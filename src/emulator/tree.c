#include "emulator/tree.h"

#include <stdio.h>

#include "emulator/auth.h"

bool tree_path(const char *given, char out[TREE_PATH_MAX])
{
    size_t len = 0;

    if (strcmp(given, "/Workspace") == 0)
        given = "/";
    else if (strncmp(given, "/Workspace/", 11) == 0)
        given += 10;
    if (given[0] != '/' || strlen(given) >= TREE_PATH_MAX || !str_utf8_valid(given, strlen(given)))
        return false;
    while (*given) {
        size_t part = strcspn(given + 1, "/");

        if (part == 0 && given[1] == '\0')
            break; /* a slash at the end */
        if (part == 0 || part > 255 || (part == 1 && given[1] == '.') ||
            (part == 2 && given[1] == '.' && given[2] == '.'))
            return false;
        memcpy(out + len, given, part + 1);
        len += part + 1;
        given += part + 1;
    }
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return true;
}

/* "/a/b" of "/a/b/c"; "/" of "/a". */
static void parent_of(const char *path, char out[TREE_PATH_MAX])
{
    size_t len = (size_t)(strrchr(path, '/') - path);

    memcpy(out, path, len ? len : 1);
    out[len ? len : 1] = '\0';
}

/* Is `path` `folder` or below it? */
static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/' || len == 1);
}

static bool may(const struct emulator *emu, const char *principal, const char *path)
{
    char home[TREE_PATH_MAX];

    (void)snprintf(home, sizeof(home), "/Users/%s", principal);
    return auth_is_admin(emu, principal) || is_below(path, "/Shared") || is_below(path, home);
}

static bool is_fixed(const struct emulator *emu, const char *path)
{
    static const char *const always[] = {"/", "/Shared", "/Users", "/Repos"};

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (strcmp(path, always[i]) == 0)
            return true;
    }
    return strncmp(path, "/Users/", 7) == 0 && auth_is_known(emu, path + 7);
}

static json_t *fixed_object(const char *path)
{
    uint32_t id = 17;

    for (const char *p = path; *p; p++)
        id = id * 31 + (unsigned char)*p;
    return json_pack("{s:s, s:s, s:I}", "object_type", "DIRECTORY", "path", path, "object_id",
        (json_int_t)((INT64_C(1) << 56) | id));
}

/* --- within the lock --- */

/* The object, a new reference, or NULL. */
static json_t *find(const struct emulator *emu, json_t *objects, const char *path)
{
    json_t *object = json_object_get(objects, path);

    if (object)
        return json_incref(object);
    return is_fixed(emu, path) ? fixed_object(path) : NULL;
}

static bool is_type(json_t *object, const char *type)
{
    return strcmp(json_member(object, "object_type"), type) == 0;
}

static bool add_folder(json_t *objects, const char *path)
{
    int64_t now = ledger_now_ms();

    return json_object_set_new(objects, path,
               json_pack("{s:s, s:s, s:I, s:I, s:I}", "object_type", "DIRECTORY", "path", path,
                   "object_id", (json_int_t)ledger_id(), "created_at", (json_int_t)now,
                   "modified_at", (json_int_t)now)) == 0;
}

static enum tree_answer mkdirs_locked(
    struct emulator *emu, json_t *objects, const char *path, bool *changed)
{
    char part[TREE_PATH_MAX];

    for (const char *p = path; *p;) {
        size_t len;
        json_t *object;
        bool folder;

        p += 1 + strcspn(p + 1, "/");
        len = (size_t)(p - path);
        memcpy(part, path, len);
        part[len] = '\0';
        object = find(emu, objects, part);
        folder = is_type(object, "DIRECTORY");
        json_decref(object);
        if (object && !folder)
            return TREE_EXISTS;
        if (!object && !add_folder(objects, part))
            return TREE_FAILED;
        *changed = *changed || !object;
    }
    return TREE_OK;
}

enum tree_answer tree_mkdirs(
    struct emulator *emu, const char *principal, const char *path, struct err *err)
{
    json_t *objects;
    enum tree_answer answer = TREE_OK;
    char plain[TREE_PATH_MAX];
    bool changed = false;

    if (!tree_path(path, plain))
        return TREE_BAD_PATH;
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    if (!may(emu, principal, plain) && !is_fixed(emu, plain))
        answer = TREE_DENIED;
    else
        answer = mkdirs_locked(emu, objects, plain, &changed);
    if (answer == TREE_OK && changed && !ledger_save(emu->ledger, LEDGER_WORKSPACE, err))
        answer = TREE_FAILED;
    ledger_close(emu->ledger);
    return answer;
}

/* --- contents --- */

static bool content_write(
    struct emulator *emu, const char *name, struct span content, struct err *err)
{
    int fd = -1;
    bool ok = ledger_dir(emu->ledger, "workspace", &fd, err) &&
              file_write_whole(fd, name, content.data ? content.data : "", content.len, err);

    file_drop(fd);
    return ok;
}

/* What nothing names any more only takes space: a failure is no harm. */
static void content_remove(struct emulator *emu, const char *name)
{
    struct err err = {0};
    int fd = -1;

    if (!*name || !ledger_dir(emu->ledger, "workspace", &fd, &err) || !file_unlink(fd, name, &err))
        err_clear(&err);
    file_drop(fd);
}

static enum tree_answer may_put(struct emulator *emu, json_t *objects, const char *principal,
    const char *path, const char *type, bool overwrite, json_t **ret_old)
{
    char parent[TREE_PATH_MAX];
    json_t *folder;
    bool good;

    *ret_old = NULL;
    if (!may(emu, principal, path))
        return TREE_DENIED;
    if (is_fixed(emu, path))
        return TREE_OTHER_TYPE;
    parent_of(path, parent);
    folder = find(emu, objects, parent);
    good = is_type(folder, "DIRECTORY");
    json_decref(folder);
    if (!good)
        return TREE_NO_PARENT;
    *ret_old = json_object_get(objects, path);
    if (*ret_old && !overwrite)
        return TREE_EXISTS;
    return *ret_old && !is_type(*ret_old, type) ? TREE_OTHER_TYPE : TREE_OK;
}

static json_t *new_object(json_t *old, const char *path, const char *type, const char *language,
    size_t bytes, const char *content)
{
    int64_t now = ledger_now_ms();
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "object_type", type, "path", path,
        "object_id", (json_int_t)(old ? json_member_int(old, "object_id") : ledger_id()),
        "created_at", (json_int_t)(old ? json_member_int(old, "created_at") : now), "modified_at",
        (json_int_t)now, "content", content);

    if (object && *language)
        (void)json_object_set_new(object, "language", json_string(language));
    if (object && strcmp(type, "FILE") == 0)
        (void)json_object_set_new(object, "size", json_integer((json_int_t)bytes));
    return object;
}

enum tree_answer tree_put(struct emulator *emu, const char *principal, const char *path,
    const char *type, const char *language, struct span content, bool overwrite, struct err *err)
{
    char plain[TREE_PATH_MAX], name[LEDGER_UUID_SIZE], before[LEDGER_UUID_SIZE] = "";
    json_t *objects, *old = NULL;
    enum tree_answer answer;

    if (!tree_path(path, plain))
        return TREE_BAD_PATH;
    /* The bytes first: a book never names what is not there. */
    if (!content_write(emu, ledger_uuid(name), content, err))
        return TREE_FAILED;
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    answer = may_put(emu, objects, principal, plain, type, overwrite, &old);
    if (answer == TREE_OK) {
        if (old)
            (void)str_copy(before, sizeof(before), json_member(old, "content"));
        if (json_object_set_new(
                objects, plain, new_object(old, plain, type, language, content.len, name)) != 0 ||
            !ledger_save(emu->ledger, LEDGER_WORKSPACE, err))
            answer = TREE_FAILED;
    }
    ledger_close(emu->ledger);
    content_remove(emu, answer == TREE_OK ? before : name);
    return answer;
}

/* --- looking --- */

static json_t *shown(json_t *object)
{
    json_t *copy = json_deep_copy(object);

    (void)json_object_del(copy, "content");
    return copy;
}

enum tree_answer tree_look(
    struct emulator *emu, const char *principal, const char *path, json_t **ret)
{
    char plain[TREE_PATH_MAX];
    json_t *objects, *object;

    if (!tree_path(path, plain))
        return TREE_BAD_PATH;
    if (!may(emu, principal, plain) && !is_fixed(emu, plain))
        return TREE_DENIED;
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    object = find(emu, objects, plain);
    *ret = object ? shown(object) : NULL;
    json_decref(object);
    ledger_close(emu->ledger);
    return *ret ? TREE_OK : TREE_MISSING;
}

enum tree_answer tree_list(
    struct emulator *emu, const char *principal, const char *path, json_t **ret)
{
    char plain[TREE_PATH_MAX], parent[TREE_PATH_MAX];
    json_t *objects, *object, *value;
    const char *key;

    if (!tree_path(path, plain))
        return TREE_BAD_PATH;
    if (!may(emu, principal, plain) && !is_fixed(emu, plain))
        return TREE_DENIED;
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    object = find(emu, objects, plain);
    *ret = object ? json_array() : NULL;
    if (object && !is_type(object, "DIRECTORY")) {
        (void)json_array_append_new(*ret, shown(object));
    } else if (object) {
        json_object_foreach(objects, key, value)
        {
            parent_of(key, parent);
            if (strcmp(parent, plain) == 0)
                (void)json_array_append_new(*ret, shown(value));
        }
    }
    if (object && strcmp(plain, "/") == 0) {
        (void)json_array_append_new(*ret, fixed_object("/Repos"));
        (void)json_array_append_new(*ret, fixed_object("/Shared"));
        (void)json_array_append_new(*ret, fixed_object("/Users"));
    }
    json_decref(object);
    ledger_close(emu->ledger);
    return *ret ? TREE_OK : TREE_MISSING;
}

enum tree_answer tree_content(
    struct emulator *emu, const char *principal, const char *path, struct buf *out, struct err *err)
{
    enum tree_answer answer = TREE_OK;
    char plain[TREE_PATH_MAX];
    const char *name;
    json_t *objects;
    int fd = -1;

    if (!tree_path(path, plain))
        return TREE_BAD_PATH;
    if (!may(emu, principal, plain))
        return TREE_DENIED;
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    name = json_member(json_object_get(objects, plain), "content");
    if (!*name)
        answer = json_object_get(objects, plain) || is_fixed(emu, plain) ? TREE_OTHER_TYPE
                                                                         : TREE_MISSING;
    else if (!ledger_dir(emu->ledger, "workspace", &fd, err) ||
             !file_read_whole(fd, name, out, err))
        answer = TREE_FAILED;
    ledger_close(emu->ledger);
    file_drop(fd);
    return answer;
}

bool tree_read(
    struct emulator *emu, const char *path, const char *principal, struct buf *out, struct err *err)
{
    json_t *object = NULL;
    enum tree_answer answer = tree_look(emu, principal, path, &object);
    bool file = answer == TREE_OK && is_type(object, "FILE");

    json_decref(object);
    if (file)
        answer = tree_content(emu, principal, path, out, err);
    switch (answer) {
    case TREE_OK:
        return file || err_set(err, ERR_INPUT, 0, "%.150s is not a file", path);
    case TREE_FAILED:
        return false;
    case TREE_DENIED:
        return err_set(err, ERR_INPUT, 0, "%.60s may not read %.120s", principal, path);
    case TREE_BAD_PATH:
    case TREE_MISSING:
    case TREE_NO_PARENT:
    case TREE_EXISTS:
    case TREE_OTHER_TYPE:
    case TREE_NOT_EMPTY:
        break;
    }
    return err_set(err, ERR_INPUT, 0, "Path (%.150s) doesn't exist.", path);
}

/* --- deleting --- */

/* Takes `path` and what is below it out of the book; their contents' names into `names`. */
static void take_out(json_t *objects, const char *path, json_t *names)
{
    json_t *value;
    const char *key;
    void *next;

    json_object_foreach_safe(objects, next, key, value)
    {
        if (!is_below(key, path))
            continue;
        if (json_object_get(value, "content"))
            (void)json_array_append(names, json_object_get(value, "content"));
        (void)json_object_del(objects, key);
    }
}

static bool has_below(json_t *objects, const char *path)
{
    json_t *value;
    const char *key;

    json_object_foreach(objects, key, value)
    {
        if (strcmp(key, path) != 0 && is_below(key, path))
            return true;
    }
    return false;
}

enum tree_answer tree_delete(
    struct emulator *emu, const char *principal, const char *path, bool recursive, struct err *err)
{
    json_t *objects, *names = json_array(), *name;
    enum tree_answer answer = TREE_OK;
    char plain[TREE_PATH_MAX];
    size_t i;

    if (!names || !tree_path(path, plain)) {
        json_decref(names);
        return TREE_BAD_PATH;
    }
    objects = ledger_object(ledger_open(emu->ledger, LEDGER_WORKSPACE), "objects");
    if (is_fixed(emu, plain) || !may(emu, principal, plain))
        answer = TREE_DENIED;
    else if (!json_object_get(objects, plain))
        answer = TREE_MISSING;
    else if (!recursive && has_below(objects, plain))
        answer = TREE_NOT_EMPTY;
    if (answer == TREE_OK) {
        take_out(objects, plain, names);
        if (!ledger_save(emu->ledger, LEDGER_WORKSPACE, err))
            answer = TREE_FAILED;
    }
    ledger_close(emu->ledger);
    if (answer == TREE_OK)
        json_array_foreach(names, i, name) content_remove(emu, json_string_value(name));
    json_decref(names);
    return answer;
}
