#include "config/profile.h"

#include <ini.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 198 /* inih's buffer holds so many, a newline and the NUL */
#define NAME_MAX_BYTES 49  /* inih cuts longer names without a word */

/* The text, given to inih line by line. It has its own ideas about lines that begin with a blank
 * (they go on with the value before) and about long ones (cut), so both are dealt with here. */
struct source {
    const char *at, *end;
    int line;
    const char *wrong; /* the first thing wrong, and where */
    int wrong_line;
};

struct pick {
    const char *section; /* the one to take; NULL: only look for default_profile */
    struct profile *profile;
    char default_profile[50];
    bool found;
    const char *wrong;
};

static void complain(struct source *s, const char *wrong)
{
    if (s->wrong)
        return;
    s->wrong = wrong;
    s->wrong_line = s->line;
}

static const char *line_wrong(struct span line)
{
    size_t name;

    if (memchr(line.data, '\0', line.len))
        return "has a NUL byte";
    if (line.len > LINE_MAX_BYTES)
        return "is longer than 198 bytes; put a long secret into a file of its own";
    if (line.data[0] == '[') {
        const char *end = memchr(line.data, ']', line.len);

        if (!end)
            return "begins a section without a ]";
        return end - line.data - 1 > NAME_MAX_BYTES ? "has a section name of more than 49 bytes"
                                                    : NULL;
    }
    for (name = 0; name < line.len && line.data[name] != '=' && line.data[name] != ':'; name++)
        ;
    if (name == line.len)
        return "has no =";
    if (span_trim((struct span){line.data, name}).len > NAME_MAX_BYTES)
        return "has a key of more than 49 bytes";
    return NULL;
}

static char *next_line(char *out, int size, void *context)
{
    struct source *s = context;
    struct span line;
    const char *end;

    if (s->at == s->end)
        return NULL;
    end = memchr(s->at, '\n', (size_t)(s->end - s->at));
    line = (struct span){s->at, (size_t)((end ? end : s->end) - s->at)};
    s->at = end ? end + 1 : s->end;
    s->line++;
    line = span_trim(line);
    if (line.len && (line.data[0] == ';' || line.data[0] == '#'))
        line.len = 0;
    if (line.len && line_wrong(line)) {
        complain(s, line_wrong(line));
        line.len = 0;
    } else if (line.len + 2 > (size_t)size) {
        complain(s, "is too long for this build of libinih");
        line.len = 0;
    }
    if (line.len > 0)
        memcpy(out, line.data, line.len);
    out[line.len] = '\n';
    out[line.len + 1] = '\0';
    return out;
}

/* Takes the quotes off. False: one is missing, so inih may have cut the value at a ` ;`. */
static bool unquote(struct span *value)
{
    char quote;

    *value = span_trim(*value);
    if (value->len == 0 || (value->data[0] != '"' && value->data[0] != '\''))
        return true;
    quote = value->data[0];
    for (size_t i = 1; i < value->len; i++) {
        struct span rest = {value->data + i + 1, value->len - i - 1};

        if (value->data[i] != quote)
            continue;
        rest = span_trim(rest);
        if (rest.len && rest.data[0] != '#' && rest.data[0] != ';')
            return false;
        *value = (struct span){value->data + 1, i - 1};
        return true;
    }
    return false;
}

static struct span without_comment(struct span value)
{
    for (size_t i = 1; i < value.len; i++)
        if (value.data[i] == '#' && (value.data[i - 1] == ' ' || value.data[i - 1] == '\t'))
            return span_trim((struct span){value.data, i});
    return value;
}

static bool put(struct profile *p, const char *name, struct span value)
{
    struct profile_key *key = NULL;
    char *copy;

    for (size_t i = 0; i < p->count && !key; i++)
        if (strcmp(p->keys[i].name, name) == 0)
            key = &p->keys[i];
    if (value.len == 0)
        return true;
    copy = malloc(value.len + 1);
    if (!copy || (!key && p->count == PROFILE_KEYS_MAX)) {
        free(copy);
        return false;
    }
    memcpy(copy, value.data, value.len);
    copy[value.len] = '\0';
    if (!key) {
        key = &p->keys[p->count++];
        (void)str_copy(key->name, sizeof(key->name), name);
    } else {
        explicit_bzero(key->value, strlen(key->value));
        free(key->value);
    }
    key->value = copy;
    return true;
}

/* For inih: 1 goes on, 0 makes this line an error. */
static int on_key(void *context, const char *section, const char *name, const char *text)
{
    struct pick *pick = context;
    struct span value = span_of(text);
    bool quoted;

    if (!pick->section) {
        if (strcmp(section, "__settings__") != 0 || strcmp(name, "default_profile") != 0)
            return 1;
    } else if (strcmp(section, pick->section) != 0) {
        return 1;
    }
    quoted = value.len && (value.data[0] == '"' || value.data[0] == '\'');
    if (!unquote(&value)) {
        pick->wrong = "has a quote that is not closed, or text behind it";
        return 0;
    }
    if (!quoted)
        value = without_comment(value);
    if (!pick->section) {
        if (value.len >= sizeof(pick->default_profile)) {
            pick->wrong = "has a profile name of more than 49 bytes";
            return 0;
        }
        memcpy(pick->default_profile, value.data, value.len);
        pick->default_profile[value.len] = '\0';
        return 1;
    }
    pick->found = true;
    if (!put(pick->profile, name, value)) {
        pick->wrong = "is one key too many";
        return 0;
    }
    return 1;
}

static bool run(struct span text, struct pick *pick, struct err *err)
{
    struct source s = {.at = text.data, .end = text.data + text.len};
    int line = ini_parse_stream(next_line, &s, on_key, pick);

    if (s.wrong)
        return err_set(err, ERR_INPUT, 0, "line %d %s", s.wrong_line, s.wrong);
    if (line < 0)
        return err_set(err, ERR_FULL, 0, "no memory to read it");
    if (line > 0)
        return err_set(
            err, ERR_INPUT, 0, "line %d %s", line, pick->wrong ? pick->wrong : "cannot be read");
    return true;
}

/* A section without keys is not told by inih, but it is there. */
static bool has_section(struct span text, const char *name)
{
    size_t len = strlen(name);

    while (text.len) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t taken = end ? (size_t)(end - text.data) + 1 : text.len;
        struct span line = span_trim((struct span){text.data, taken});

        if (line.len >= len + 2 && line.data[0] == '[' && line.data[len + 1] == ']' &&
            memcmp(line.data + 1, name, len) == 0)
            return true;
        text = (struct span){text.data + taken, text.len - taken};
    }
    return false;
}

bool profile_parse(struct span text, const char *wanted, struct profile *ret, struct err *err)
{
    struct profile profile = {0};
    struct pick pick = {.profile = &profile};
    bool must = true;

    if (span_starts(text, "\xEF\xBB\xBF"))
        text = (struct span){text.data + 3, text.len - 3};
    if (!wanted) {
        if (!run(text, &pick, err))
            return false;
        must = pick.default_profile[0] != '\0';
        wanted = must ? pick.default_profile : "DEFAULT";
    }
    if (strcmp(wanted, "__settings__") == 0)
        return err_set(err, ERR_INPUT, 0, "[__settings__] is not a profile");
    pick.section = wanted;
    if (!run(text, &pick, err)) {
        profile_done(&profile);
        return false;
    }
    if (!pick.found && must && !has_section(text, wanted))
        return err_set(err, ERR_INPUT, 0, "it has no profile [%s]", wanted);
    if (pick.found)
        (void)str_copy(profile.name, sizeof(profile.name), wanted);
    *ret = profile;
    return true;
}

void profile_done(struct profile *p)
{
    for (size_t i = 0; i < p->count; i++) {
        explicit_bzero(p->keys[i].value, strlen(p->keys[i].value));
        free(p->keys[i].value);
    }
    *p = (struct profile){0};
}

const char *profile_get(const struct profile *p, const char *key)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->keys[i].name, key) == 0)
            return p->keys[i].value;
    return NULL;
}
