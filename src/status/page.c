#include "status/page.h"

#include <errno.h>

#define ZLIB_CONST
#include <zlib.h>

#define GZIP_WINDOW (16 + MAX_WBITS)

bool page_text(struct buf *ret, struct err *err)
{
    z_stream z = {.next_in = status_page, .avail_in = (uInt)status_page_bytes};
    bool whole = false;

    buf_init(ret, PAGE_BYTES_MAX);
    z.next_out = (Bytef *)buf_reserve(ret, PAGE_BYTES_MAX);
    z.avail_out = PAGE_BYTES_MAX;
    if (z.next_out && inflateInit2(&z, GZIP_WINDOW) == Z_OK) {
        whole = inflate(&z, Z_FINISH) == Z_STREAM_END;
        ret->len = z.total_out;
        (void)inflateEnd(&z);
    }
    if (whole)
        return true;
    buf_done(ret);
    return err_set(err, ERR_FULL, ENOMEM, "no memory for the status page");
}
