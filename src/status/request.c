#include "status/request.h"

static const struct {
    const char *path;
    enum status_page page;
} pages[] = {
    {"/", PAGE_HOME},
    {"/metrics", PAGE_METRICS},
    {"/healthz", PAGE_HEALTH},
    {"/readyz", PAGE_READY},
    {"/api/status.json", PAGE_STATUS},
    {"/api/status.txt", PAGE_TEXT},
    {"/api/history.json", PAGE_HISTORY},
    {"/api/settings.json", PAGE_SETTINGS},
};

/* Without ":port"; "[::1]" keeps its brackets. */
static struct span host_name(const char *host)
{
    struct span name = span_of(host);
    const char *colon = NULL;

    if (name.len && name.data[0] == '[') {
        const char *end = memchr(name.data, ']', name.len);

        if (end)
            name.len = (size_t)(end - name.data) + 1;
        return name;
    }
    colon = memchr(name.data, ':', name.len);
    if (colon)
        name.len = (size_t)(colon - name.data);
    return name;
}

/* Digits and dots, or brackets: no name that somebody's name server could answer for. */
static bool is_address_or_local(const char *host)
{
    struct span name = host_name(host);

    if (name.len == 9 && strncasecmp(name.data, "localhost", 9) == 0)
        return true;
    if (name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']')
        return true;
    for (size_t i = 0; i < name.len; i++)
        if ((name.data[i] < '0' || name.data[i] > '9') && name.data[i] != '.')
            return false;
    return name.len > 0;
}

unsigned status_request_judge(const struct status_request *r, enum status_page *ret_page)
{
    if (r->head_bytes > REQUEST_BYTES_MAX)
        return 431;
    if (strcmp(r->method, "GET") != 0)
        return 405;
    if (r->has_body)
        return 413;
    /* Without a Host it is no browser (HTTP/1.0, a health probe by hand). */
    if (r->on_loopback && r->host && !is_address_or_local(r->host))
        return 403;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(r->path, pages[i].path) == 0) {
            *ret_page = pages[i].page;
            return 200;
        }
    }
    return 404;
}
