#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 65536

struct secret {
    size_t size; /* of the mapping */
    size_t len;
    char bytes[];
};

static struct secret *make(size_t len, struct err *err)
{
    size_t size = sizeof(struct secret) + len;
    struct secret *secret;

    if (len > SECRET_MAX) {
        err_set(err, ERR_FULL, 0, "a secret of %zu bytes is longer than %d", len, SECRET_MAX);
        return NULL;
    }
    secret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED) {
        err_sys(err, ERR_FULL, "memory for a secret");
        return NULL;
    }
    /* Best effort: a small RLIMIT_MEMLOCK must not stop the program. */
    (void)mlock(secret, size);
    (void)madvise(secret, size, MADV_DONTDUMP);
    secret->size = size;
    secret->len = len;
    return secret;
}

struct secret *secret_new(struct span value, struct err *err)
{
    struct secret *secret = make(value.len, err);

    if (secret && value.len)
        memcpy(secret->bytes, value.data, value.len);
    return secret;
}

struct secret *secret_copy(const struct secret *secret, struct err *err)
{
    return secret_new(secret_reveal(secret), err);
}

struct secret *secret_from_env(const char *name, struct err *err)
{
    char *value = getenv(name);
    struct secret *secret;
    size_t len;

    err_clear(err);
    if (!value || !*value)
        return NULL;
    len = strlen(value);
    secret = secret_new((struct span){value, len}, err);
    /* The string lies in the process's own environment block, which /proc shows. */
    explicit_bzero(value, len);
    (void)unsetenv(name);
    return secret;
}

static struct secret *read_all(int fd, const char *path, struct err *err)
{
    struct secret *secret = make(SECRET_MAX, err);
    size_t len = 0;

    while (secret) {
        char extra;
        ssize_t n = len < SECRET_MAX ? read(fd, secret->bytes + len, SECRET_MAX - len)
                                     : read(fd, &extra, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_sys(err, ERR_DENIED, "read secret file '%s'", path);
        } else if (n > 0 && len == SECRET_MAX) {
            err_set(err, ERR_INPUT, 0, "secret file '%s' is longer than 64 KiB", path);
        } else if (n > 0) {
            len += (size_t)n;
            continue;
        } else {
            if (len && secret->bytes[len - 1] == '\n')
                len--;
            if (len && secret->bytes[len - 1] == '\r')
                len--;
            secret->len = len;
            if (len)
                return secret;
            err_set(err, ERR_INPUT, 0, "secret file '%s' is empty", path);
        }
        secret_free(secret);
        secret = NULL;
    }
    return NULL;
}

struct secret *secret_from_file(const char *path, bool *ret_exposed, struct err *err)
{
    struct secret *secret = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        err_sys(err, ERR_DENIED, "open secret file '%s'", path);
        return NULL;
    }
    if (fstat(fd, &st) < 0)
        err_sys(err, ERR_DENIED, "stat secret file '%s'", path);
    else if (S_ISDIR(st.st_mode))
        err_set(err, ERR_INPUT, 0, "secret file '%s' is a directory", path);
    else if (st.st_mode & S_IWOTH)
        err_set(err, ERR_DENIED, 0, "secret file '%s' may be written by anybody: chmod o-w", path);
    else
        secret = read_all(fd, path, err);
    if (secret)
        *ret_exposed = (st.st_mode & S_IROTH) != 0;
    (void)close(fd);
    return secret;
}

void secret_free(struct secret *secret)
{
    size_t size;

    if (!secret)
        return;
    size = secret->size;
    explicit_bzero(secret, size);
    (void)munmap(secret, size);
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    volatile unsigned char difference = 0;

    if (!a || !b || a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        difference = (unsigned char)(difference | (a->bytes[i] ^ b->bytes[i]));
    return difference == 0;
}

struct span secret_reveal(const struct secret *secret)
{
    return (struct span){secret->bytes, secret->len};
}
