#include "journal/medium.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES 4096U
#define UNREADABLE_BYTE 0xdb

bool medium_is_bad(const struct err *err)
{
    return err->code == EIO || err->code == EBADMSG || err->code == EUCLEAN;
}

bool medium_read_twice(
    int fd, uint64_t offset, void *out, size_t len, size_t *ret_read, struct err *err)
{
    return file_read_at(fd, offset, out, len, ret_read, err) ||
           (medium_is_bad(err) && file_read_at(fd, offset, out, len, ret_read, err));
}

bool medium_read(int fd, uint64_t offset, uint8_t *out, size_t size, uint64_t left,
    size_t *ret_read, bool *ret_unreadable, struct err *err)
{
    size_t want = left < size ? (size_t)left : size;

    if (file_read_at(fd, offset, out, size, ret_read, err))
        return true;
    if (!medium_is_bad(err))
        return false;
    for (size_t done = 0; done < want;) {
        size_t len = want - done < PIECE_BYTES ? want - done : PIECE_BYTES, n = 0;

        if (!medium_read_twice(fd, offset + done, out + done, len, &n, err)) {
            if (!medium_is_bad(err))
                return false;
            memset(out + done, UNREADABLE_BYTE, len);
            *ret_unreadable = true;
            n = len;
        }
        done += n;
        if (n < len)
            want = done; /* the file became shorter */
    }
    *ret_read = want;
    return true;
}
