#include "parquet/codec.h"

#include <snappy-c.h>
#include <zstd.h>

void codec_done(struct codec *c)
{
    (void)ZSTD_freeCCtx(c->pack);
    (void)ZSTD_freeDCtx(c->unpack);
    *c = (struct codec){0};
}

/* Level 1's place, with parameters of our own, measured per kind of content: docs/formats/parquet.md.
 * Timestamps gain nothing from a second table; doubles do, much. */
struct tuning {
    ZSTD_strategy strategy;
    int min_match, hash_log, chain_log;
};

static const struct tuning tunings[] = {
    [CONTENT_TIMESTAMPS] = {ZSTD_fast, 4, 15, 15},
    [CONTENT_DOUBLES] = {ZSTD_dfast, 4, 16, 15},
    [CONTENT_CODES] = {ZSTD_fast, 4, 15, 15},
    [CONTENT_NAMES] = {ZSTD_dfast, 4, 16, 15},
};

static bool zstd_set(ZSTD_CCtx *ctx, const struct tuning *t)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, 1)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_strategy, (int)t->strategy)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_minMatch, t->min_match)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_hashLog, t->hash_log)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_chainLog, t->chain_log));
}

static bool zstd_pack(struct codec *c, enum codec_content content, const void *in, size_t len,
    struct buf *out, struct err *err)
{
    size_t bound = ZSTD_compressBound(len);
    char *to = buf_reserve(out, bound);
    size_t n;

    if (!c->pack)
        c->pack = ZSTD_createCCtx();
    if (!c->pack || !to || !zstd_set(c->pack, &tunings[content]))
        return err_set(err, ERR_FULL, 0, "no memory for a compressed page of %zu bytes", len);
    n = ZSTD_compress2(c->pack, to, bound, in, len);
    if (ZSTD_isError(n)) /* the bound holds, so this can only be memory */
        return err_set(err, ERR_FULL, 0, "zstd: %s", ZSTD_getErrorName(n));
    out->len += n;
    return true;
}

static bool snappy_pack(const void *in, size_t len, struct buf *out, struct err *err)
{
    size_t n = snappy_max_compressed_length(len);
    char *to = buf_reserve(out, n);

    if (!to || snappy_compress(in, len, to, &n) != SNAPPY_OK)
        return err_set(err, ERR_FULL, 0, "no memory for a compressed page of %zu bytes", len);
    out->len += n;
    return true;
}

bool codec_pack(struct codec *c, int codec, enum codec_content content, const void *in, size_t len,
    struct buf *out, struct err *err)
{
    buf_reset(out);
    if (codec == CODEC_ZSTD)
        return zstd_pack(c, content, in, len, out, err);
    if (codec == CODEC_SNAPPY)
        return snappy_pack(in, len, out, err);
    return buf_add(out, in, len) ||
           err_set(err, ERR_FULL, 0, "no memory for a page of %zu bytes", len);
}

static bool zstd_unpack(
    struct codec *c, const void *in, size_t len, void *out, size_t out_len, struct err *err)
{
    size_t n;

    if (!c->unpack)
        c->unpack = ZSTD_createDCtx();
    if (!c->unpack)
        return err_set(err, ERR_FULL, 0, "no memory for zstd");
    n = ZSTD_decompressDCtx(c->unpack, out, out_len, in, len);
    if (ZSTD_isError(n))
        return err_set(err, ERR_INPUT, 0, "zstd: %s", ZSTD_getErrorName(n));
    return n == out_len || err_set(err, ERR_INPUT, 0, "zstd: %zu bytes instead of %zu", n, out_len);
}

bool codec_unpack(struct codec *c, int codec, const void *in, size_t len, void *out, size_t out_len,
    struct err *err)
{
    size_t n = 0;

    if (codec == CODEC_ZSTD)
        return zstd_unpack(c, in, len, out, out_len, err);
    if (codec == CODEC_SNAPPY) {
        if (snappy_uncompressed_length(in, len, &n) != SNAPPY_OK || n != out_len ||
            snappy_uncompress(in, len, out, &n) != SNAPPY_OK || n != out_len)
            return err_set(err, ERR_INPUT, 0, "snappy: damaged");
        return true;
    }
    if (len != out_len)
        return err_set(err, ERR_INPUT, 0, "%zu bytes instead of %zu", len, out_len);
    if (len)
        memcpy(out, in, len);
    return true;
}
