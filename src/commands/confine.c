/* What a run gives up, in the order of durability.md 16. */
#include "commands/confine.h"

#include "base/log.h"
#include "base/str.h"
#include "commands/options.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The sanitizers start a process of their own at the end and look at what they please. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define PLACES_MAX 64U

/* What libraries read when they please: names and addresses, certificates, modules of the resolver,
 * the number of processors. /etc whole: its files are replaced by renaming, and a rule is bound to a
 * file, not to a name. The resolver's may be links to the others. */
static const char *const system_places[] = {"/etc", "/usr", "/lib", "/lib64", "/proc/self",
    "/dev/null", "/dev/urandom", "/sys/devices/system/cpu", "/run/systemd/resolve",
    "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/var/lib/ca-certificates"};

struct places {
    struct sandbox_place items[PLACES_MAX];
    char texts[PLACES_MAX][PATH_MAX];
    size_t count;
};

void confine_start(void)
{
    options_guard_secrets();
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)umask(077);
}

/* --- where --- */

static void add(struct places *p, const char *path, bool write)
{
    if (p->count == PLACES_MAX || !str_copy(p->texts[p->count], PATH_MAX, path))
        return;
    p->items[p->count] = (struct sandbox_place){.path = p->texts[p->count], .write = write};
    p->count++;
}

/* A secret is rotated by renaming a new file, or a link to it, over the old one: so the directory
 * it lies in, not the file. In the root directory only the file: else everything could be read. */
static void add_directory_of(struct places *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];

    if (!slash)
        add(p, ".", false);
    else if (slash == path)
        add(p, path, false);
    else if (str_copy(directory, sizeof(directory), path)) {
        directory[slash - path] = '\0';
        add(p, directory, false);
    }
}

static void add_file(struct places *p, const char *path)
{
    char real[PATH_MAX];

    add_directory_of(p, path);
    if (realpath(path, real) && strcmp(real, path) != 0)
        add_directory_of(p, real);
}

static void find_places(struct places *p, const struct config *config, const char *state_dir)
{
    const char *path;

    p->count = 0;
    add(p, state_dir, true);
    for (size_t i = 0; i < sizeof(system_places) / sizeof(system_places[0]); i++)
        add(p, system_places[i], false);
    add_file(p, "/etc/resolv.conf");
    for (size_t i = 0; (path = config_file_get(config, i)); i++)
        add_file(p, path);
}

/* --- capabilities --- */

#define OVERRIDE (UINT64_C(1) << CAP_DAC_OVERRIDE)
#define READ_ANY (UINT64_C(1) << CAP_DAC_READ_SEARCH)

static bool files_in_reach(const struct config *config)
{
    const char *path;

    for (size_t i = 0; (path = config_file_get(config, i)); i++)
        if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
            return false;
    return true;
}

/* What root, once it may not read and write everything, has to keep because the state directory or
 * a secret belongs to somebody else. Asked with all capabilities at rest. */
static uint64_t needed(const struct config *config, const char *state_dir, uint64_t held)
{
    if (faccessat(AT_FDCWD, state_dir, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return held & OVERRIDE;
    if (!files_in_reach(config))
        return held & READ_ANY ? READ_ANY : held & OVERRIDE;
    return 0;
}

/* "none", or what had to stay. */
static const char *drop_capabilities(const struct config *config, const char *state_dir)
{
    uint64_t held = sandbox_capabilities(), keep = 0;
    struct err err;

    if (held) {
        sandbox_rest_capabilities();
        keep = needed(config, state_dir, held);
    }
    if (!sandbox_keep_capabilities(keep, &err)) {
        LOG_WARN("sandbox_failed", LOG_TEXT("error", err.text));
        return "kept";
    }
    return keep & OVERRIDE ? "dac_override" : keep & READ_ANY ? "dac_read_search" : "none";
}

/* --- files and calls --- */

static const char *result_text(enum sandbox_result result, const struct err *err)
{
    if (result == SANDBOX_FAILED)
        LOG_WARN("sandbox_failed", LOG_TEXT("error", err->text));
    return result == SANDBOX_ON ? "on" : result == SANDBOX_ABSENT ? "absent" : "failed";
}

static const char *confine_files(const struct config *config, const char *state_dir)
{
    static char text[32];
    struct places *places = malloc(sizeof(*places));
    enum sandbox_result result;
    struct err err;
    int abi = 0;

    if (!places)
        return "no memory";
    find_places(places, config, state_dir);
    result = sandbox_files(places->items, places->count, &abi, &err);
    free(places);
    if (result != SANDBOX_ON)
        return result_text(result, &err);
    (void)snprintf(text, sizeof(text), "version %d", abi);
    return text;
}

static const char *confine_to_calls(void)
{
    struct sandbox_call *calls = calloc(SANDBOX_CALLS_MAX, sizeof(*calls));
    const uint32_t *absent;
    enum sandbox_result result;
    uint32_t unknown_from;
    struct err err;
    size_t count;

    if (!calls)
        return "no memory";
    count = confine_calls(calls, &absent, &unknown_from);
    result = sandbox_calls(calls, count, absent, unknown_from, &err);
    free(calls);
    return result_text(result, &err);
}

static void limit_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max <= CONFINE_DESCRIPTORS)
        return;
    files = (struct rlimit){CONFINE_DESCRIPTORS, CONFINE_DESCRIPTORS};
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

void confine(const struct config *config, const char *state_dir)
{
    const char *capabilities, *landlock, *seccomp;

    limit_descriptors();
    if (!config_settings(config)->sandbox) {
        LOG_WARN("sandbox_off", LOG_TEXT("do", "remove the setting sandbox=no when it is not "
                                               "needed any more"));
        return;
    }
    capabilities = drop_capabilities(config, state_dir);
    landlock = confine_files(config, state_dir);
    seccomp = SANITIZED ? "left out" : confine_to_calls();
    LOG_INFO("sandbox", LOG_TEXT("capabilities", capabilities), LOG_TEXT("landlock", landlock),
        LOG_TEXT("seccomp", seccomp));
}
