/* A scripted HTTP/1.1 server on loopback for the tests of databricks/ and uploader/.
 *
 * Rules answer the requests they match, first rule first, each as often as it says; what no rule
 * takes goes to a small volume in memory (files, directories, the token endpoint). Every request
 * is recorded as it was received. One thread per connection.
 */
#ifndef TESTS_DATABRICKS_SERVER_H
#define TESTS_DATABRICKS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum server_how {
    ANSWER,     /* read the body, answer */
    CUT_BEFORE, /* close when the headers are in */
    CUT_INSIDE, /* close in the middle of the body */
    CUT_AFTER,  /* do what the volume would do, then close without an answer */
    CUT_ANSWER, /* close in the middle of the answer's body */
    CUT_STATUS, /* close in the middle of the status line */
    STALL,      /* read all, never answer */
    STALL_BODY, /* stop reading after the headers */
    EARLY,      /* answer without reading the body, then close */
    LOSE,       /* answer as the volume would, but keep nothing */
    TRUNCATE,   /* keep only the first half */
};

struct server_rule {
    const char *method, *match; /* NULL: any; match: part of the target */
    int times;                  /* 0: for ever */
    enum server_how how;
    int status;
    const char *headers; /* "A: b\r\n" */
    const char *body;
    int delay_ms;
};

struct server_request {
    char method[16], target[1024], headers[4096];
    char *body;
    size_t body_len;
};

#define SERVER_RULES 32
#define SERVER_REQUESTS 2048
#define SERVER_FILES 512
#define SERVER_CONNECTIONS 512

struct server {
    int listener, port;
    pthread_t thread, connection[SERVER_CONNECTIONS];
    int fds[SERVER_CONNECTIONS], connections;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool stopping;
    struct server_rule rules[SERVER_RULES];
    int rule_count;
    struct server_request requests[SERVER_REQUESTS];
    int request_count;
    struct {
        char *path, *data;
        size_t len;
    } files[SERVER_FILES];
    int file_count, open_now, open_most; /* PUTs of files at the same time */
    char token[128];
    int tokens; /* given out; the n-th is token.n */
    const char *expires_in;
    bool check_token; /* only the newest token is good */
};

struct server_connection {
    struct server *server;
    int fd;
};

static inline int server_find(struct server *s, const char *path, size_t len)
{
    for (int i = 0; i < s->file_count; i++) {
        if (s->files[i].path && strlen(s->files[i].path) == len &&
            memcmp(s->files[i].path, path, len) == 0)
            return i;
    }
    return -1;
}

static inline void server_store(struct server *s, const char *path, const char *data, size_t len)
{
    int i = server_find(s, path, strlen(path));

    if (i < 0) {
        i = s->file_count++;
        s->files[i].path = strdup(path);
    }
    free(s->files[i].data);
    s->files[i].data = malloc(len + 1);
    memcpy(s->files[i].data, data, len);
    s->files[i].len = len;
}

static inline bool server_header(const char *headers, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(headers, name);
    size_t n = 0;

    if (!at)
        return false;
    at += strlen(name);
    while (*at == ' ' || *at == ':')
        at++;
    while (*at && *at != '\r' && n + 1 < size)
        out[n++] = *at++;
    out[n] = '\0';
    return true;
}

static inline void server_send(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

/* Reads up to the blank line; what came behind it goes to rest. */
static inline bool server_read_head(int fd, char *head, size_t size, char *rest, size_t *rest_len)
{
    size_t len = 0;

    if (*rest_len) {
        memcpy(head, rest, *rest_len);
        len = *rest_len;
    }
    for (;;) {
        char *end;
        ssize_t n;

        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
        if (end) {
            *rest_len = len - (size_t)(end + 4 - head);
            memmove(rest, end + 4, *rest_len);
            end[2] = '\0';
            return true;
        }
        n = len + 1 < size ? recv(fd, head + len, size - 1 - len, 0) : 0;
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
}

struct server_reply {
    int status;
    char headers[512];
    const char *body;
    size_t body_len;
    char text[1024];
};

static inline void server_say(struct server_reply *r, int status, const char *body)
{
    r->status = status;
    r->body = body;
    r->body_len = strlen(body);
}

static inline void server_files(
    struct server *s, struct server_reply *r, const struct server_request *q, enum server_how how)
{
    const char *path = q->target + 17; /* "/api/2.0/fs/files" */
    size_t len = strcspn(path, "?");
    int i = server_find(s, path, len);

    if (strcmp(q->method, "PUT") == 0) {
        char name[1024];

        if (i >= 0 && strstr(q->target, "overwrite=false")) {
            server_say(r, 409, "{\"error_code\":\"ALREADY_EXISTS\",\"message\":\"exists\"}");
            return;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        if (how != LOSE)
            server_store(
                s, name, q->body ? q->body : "", how == TRUNCATE ? q->body_len / 2 : q->body_len);
        server_say(r, 204, "");
    } else if (i < 0) {
        server_say(r, 404, "{\"error_code\":\"NOT_FOUND\",\"message\":\"no such file\"}");
    } else if (strcmp(q->method, "DELETE") == 0) {
        free(s->files[i].path);
        s->files[i].path = NULL;
        server_say(r, 204, "");
    } else {
        char range[64];
        size_t first = 0, last = s->files[i].len ? s->files[i].len - 1 : 0;

        r->status = 200;
        r->body = s->files[i].data;
        r->body_len = s->files[i].len;
        if (server_header(q->headers, "\nRange", range, sizeof(range))) {
            if (sscanf(range, "bytes=%zu-%zu", &first, &last) < 1)
                abort();
            r->status = 206;
            r->body += first;
            r->body_len = last - first + 1;
        }
        snprintf(r->headers, sizeof(r->headers), "Content-Type: application/octet-stream\r\n");
    }
}

static inline void server_volume(
    struct server *s, struct server_reply *r, const struct server_request *q, enum server_how how)
{
    char sign[256] = "";

    snprintf(r->headers, sizeof(r->headers), "Content-Type: application/json\r\n");
    (void)server_header(q->headers, "\nAuthorization", sign, sizeof(sign));
    if (strcmp(q->target, "/oidc/v1/token") == 0) {
        s->tokens++;
        snprintf(r->text, sizeof(r->text),
            "{\"access_token\":\"%s.%d\",\"token_type\":\"Bearer\",\"expires_in\":%s}", s->token,
            s->tokens, s->expires_in ? s->expires_in : "3600");
        server_say(r, 200, r->text);
    } else if (s->check_token &&
               (snprintf(r->text, sizeof(r->text), "Bearer %s.%d", s->token, s->tokens),
                   strcmp(sign, r->text) != 0)) {
        server_say(r, 401, "{\"error_code\":401,\"message\":\"token expired\"}");
    } else if (strncmp(q->target, "/api/2.0/fs/files/", 18) == 0) {
        server_files(s, r, q, how);
    } else if (strncmp(q->target, "/api/2.0/fs/directories/", 24) == 0) {
        server_say(r, strcmp(q->method, "PUT") == 0 ? 204 : 200, "");
    } else {
        server_say(r, 404, "{\"error_code\":\"ENDPOINT_NOT_FOUND\",\"message\":\"no such call\"}");
    }
}

/* Under the lock: the rule for this request, used up by one. */
static inline struct server_rule server_rule_for(
    struct server *s, const char *method, const char *target, bool *ret_found)
{
    *ret_found = false;
    for (int i = 0; i < s->rule_count; i++) {
        struct server_rule *r = &s->rules[i];

        if (r->times < 0 || (r->method && strcmp(r->method, method) != 0) ||
            (r->match && !strstr(target, r->match)))
            continue;
        *ret_found = true;
        if (r->times > 0 && --r->times == 0)
            r->times = -1;
        return *r;
    }
    return (struct server_rule){.how = ANSWER};
}

static inline bool server_read_body(struct server *s, int fd, struct server_request *q, size_t want,
    const char *rest, size_t *rest_len, char *keep)
{
    size_t len = *rest_len < want ? *rest_len : want;

    (void)s;
    q->body = malloc(want + 1);
    memcpy(q->body, rest, len);
    memmove(keep, rest + len, *rest_len - len);
    *rest_len -= len;
    while (len < want) {
        ssize_t n = recv(fd, q->body + len, want - len, 0);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    q->body[len] = '\0';
    q->body_len = len;
    return len == want;
}

static inline void server_reply_now(int fd, const struct server_request *q,
    const struct server_rule *rule, const struct server_reply *r)
{
    char head[2048];
    bool no_body = strcmp(q->method, "HEAD") == 0 || r->status == 204;
    int n;

    n = snprintf(head, sizeof(head), "HTTP/1.1 %d Some Reason\r\n%s", r->status, r->headers);
    if (r->status != 204 && !strcasestr(r->headers, "content-length:"))
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %zu\r\n", r->body_len);
    n += snprintf(head + n, sizeof(head) - (size_t)n, "%s\r\n",
        rule->how == EARLY ? "Connection: close\r\n" : "");
    if (rule->how == CUT_STATUS) {
        server_send(fd, head, 9);
        return;
    }
    server_send(fd, head, (size_t)n);
    if (!no_body)
        server_send(fd, r->body, rule->how == CUT_ANSWER ? r->body_len / 2 : r->body_len);
}

/* Until the server stops. */
static inline void server_stall(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopping)
        pthread_cond_wait(&s->ends, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* One request; false: the connection ends. */
static inline bool server_one(struct server *s, int fd, char *rest, size_t *rest_len)
{
    static _Thread_local char head[16384];
    struct server_request q = {.body = NULL};
    struct server_reply reply = {.status = 0, .body = ""};
    struct server_rule rule;
    char value[64];
    size_t want = 0;
    bool found, is_put;

    if (!server_read_head(fd, head, sizeof(head), rest, rest_len) ||
        sscanf(head, "%15s %1023s", q.method, q.target) != 2)
        return false;
    snprintf(q.headers, sizeof(q.headers), "%s", strstr(head, "\r\n") + 1);
    if (server_header(q.headers, "\nContent-Length", value, sizeof(value)))
        want = (size_t)strtoull(value, NULL, 10);
    is_put = strcmp(q.method, "PUT") == 0 && strstr(q.target, "/fs/files/");
    pthread_mutex_lock(&s->lock);
    rule = server_rule_for(s, q.method, q.target, &found);
    if (is_put && ++s->open_now > s->open_most)
        s->open_most = s->open_now;
    pthread_mutex_unlock(&s->lock);

    if (rule.how == STALL_BODY)
        server_stall(s);
    if (rule.how == CUT_INSIDE)
        (void)server_read_body(s, fd, &q, want / 2, rest, rest_len, rest);
    else if (rule.how != CUT_BEFORE && rule.how != EARLY && rule.how != STALL_BODY &&
             !server_read_body(s, fd, &q, want, rest, rest_len, rest))
        rule.how = CUT_BEFORE;
    if (rule.how == STALL)
        server_stall(s);
    if (rule.delay_ms)
        usleep((useconds_t)rule.delay_ms * 1000);

    pthread_mutex_lock(&s->lock);
    s->open_now -= is_put;
    if ((!found || !rule.status) && rule.how != CUT_BEFORE && rule.how != CUT_INSIDE &&
        rule.how != STALL && rule.how != STALL_BODY)
        server_volume(s, &reply, &q, rule.how);
    if (found && rule.status) {
        server_say(&reply, rule.status, rule.body ? rule.body : "");
        snprintf(reply.headers, sizeof(reply.headers), "%s", rule.headers ? rule.headers : "");
    }
    if (s->request_count < SERVER_REQUESTS)
        s->requests[s->request_count++] = q;
    else
        free(q.body);
    if (reply.body_len) { /* the file may be replaced while it is sent */
        char *copy = malloc(reply.body_len);

        memcpy(copy, reply.body, reply.body_len);
        reply.body = copy;
    }
    pthread_mutex_unlock(&s->lock);
    if (rule.how == ANSWER || rule.how == EARLY || rule.how == CUT_ANSWER ||
        rule.how == CUT_STATUS || rule.how == LOSE || rule.how == TRUNCATE)
        server_reply_now(fd, &q, &rule, &reply);
    if (reply.body_len)
        free((void *)(uintptr_t)reply.body);
    return rule.how == ANSWER || rule.how == LOSE || rule.how == TRUNCATE;
}

static inline void *server_connection_main(void *arg)
{
    struct server_connection *c = arg;
    char *rest = malloc(16384);
    size_t rest_len = 0;

    while (server_one(c->server, c->fd, rest, &rest_len))
        ;
    /* Never a reset that eats the answer just sent: say goodbye, then read what is left. */
    shutdown(c->fd, SHUT_WR);
    free(rest);
    pthread_mutex_lock(&c->server->lock);
    if (!c->server->stopping)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->server->lock);
    free(c);
    return NULL;
}

static inline void *server_main(void *arg)
{
    struct server *s = arg;

    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        struct server_connection *c;
        int on = 1;

        /* Head and body go out in two pieces: without this each answer waits 40 ms for an ACK. */
        if (fd >= 0)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_mutex_lock(&s->lock);
        if (fd < 0 || s->stopping || s->connections == SERVER_CONNECTIONS) {
            pthread_mutex_unlock(&s->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        c = malloc(sizeof(*c));
        *c = (struct server_connection){s, fd};
        s->fds[s->connections] = fd;
        pthread_create(&s->connection[s->connections++], NULL, server_connection_main, c);
        pthread_mutex_unlock(&s->lock);
    }
}

static inline struct server *server_start(void)
{
    struct server *s = calloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);

    snprintf(s->token, sizeof(s->token), "access-CANARY-token");
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(s->listener, 64) < 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &len) < 0)
        abort();
    s->port = ntohs(at.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ends, NULL);
    pthread_create(&s->thread, NULL, server_main, s);
    return s;
}

/* No new connections, all threads ended; the records stay. */
static inline void server_stop(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->stopping) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    s->stopping = true;
    pthread_cond_broadcast(&s->ends);
    for (int i = 0; i < s->connections; i++)
        shutdown(s->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->connections; i++) {
        pthread_join(s->connection[i], NULL);
        close(s->fds[i]);
    }
    close(s->listener);
}

static inline void server_free(struct server *s)
{
    server_stop(s);
    for (int i = 0; i < s->request_count; i++)
        free(s->requests[i].body);
    for (int i = 0; i < s->file_count; i++) {
        free(s->files[i].path);
        free(s->files[i].data);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->ends);
    free(s);
}

static inline void server_add(struct server *s, struct server_rule rule)
{
    pthread_mutex_lock(&s->lock);
    s->rules[s->rule_count++] = rule;
    pthread_mutex_unlock(&s->lock);
}

static inline void server_clear_rules(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    s->rule_count = 0;
    pthread_mutex_unlock(&s->lock);
}

/* How many requests of this method have `match` in their target. */
static inline int server_count(struct server *s, const char *method, const char *match)
{
    int count = 0;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->request_count; i++)
        count += (!method || strcmp(s->requests[i].method, method) == 0) &&
                 strstr(s->requests[i].target, match);
    pthread_mutex_unlock(&s->lock);
    return count;
}

#endif
