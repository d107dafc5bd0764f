#include "databricks/error.h"

#include "base/clock.h"
#include "databricks/error_body.h"
#include "databricks/redact.h"
#include "databricks/retry_after.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

struct context {
    const struct http_answer *answer;
    const struct error_words *words;
    error_hide *hide;
    const void *hide_arg;
    struct error_body body;
};

static enum err_kind kind_of(enum error_class class)
{
    switch (class) {
    case CLASS_NONE:
        return ERR_NONE;
    case CLASS_TLS:
    case CLASS_ROUTING:
    case CLASS_DENIED:
    case CLASS_FORBIDDEN:
    case CLASS_MISSING:
    case CLASS_QUOTA:
        return ERR_DENIED;
    case CLASS_BAD:
        return ERR_INPUT;
    case CLASS_LOCAL:
        return ERR_FULL;
    case CLASS_NETWORK:
    case CLASS_EXISTS:
    case CLASS_ABORTED:
    case CLASS_LIMIT:
    case CLASS_SERVER:
        break;
    }
    return ERR_RETRY;
}

/* --- no answer --- */

/* A handshake that was torn down is the network's fault; one that was refused is a setting's. */
static bool handshake_cut(const char *text)
{
    return strcasestr(text, "SYSCALL") || strcasestr(text, "reset by peer") ||
           strcasestr(text, "unexpected eof") || strcasestr(text, "timed out");
}

/* With TLS 1.3 the answer to a missing client certificate comes after the handshake. */
static bool wants_certificate(const char *text)
{
    return strcasestr(text, "certificate required") || strcasestr(text, "alert bad certificate");
}

static enum error_class curl_class(const struct http_answer *a)
{
    if (wants_certificate(a->curl_text))
        return CLASS_TLS;
    if (a->connect_status == 407 || a->connect_status == 403)
        return CLASS_ROUTING;
    switch (a->curl) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_USE_SSL_FAILED:
        return CLASS_TLS;
    case CURLE_SSL_CONNECT_ERROR:
        return handshake_cut(a->curl_text) ? CLASS_NETWORK : CLASS_TLS;
    case CURLE_OUT_OF_MEMORY:
        return CLASS_LOCAL;
    default:
        return a->too_long ? CLASS_SERVER : CLASS_NETWORK;
    }
}

static const char *curl_advice(const struct http_answer *a, enum error_class class)
{
    if (class == CLASS_ROUTING)
        return "the proxy refuses: check its address, user and rules";
    if (class == CLASS_TLS)
        return "check the clock, the host name and the CA file";
    if (a->too_long)
        return "the answer is too long";
    switch (a->curl) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "host name not found: check the host setting and the DNS";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "proxy name not found: check the proxy setting and the DNS";
    case CURLE_COULDNT_CONNECT:
        return "no connection: check network, firewall and proxy";
    case CURLE_OPERATION_TIMEDOUT:
        return "no answer in time";
    default:
        return "connection lost";
    }
}

/* Our clock where it may be the reason, and who showed which certificate. */
static void add_certificate(const struct http_answer *a, struct buf *text)
{
    const struct http_certificate *c = &a->certificate;
    char clock[CLOCK_TEXT_SIZE];

    if (!strcasestr(a->curl_text, "match") && !strcasestr(a->curl_text, "issuer") &&
        !strcasestr(a->curl_text, "signed"))
        (void)buf_printf(text, " (clock says %.20s)", clock_text(clock, clock_wall_us()));
    if (c->issuer[0]) {
        (void)buf_add_text(text, " (shown: '");
        (void)redact_add(text, span_of(c->subject), 48);
        (void)buf_add_text(text, "' of '");
        (void)redact_add(text, span_of(c->issuer), 48);
        (void)buf_printf(text, "', %.24s to %.24s)", c->from, c->until);
    }
}

static const char *tls_advice(const struct http_answer *a)
{
    const char *text = a->curl_text;

    if (wants_certificate(text))
        return "it wants a client certificate: set client_cert_file (and client_key_file)";
    if (a->curl == CURLE_SSL_CERTPROBLEM)
        return "our client certificate or its key cannot be used: check both files";
    if (strcasestr(text, "not yet valid"))
        return "the certificate is not valid yet: check this machine's clock";
    if (strcasestr(text, "expired"))
        return "the certificate is expired: renew it, or check the clock";
    if (strcasestr(text, "does not match") || strcasestr(text, "no alternative certificate"))
        return "the certificate is for another name: check the host setting";
    if (strcasestr(text, "issuer") || strcasestr(text, "self-signed") ||
        strcasestr(text, "self signed"))
        return "unknown issuer: give its CA file, or ask who reads the traffic in between";
    return curl_advice(a, CLASS_TLS);
}

static bool judge_curl(const struct context *c, struct api_error *ret, struct err *err)
{
    const struct http_answer *a = c->answer;
    bool refused = a->curl == CURLE_PEER_FAILED_VERIFICATION;
    struct buf text;

    ret->class = curl_class(a);
    buf_init(&text, 2048);
    (void)buf_printf(&text, "%s: %s", c->words->what,
        ret->class == CLASS_TLS ? tls_advice(a) : curl_advice(a, ret->class));
    if (refused)
        add_certificate(a, &text);
    (void)buf_add_text(&text, ": ");
    (void)redact_add(&text, span_of(a->curl_text), REDACT_WORDS_MAX);
    err_set(err, kind_of(ret->class), a->curl, "%s", buf_text(&text));
    buf_done(&text);
    return false;
}

/* --- an answer --- */

static bool is_html(const char *type)
{
    return strncasecmp(type, "text/html", 9) == 0 ||
           strncasecmp(type, "application/xhtml", 17) == 0;
}

static enum error_class status_class(int status)
{
    switch (status) {
    case 400:
    case 413:
    case 422:
        return CLASS_BAD;
    case 401:
        return CLASS_DENIED;
    case 403:
        return CLASS_FORBIDDEN;
    case 404:
        return CLASS_MISSING;
    case 407:
        return CLASS_ROUTING;
    case 409:
        return CLASS_EXISTS;
    case 429:
        return CLASS_LIMIT;
    default:
        return CLASS_SERVER;
    }
}

static bool code_class(const char *code, enum error_class *ret)
{
    static const struct {
        const char *code;
        enum error_class class;
    } rows[] = {
        {"INVALID_PARAMETER_VALUE", CLASS_BAD},
        {"INVALID_STATE", CLASS_BAD},
        {"RESOURCE_DOES_NOT_EXIST", CLASS_MISSING},
        {"ALREADY_EXISTS", CLASS_EXISTS},
        {"RESOURCE_ALREADY_EXISTS", CLASS_EXISTS},
        {"ABORTED", CLASS_ABORTED},
        {"RESOURCE_EXHAUSTED", CLASS_LIMIT},
        {"REQUEST_LIMIT_EXCEEDED", CLASS_LIMIT},
        {"QUOTA_EXCEEDED", CLASS_QUOTA},
        {"UNKNOWN", CLASS_SERVER},
        {"DATA_LOSS", CLASS_SERVER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(code, rows[i].code) == 0) {
            *ret = rows[i].class;
            return true;
        }
    }
    return false;
}

/* Words by which the SDKs know that a refusal is only weather. */
static bool says_transient(struct span words)
{
    static const char *const parts[] = {"does not have any associated worker environments",
        "There is no worker environment with id", "Unknown worker environment",
        "UnknownWorkerEnvironmentException", "ClusterNotReadyException", "Unexpected error",
        "Please try again later or try a faster operation.",
        "RPC token bucket limit has been exceeded", "Timed out after ", "deadline exceeded",
        "jobs created in past"};
    const char *env = words.len ? memmem(words.data, words.len, "worker env ", 11) : NULL;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && words.len; i++) {
        if (memmem(words.data, words.len, parts[i], strlen(parts[i])))
            return true;
    }
    return env && memmem(env, words.len - (size_t)(env - words.data), " not found", 10);
}

/* Who has no access is not told about parameters; a 5xx never blames the request; and what is used
 * up with a 429 comes back. */
static bool code_counts(enum error_class by_code, enum error_class by_status)
{
    if (by_code == CLASS_QUOTA)
        return by_status == CLASS_BAD || by_status == CLASS_FORBIDDEN;
    return by_code != CLASS_BAD || by_status == CLASS_BAD;
}

static enum error_class answer_class(const struct context *c, struct span words)
{
    int status = c->answer->status;
    enum error_class class = status_class(status), by_code;

    if (status < 400 && status != 0)
        return CLASS_ROUTING; /* 3xx, or HTML with 2xx */
    if (is_html(c->answer->type) && (class == CLASS_BAD || class == CLASS_EXISTS))
        return CLASS_ROUTING; /* a page is no word of the API about our file */
    if (code_class(c->body.code, &by_code)) {
        if (code_counts(by_code, class))
            class = by_code;
        if (status == 409 && class != CLASS_ABORTED)
            class = CLASS_EXISTS; /* the status is certain, the code's text has varied */
    }
    if (class == CLASS_BAD && says_transient(words))
        return CLASS_SERVER;
    return class;
}

static const char *advice(const struct context *c, enum error_class class)
{
    struct span said = {c->body.words.data ? c->body.words.data : "", c->body.words.len};

    switch (class) {
    case CLASS_ROUTING:
        if (c->answer->private_link)
            return "private link: this network may not reach the workspace";
        return "this is not the Databricks API: check host, workspace id, proxy, private link";
    case CLASS_DENIED:
        return "the credentials are refused: renew the token or the secret";
    case CLASS_FORBIDDEN:
        if (memmem(said.data, said.len, "IP ACL", 6))
            return "this address is blocked: add it to the IP access list";
        if (c->body.numeric)
            return "the gateway refuses: check the token and the IP access list";
        return c->words->grant ? c->words->grant : "a privilege is missing";
    case CLASS_MISSING:
        return c->words->missing ? c->words->missing : "it does not exist";
    case CLASS_LIMIT:
        return "too many requests: slowing down";
    case CLASS_QUOTA:
        return "a quota of the workspace is used up: raise it, or make room";
    case CLASS_NONE:
    case CLASS_NETWORK:
    case CLASS_TLS:
    case CLASS_BAD:
    case CLASS_EXISTS:
    case CLASS_ABORTED:
    case CLASS_SERVER:
    case CLASS_LOCAL:
        break;
    }
    return "";
}

/* The server's words: of the body, else of the header, else where it wants us to go. */
static struct span words_of(struct context *c)
{
    const struct http_answer *a = c->answer;

    if (c->body.words.len == 0)
        (void)buf_add_text(&c->body.words, a->phrase[0] ? a->phrase : a->location);
    return (struct span){c->body.words.data ? c->body.words.data : "", c->body.words.len};
}

/* The gateway says 403 also to an access token that is expired, revoked or not known (any more),
 * and then with a number for a code, with a page or, to a HEAD, with nothing; where it only says
 * that a privilege is missing, or which address it blocks, another token of the same principal
 * changes nothing. */
static bool about_token(const struct context *c, struct span words)
{
    if (c->answer->status != 403)
        return c->answer->status == 401;
    if (words.len == 0)
        return !c->body.code[0] || c->body.numeric;
    if (memmem(words.data, words.len, "IP ACL", 6))
        return false;
    return c->body.numeric || memmem(words.data, words.len, "token", 5) ||
           memmem(words.data, words.len, "Token", 5);
}

static bool judge_answer(struct context *c, struct api_error *ret, struct err *err)
{
    const struct http_answer *a = c->answer;
    struct span words = words_of(c);
    char code[sizeof(ret->code) + 8], id[sizeof(ret->request_id) + 16] = "";
    const char *help;
    struct buf shown;

    if (c->hide && words.len)
        c->hide(c->hide_arg, c->body.words.data, c->body.words.len);
    ret->class = answer_class(c, words);
    ret->about_token = about_token(c, words);
    ret->names_item = c->words->item && words.len &&
                      memmem(words.data, words.len, c->words->item, strlen(c->words->item));
    help = advice(c, ret->class);
    (void)snprintf(
        code, sizeof(code), "%s", ret->code[0] && !c->body.numeric ? ret->code : a->reason);
    if (c->hide)
        c->hide(c->hide_arg, code, strlen(code));
    if (ret->request_id[0])
        (void)snprintf(id, sizeof(id), " [request %s]", ret->request_id);
    buf_init(&shown, 1024);
    (void)buf_printf(&shown, "%s: %d%s", c->words->what, a->status, code[0] ? " " : "");
    (void)redact_add(&shown, span_of(code), sizeof(code));
    (void)buf_printf(&shown, "%s%s", help[0] ? ": " : "", help);
    (void)redact_add(&shown, span_of(id), sizeof(id));
    if (words.len) {
        (void)buf_add_text(&shown, ": '");
        (void)redact_add(&shown, words, REDACT_WORDS_MAX);
        (void)buf_add_text(&shown, "'");
    }
    err_set(err, kind_of(ret->class), a->status, "%s", buf_text(&shown));
    buf_done(&shown);
    return false;
}

static void facts(struct context *c, struct api_error *ret)
{
    const struct http_answer *a = c->answer;
    int64_t us;

    memcpy(ret->code, c->body.code, sizeof(ret->code));
    memcpy(ret->reason, c->body.reason, sizeof(ret->reason));
    (void)str_copy(ret->request_id, sizeof(ret->request_id),
        c->body.request_id[0] ? c->body.request_id : a->request_id);
    ret->retry_after_us = c->body.retry_after_us;
    if (retry_after_parse(span_of(a->retry_after), span_of(a->date), clock_wall_us(), &us) &&
        us > ret->retry_after_us)
        ret->retry_after_us = us;
    if (c->hide) {
        c->hide(c->hide_arg, ret->code, strlen(ret->code));
        c->hide(c->hide_arg, ret->reason, strlen(ret->reason));
        c->hide(c->hide_arg, ret->request_id, strlen(ret->request_id));
    }
}

bool error_judge(const struct http_answer *answer, const struct error_words *words,
    error_hide *hide, const void *hide_arg, struct api_error *ret, struct err *err)
{
    struct context c = {answer, words, hide, hide_arg, {.code = ""}};
    bool html = is_html(answer->type);
    bool ok = false;

    *ret = (struct api_error){.status = answer->status, .retry_after_us = -1};
    if (answer->local.kind != ERR_NONE) {
        ret->class = CLASS_LOCAL;
        *err = answer->local;
        return err_wrap(err, "%s", words->what);
    }
    if (answer->curl != CURLE_OK)
        return judge_curl(&c, ret, err);
    if (answer->status / 100 == 2 && !html)
        return true;
    error_body_read((struct span){answer->body.data, answer->body.len}, html, &c.body);
    facts(&c, ret);
    ok = judge_answer(&c, ret, err);
    error_body_done(&c.body);
    return ok;
}
