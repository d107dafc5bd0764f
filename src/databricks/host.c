#include "databricks/host.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define NAME_MAX_BYTES 253

static struct span cut_at(struct span *rest, const char *stops)
{
    struct span head = {rest->data, 0};

    while (head.len < rest->len && !memchr(stops, rest->data[head.len], strlen(stops)))
        head.len++;
    rest->data += head.len;
    rest->len -= head.len;
    return head;
}

static bool starts_nocase(struct span text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && strncasecmp(text.data, prefix, len) == 0;
}

static bool is_loopback(const char *name)
{
    unsigned parts[4];
    char end;

    if (strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
        return true;
    return sscanf(name, "%3u.%3u.%3u.%3u%c", &parts[0], &parts[1], &parts[2], &parts[3], &end) ==
               4 &&
           parts[0] == 127 && parts[1] < 256 && parts[2] < 256 && parts[3] < 256;
}

/* Letters, digits, '-', '_' and single dots; or an IPv6 address in brackets. */
static bool name_valid(struct span name)
{
    bool v6 = name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';

    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = v6 ? 1 : 0; i < name.len - (v6 ? 1 : 0); i++) {
        char c = name.data[i];

        if (v6 ? !(isxdigit((unsigned char)c) || c == ':' || c == '.')
               : !(isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.'))
            return false;
        if (!v6 && c == '.' && (i == 0 || i + 1 == name.len || name.data[i - 1] == '.'))
            return false;
    }
    return true;
}

/* The name up to its port; a colon inside [brackets] is not the port's. */
static struct span take_name(struct span *authority)
{
    struct span name = {authority->data, 0};

    if (authority->len && authority->data[0] == '[') {
        while (name.len < authority->len && authority->data[name.len] != ']')
            name.len++;
        if (name.len < authority->len)
            name.len++;
        authority->data += name.len;
        authority->len -= name.len;
        return name;
    }
    return cut_at(authority, ":");
}

static void keep_id(char *out, size_t size, struct span value)
{
    if (value.len == 0 || value.len >= size)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (!isalnum((unsigned char)value.data[i]) && value.data[i] != '-')
            return;
    }
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
}

static void read_query(struct span query, struct host *host)
{
    while (query.len) {
        struct span value, key, pair;
        uint64_t number;

        query.data++; /* '?' or '&' */
        query.len--;
        pair = cut_at(&query, "&");
        value = pair;
        key = cut_at(&value, "=");
        if (value.len == 0)
            continue;
        value.data++;
        value.len--;
        if (span_is(key, "w") ||
            ((span_is(key, "o") || span_is(key, "workspace_id")) && str_u64(value, &number)))
            keep_id(host->workspace_id, sizeof(host->workspace_id), value);
        else if (span_is(key, "a") || span_is(key, "account_id"))
            keep_id(host->account_id, sizeof(host->account_id), value);
    }
}

static bool set_url(struct host *host, bool https, struct span name, unsigned port, struct err *err)
{
    char lower[NAME_MAX_BYTES + 1];

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    lower[name.len] = '\0';
    host->loopback = is_loopback(lower);
    if (strncmp(lower, "accounts.", 9) == 0 || strncmp(lower, "accounts-dod.", 13) == 0)
        return err_set(err, ERR_INPUT, 0,
            "'%s' is the account console: give the address of the workspace itself, as the browser "
            "shows it when you work in it",
            lower);
    if (!https && !host->loopback)
        return err_set(err, ERR_INPUT, 0,
            "'http://%s' would send the secret in the clear: write https:// (http is for this "
            "machine only)",
            lower);
    if (port == (https ? 443U : 80U))
        port = 0;
    (void)snprintf(host->url, sizeof(host->url), port ? "%s://%s:%u" : "%s://%s",
        https ? "https" : "http", lower, port);
    return true;
}

/* A setting may hold anything; an error text is valid UTF-8. */
static bool wrong(struct err *err, const char *text, const char *what)
{
    struct buf shown;

    buf_init(&shown, 1024);
    (void)str_show(&shown, span_of(text), 100);
    err_set(err, ERR_INPUT, 0, "'%s': %s", buf_text(&shown), what);
    buf_done(&shown);
    return false;
}

static bool has_scheme(struct span text)
{
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (text.data[i] == ':')
            return text.data[i + 1] == '/' && text.data[i + 2] == '/';
        if (!isalnum((unsigned char)text.data[i]))
            return false;
    }
    return false;
}

bool host_normalise(const char *text, struct host *ret, struct err *err)
{
    struct host host = {.url = ""};
    struct span rest = span_trim(span_of(text)), authority, name, query;
    uint64_t port = 0;
    bool https = true;

    if (rest.len >= 2 && (rest.data[0] == '"' || rest.data[0] == '\'') &&
        rest.data[rest.len - 1] == rest.data[0]) {
        rest.data++;
        rest.len -= 2;
    }
    if (starts_nocase(rest, "https://")) {
        rest.data += 8;
        rest.len -= 8;
    } else if (starts_nocase(rest, "http://")) {
        https = false;
        rest.data += 7;
        rest.len -= 7;
    } else if (has_scheme(rest)) {
        return wrong(err, text, "the address must begin with https://");
    }
    authority = cut_at(&rest, "/?#");
    if (memchr(authority.data, '@', authority.len)) /* no echo: it may hold a password */
        return err_set(
            err, ERR_INPUT, 0, "the address holds a user name ('@'): give the host only");
    name = take_name(&authority);
    if (!name_valid(name))
        return wrong(
            err, text, "no host name: write e.g. adb-1234567890123456.7.azuredatabricks.net");
    if (authority.len) {
        authority.data++;
        authority.len--;
        if (!str_u64(authority, &port) || port == 0 || port > 65535)
            return wrong(err, text, "the port must be 1 to 65535");
    }
    (void)cut_at(&rest, "?#");
    query = cut_at(&rest, "#");
    read_query(query, &host);
    if (!set_url(&host, https, name, (unsigned)port, err))
        return false;
    *ret = host;
    return true;
}

bool host_url_safe(const char *url)
{
    char name[NAME_MAX_BYTES + 1];
    struct span rest, found;

    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, "http://", 7) != 0)
        return false;
    rest = span_of(url + 7);
    rest = cut_at(&rest, "/?#");
    found = take_name(&rest);
    if (found.len > NAME_MAX_BYTES || memchr(found.data, '@', found.len) ||
        memchr(rest.data, '@', rest.len))
        return false;
    memcpy(name, found.data, found.len);
    name[found.len] = '\0';
    return is_loopback(name);
}
