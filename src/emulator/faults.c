#include "emulator/faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "emulator/path.h"

#define RULES_MAX 64U
#define NO_END UINT64_MAX
#define DELAY_MAX_US (INT64_C(3600) * 1000000)

struct rule {
    char method[16];
    char path[FAULT_RULE_MAX];
    struct fault_action action;
    uint64_t after; /* matching requests to let pass yet */
    uint64_t left;  /* hits to come; NO_END */
    uint64_t matched, hits;
    double probability;
    uint64_t seed;
    struct rng rng;
};

struct faults {
    pthread_mutex_t lock;
    struct rule *rules[RULES_MAX];
    size_t count;
};

struct faults *faults_new(struct err *err)
{
    struct faults *faults = calloc(1, sizeof(*faults));

    if (!faults) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for faults");
        return NULL;
    }
    (void)pthread_mutex_init(&faults->lock, NULL);
    return faults;
}

void faults_clear(struct faults *faults)
{
    (void)pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++)
        free(faults->rules[i]);
    faults->count = 0;
    (void)pthread_mutex_unlock(&faults->lock);
}

void faults_free(struct faults *faults)
{
    if (!faults)
        return;
    faults_clear(faults);
    (void)pthread_mutex_destroy(&faults->lock);
    free(faults);
}

/* --- the words of a rule --- */

/* The next word at *at, quotes resolved, into out (FAULT_RULE_MAX). 0: no more; -1: bad quotes. */
static int next_word(struct span line, size_t *at, char out[FAULT_RULE_MAX])
{
    bool quoted = false;
    size_t len = 0;

    while (*at < line.len && (line.data[*at] == ' ' || line.data[*at] == '\t'))
        (*at)++;
    if (*at == line.len)
        return 0;
    for (; *at < line.len; (*at)++) {
        char c = line.data[*at];

        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (!quoted && (c == ' ' || c == '\t'))
            break;
        if (quoted && c == '\\' && *at + 1 < line.len) {
            c = line.data[++*at];
            c = c == 'n' ? '\n' : c;
        }
        out[len++] = c; /* never longer than the line, which is shorter than FAULT_RULE_MAX */
    }
    out[len] = '\0';
    return quoted ? -1 : 1;
}

static bool parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t value;

    if (!str_u64(span_of(text), &value) || value > max)
        return false;
    *ret = value;
    return true;
}

static bool parse_status(const char *text, struct rule *rule)
{
    uint64_t value;

    if (!parse_u64(text, 599, &value) || value < 200)
        return false;
    rule->action.status = (int)value;
    return true;
}

/* "500ms", "2s", "30us". */
static bool parse_time(const char *text, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    size_t digits = strspn(text, "0123456789");
    uint64_t value;

    if (!str_u64((struct span){text, digits}, &value))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) != 0)
            continue;
        if (value > (uint64_t)(DELAY_MAX_US / units[i].us))
            return false;
        *ret = (int64_t)value * units[i].us;
        return true;
    }
    return false;
}

static bool parse_delay(const char *text, struct rule *rule)
{
    return parse_time(text, &rule->action.delay_us);
}

static bool parse_slow(const char *text, struct rule *rule)
{
    return parse_time(text, &rule->action.slow_us);
}

static bool parse_cut(const char *text, struct rule *rule)
{
    struct fault_action *act = &rule->action;

    act->cut_bytes = FAULT_CUT_HALF;
    if (strcmp(text, "before") == 0)
        act->cut = FAULT_CUT_BEFORE;
    else if (strcmp(text, "after") == 0)
        act->cut = FAULT_CUT_AFTER;
    else if (strcmp(text, "inside") == 0)
        act->cut = FAULT_CUT_INSIDE;
    else if (strncmp(text, "inside:", 7) == 0 &&
             parse_u64(text + 7, FAULT_CUT_HALF - 1, &act->cut_bytes))
        act->cut = FAULT_CUT_INSIDE;
    else
        return false;
    return true;
}

/* Header bytes that could start a new line would let a rule write more than one header. */
static bool parse_header(const char *text, struct rule *rule)
{
    struct fault_action *act = &rule->action;
    const char *colon = strchr(text, ':');
    char *slot;

    if (!colon || colon == text || strlen(text) >= sizeof(act->header[0]) ||
        strpbrk(text, "\r\n") || act->header_count == FAULT_HEADERS_MAX)
        return false;
    slot = act->header[act->header_count++];
    memcpy(slot, text, strlen(text) + 1);
    slot[colon - text] = '\0';
    return strpbrk(slot, " \t") == NULL;
}

static bool parse_retry_after(const char *text, struct rule *rule)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "Retry-After: %s", text);

    return n > 0 && (size_t)n < sizeof(line) && *text && parse_header(line, rule);
}

static bool parse_head_length(const char *text, struct rule *rule)
{
    int64_t value;

    if (!str_i64(span_of(*text == '+' ? text + 1 : text), &value) || value == 0 ||
        value > INT64_C(1) << 40 || value < -(INT64_C(1) << 40))
        return false;
    rule->action.head_delta = value;
    return true;
}

/* "0.25"; digits and one point only, so the locale plays no part. */
static bool parse_probability(const char *text, struct rule *rule)
{
    double value = 0, place = 1;
    bool point = false;

    if (!*text || strlen(text) > 12)
        return false;
    for (const char *p = text; *p; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        place = point ? place / 10 : place;
        value = point ? value + (*p - '0') * place : value * 10 + (*p - '0');
    }
    rule->probability = value;
    return value <= 1;
}

static bool parse_body(const char *text, struct rule *rule)
{
    rule->action.has_body = true;
    return str_copy(rule->action.body, sizeof(rule->action.body), text);
}

static bool parse_error_code(const char *text, struct rule *rule)
{
    return str_copy(rule->action.error_code, sizeof(rule->action.error_code), text);
}

static bool parse_message(const char *text, struct rule *rule)
{
    return str_copy(rule->action.message, sizeof(rule->action.message), text);
}

static bool parse_count(const char *text, struct rule *rule)
{
    if (strcmp(text, "all") == 0) {
        rule->left = NO_END;
        return true;
    }
    return parse_u64(text, NO_END - 1, &rule->left) && rule->left > 0;
}

static bool parse_after(const char *text, struct rule *rule)
{
    return parse_u64(text, UINT64_MAX, &rule->after);
}

static bool parse_seed(const char *text, struct rule *rule)
{
    return parse_u64(text, UINT64_MAX, &rule->seed);
}

static const struct {
    const char *key;
    bool (*parse)(const char *value, struct rule *rule);
} values[] = {
    {"status", parse_status},
    {"body", parse_body},
    {"error_code", parse_error_code},
    {"message", parse_message},
    {"header", parse_header},
    {"retry-after", parse_retry_after},
    {"delay", parse_delay},
    {"slow", parse_slow},
    {"cut", parse_cut},
    {"head-length", parse_head_length},
    {"count", parse_count},
    {"after", parse_after},
    {"probability", parse_probability},
    {"seed", parse_seed},
};

/* Words that stand for an answer of the service. */
static const struct {
    const char *word;
    int status;
    const char *code, *message;
} shorthands[] = {
    {"limit", 400, "REQUEST_LIMIT_EXCEEDED", ""},
    {"quota", 400, "QUOTA_EXCEEDED", "The quota of this workspace is used up."},
    {"missing", 404, "RESOURCE_DOES_NOT_EXIST", "It does not exist."},
    {"denied", 403, "PERMISSION_DENIED", "User does not have the permission for this."},
};

static bool parse_shorthand(const char *word, struct fault_action *act)
{
    for (size_t i = 0; i < sizeof(shorthands) / sizeof(shorthands[0]); i++) {
        if (strcmp(word, shorthands[i].word) != 0)
            continue;
        act->status = act->status ? act->status : shorthands[i].status;
        (void)str_copy(act->error_code, sizeof(act->error_code), shorthands[i].code);
        if (!act->message[0])
            (void)str_copy(act->message, sizeof(act->message), shorthands[i].message);
        return true;
    }
    return false;
}

/* The words without a value. */
static bool parse_flag(const char *word, struct rule *rule)
{
    struct fault_action *act = &rule->action;
    struct {
        const char *word;
        bool *flag;
    } flags[] = {
        {"numeric", &act->numeric},
        {"lose", &act->lose},
        {"string-expiry", &act->string_expiry},
        {"html", &act->html},
        {"empty-page", &act->empty_page},
        {"duplicate", &act->duplicate},
        {"stale", &act->stale},
        {"fail", &act->fail},
    };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].word) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    if (strcmp(word, "401-once") == 0) {
        act->status = 401;
        act->numeric = true;
        rule->left = 1;
        return str_copy(act->message, sizeof(act->message), "Token is expired.");
    }
    return parse_shorthand(word, act);
}

static bool parse_word(const char *word, struct rule *rule, struct err *err)
{
    const char *equals = strchr(word, '=');

    if (!equals)
        return parse_flag(word, rule) ||
               err_set(err, ERR_INPUT, 0, "fault rule: unknown word '%.60s'", word);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct span key = {word, (size_t)(equals - word)};

        if (span_is(key, values[i].key))
            return values[i].parse(equals + 1, rule) ||
                   err_set(err, ERR_INPUT, 0, "fault rule: bad value in '%.60s'", word);
    }
    return err_set(err, ERR_INPUT, 0, "fault rule: unknown word '%.60s'", word);
}

/* Fills in what other words imply, and refuses what says nothing. */
static bool finish_rule(struct rule *rule, struct err *err)
{
    struct fault_action *act = &rule->action;

    if (!act->status && act->html)
        act->status = 200;
    if (!act->status && act->numeric) {
        act->status = 403;
        if (!act->message[0])
            (void)str_copy(act->message, sizeof(act->message), "Invalid access token.");
    }
    if (!act->status && (act->has_body || act->error_code[0] || (act->message[0] && !act->fail)))
        return err_set(err, ERR_INPUT, 0, "fault rule: body, codes and texts need status=");
    if (!act->status && !act->lose && !act->cut && !act->delay_us && !act->head_delta &&
        !act->string_expiry && !act->header_count && !act->empty_page && !act->duplicate &&
        !act->stale && !act->fail && !act->slow_us)
        return err_set(err, ERR_INPUT, 0, "fault rule: it says nothing to do");
    if (act->cut && (act->lose || act->status))
        return err_set(err, ERR_INPUT, 0, "fault rule: cut goes with neither lose nor status");
    rng_seed(&rule->rng, rule->seed);
    return true;
}

static bool parse_method(const char *word, struct rule *rule)
{
    size_t len = strlen(word);

    return (strcmp(word, "*") == 0 ||
               (len > 0 && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len)) &&
           str_copy(rule->method, sizeof(rule->method), word);
}

static bool parse_rule(struct span line, struct rule *rule, struct err *err)
{
    char word[FAULT_RULE_MAX];
    size_t at = 0;
    int got;

    if (line.len >= FAULT_RULE_MAX)
        return err_set(err, ERR_INPUT, 0, "fault rule: longer than %d bytes", FAULT_RULE_MAX - 1);
    if (memchr(line.data, '\0', line.len))
        return err_set(err, ERR_INPUT, 0, "fault rule: a NUL inside");
    memcpy(rule->action.rule, line.data, line.len);
    if (next_word(line, &at, word) != 1 || !parse_method(word, rule))
        return err_set(err, ERR_INPUT, 0, "fault rule: starts with a method in capitals, or '*'");
    if (next_word(line, &at, word) != 1 || (word[0] != '/' && word[0] != '*'))
        return err_set(err, ERR_INPUT, 0, "fault rule: a path follows the method");
    (void)str_copy(rule->path, sizeof(rule->path), word);
    while ((got = next_word(line, &at, word)) == 1) {
        if (!parse_word(word, rule, err))
            return false;
    }
    if (got < 0)
        return err_set(err, ERR_INPUT, 0, "fault rule: a quote is not closed");
    return finish_rule(rule, err);
}

static bool add_line(struct rule **list, size_t *count, struct span line, struct err *err)
{
    struct rule *rule;

    line = span_trim(line);
    if (line.len == 0 || line.data[0] == '#')
        return true;
    if (*count == RULES_MAX)
        return err_set(err, ERR_FULL, 0, "more than %u fault rules", RULES_MAX);
    rule = calloc(1, sizeof(*rule));
    if (!rule)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a fault rule");
    rule->left = NO_END;
    rule->probability = 1;
    rule->seed = 1;
    list[(*count)++] = rule;
    return parse_rule(line, rule, err);
}

bool faults_add(struct faults *faults, struct span rules, struct err *err)
{
    struct rule *list[RULES_MAX];
    size_t count = 0, at = 0;
    bool ok = true;

    while (ok && at < rules.len) {
        const char *end = memchr(rules.data + at, '\n', rules.len - at);
        size_t stop = end ? (size_t)(end - rules.data) : rules.len;

        ok = add_line(list, &count, (struct span){rules.data + at, stop - at}, err);
        at = stop + 1;
    }
    (void)pthread_mutex_lock(&faults->lock);
    if (ok && count > RULES_MAX - faults->count)
        ok = err_set(err, ERR_FULL, 0, "more than %u fault rules", RULES_MAX);
    if (ok && count) {
        memcpy(faults->rules + faults->count, list, count * sizeof(list[0]));
        faults->count += count;
    }
    (void)pthread_mutex_unlock(&faults->lock);
    for (size_t i = 0; !ok && i < count; i++)
        free(list[i]);
    return ok;
}

/* --- a request --- */

static bool rule_matches(const struct rule *rule, const char *method, const char *path)
{
    return rule->left > 0 && (rule->method[0] == '*' || strcmp(rule->method, method) == 0) &&
           path_glob(span_of(rule->path), span_of(path));
}

static bool rule_hits(struct rule *rule)
{
    rule->matched++;
    if (rule->after > 0) {
        rule->after--;
        return false;
    }
    if (rule->probability < 1 && rng_unit(&rule->rng) >= rule->probability)
        return false;
    rule->hits++;
    if (rule->left != NO_END)
        rule->left--;
    return true;
}

bool faults_hit(
    struct faults *faults, const char *method, const char *path, struct fault_action *ret)
{
    bool hit = false;

    (void)pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count && !hit; i++) {
        struct rule *rule = faults->rules[i];

        hit = rule_matches(rule, method, path) && rule_hits(rule);
        if (hit)
            *ret = rule->action;
    }
    (void)pthread_mutex_unlock(&faults->lock);
    return hit;
}

void faults_print(struct faults *faults, struct json_out *json)
{
    json_out_object(json);
    json_key(json, "faults");
    json_out_array(json);
    (void)pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        const struct rule *rule = faults->rules[i];

        json_out_object(json);
        json_key_text(json, "rule", rule->action.rule);
        json_key_uint(json, "matched", rule->matched);
        json_key_uint(json, "hits", rule->hits);
        if (rule->left != NO_END)
            json_key_uint(json, "left", rule->left);
        json_out_object_end(json);
    }
    (void)pthread_mutex_unlock(&faults->lock);
    json_out_array_end(json);
    json_out_object_end(json);
}
