/* parquet/codec.h: a page's body compressed and back: zstd, snappy, or not at all.
 *
 * Shape    one context per writer or reader, reused for every page; zstd: one frame a page with its
 *          content size, no checksum (the page has its CRC).
 * Errors   ERR_FULL: no memory. codec_unpack: ERR_INPUT when the bytes do not make exactly
 *          `out_len`.
 * Owner    caller-owned struct; codec_done takes a struct of zeros.
 * Threads  one at a time.
 * Source   specs/parquet.md 3.4; zstd.h; snappy-c.h.
 */
#ifndef PARQUET_CODEC_H
#define PARQUET_CODEC_H

#include "parquet/format.h"

struct codec {
    void *pack, *unpack; /* ZSTD_CCtx, ZSTD_DCtx; made when first used */
};

/* What is in a page, for the choice of parameters. */
enum codec_content { CONTENT_TIMESTAMPS, CONTENT_DOUBLES, CONTENT_CODES, CONTENT_NAMES };

void codec_done(struct codec *c);

/* `out` takes the packed bytes of one page. */
NODISCARD bool codec_pack(struct codec *c, int codec, enum codec_content content, const void *in,
    size_t len, struct buf *out, struct err *err);

NODISCARD bool codec_unpack(struct codec *c, int codec, const void *in, size_t len, void *out,
    size_t out_len, struct err *err);

#endif
