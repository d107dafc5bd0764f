/* simulator/line.c: templates, ids and number texts. This is the hot path of `--rate max`. */
#include "simulator/line.h"

#include "base/json_out.h"

#include <math.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

static inline void pair(char *out, uint32_t n)
{
    memcpy(out, pairs + (size_t)n * 2, 2);
}

void stamp_init(struct stamp *stamp)
{
    *stamp = (struct stamp){.second_us = INT64_MIN};
}

void stamp_set(struct stamp *stamp, int64_t us)
{
    uint32_t part;

    if (stamp->second_us == INT64_MIN || us < stamp->second_us ||
        us - stamp->second_us >= CLOCK_SECOND_US) {
        clock_text(stamp->text, us);
        stamp->second_us = us - ((us % CLOCK_SECOND_US) + CLOCK_SECOND_US) % CLOCK_SECOND_US;
    }
    stamp->us = us;
    part = (uint32_t)(us - stamp->second_us);
    pair(stamp->text + 20, part / 10000);
    pair(stamp->text + 22, part / 100 % 100);
    pair(stamp->text + 24, part % 100);
}

/* Eight hexadecimal digits from 32 random bits: each half-byte into a byte of its own, then 0-9
 * and a-f by adding. Which digit comes first does not matter here. */
static inline uint64_t hex_digits(uint32_t bits)
{
    uint64_t v = bits;
    uint64_t above_9;

    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    above_9 = ((v + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return v + UINT64_C(0x3030303030303030) + above_9 * 39;
}

void line_uuid(char *out, struct rng *rng)
{
    uint64_t a = rng_next(rng);
    uint64_t b = rng_next(rng);
    uint64_t hex[4] = {hex_digits((uint32_t)a), hex_digits((uint32_t)(a >> 32)),
        hex_digits((uint32_t)b), hex_digits((uint32_t)(b >> 32))};
    char text[32];

    memcpy(text, hex, sizeof(text));
    memcpy(out, text, 8);
    out[8] = '-';
    memcpy(out + 9, text + 8, 4);
    out[13] = '-';
    memcpy(out + 14, text + 12, 4);
    out[14] = '4';
    out[18] = '-';
    memcpy(out + 19, text + 16, 4);
    out[19] = "89ab"[b & 3];
    out[23] = '-';
    memcpy(out + 24, text + 20, 12);
}

/* Decimal digits without zeros in front. */
static inline size_t put_uint(char *out, uint64_t n)
{
    char text[20];
    size_t at = sizeof(text);

    while (n >= 100) {
        at -= 2;
        pair(text + at, (uint32_t)(n % 100));
        n /= 100;
    }
    if (n >= 10) {
        at -= 2;
        pair(text + at, (uint32_t)n);
    } else {
        text[--at] = (char)('0' + n);
    }
    memcpy(out, text + at, sizeof(text) - at);
    return sizeof(text) - at;
}

size_t line_cents(char *out, int64_t cents)
{
    uint64_t n = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
    uint32_t part = (uint32_t)(n % 100);
    size_t len = 0;

    if (cents < 0)
        out[len++] = '-';
    len += put_uint(out + len, n / 100);
    out[len++] = '.';
    pair(out + len, part);
    return len + (part % 10 == 0 ? 1 : 2);
}

static uint64_t power10(unsigned digits)
{
    uint64_t power = 1;

    while (digits-- > 0)
        power *= 10;
    return power;
}

/* value = mantissa / 2^shift with shift 43-52. The fraction with `digits` decimals is good enough
 * when it lies less than half a unit of the mantissa away, because then it reads back the same. */
static bool fraction(uint64_t mantissa, unsigned shift, unsigned digits, uint64_t *ret)
{
    uint64_t unit = UINT64_C(1) << shift;
    uint64_t power = power10(digits);
    u128 scaled = (u128)(mantissa & (unit - 1)) * power;
    uint64_t whole = (uint64_t)(scaled >> shift);
    uint64_t rest = (uint64_t)scaled & (unit - 1);

    if (rest > unit / 2) {
        whole++;
        rest = unit - rest;
    }
    *ret = whole;
    return whole < power && 2 * (u128)rest < power;
}

size_t line_real(char *out, double value)
{
    uint64_t mantissa, good = 0, shorter;
    unsigned shift, digits;
    int exponent;
    size_t len, fill;

    if (!(value >= 1 && value < 1024))
        return json_double_text(out, value);
    mantissa = (uint64_t)ldexp(frexp(value, &exponent), 53);
    shift = (unsigned)(53 - exponent);
    len = put_uint(out, mantissa >> shift);
    digits = 17 - (unsigned)len; /* 17 significant digits are always enough */
    if (!fraction(mantissa, shift, digits, &good))
        return json_double_text(out, value);
    while (digits > 1 && fraction(mantissa, shift, digits - 1, &shorter)) {
        good = shorter;
        digits--;
    }
    out[len++] = '.';
    fill = len + digits;
    while (fill > len) {
        out[--fill] = (char)('0' + good % 10);
        good /= 10;
    }
    return len + digits;
}

static void quoted_resource(struct buf *buf, struct span asset, struct span stream)
{
    struct buf name;

    buf_init(&name, LINE_FORM_MAX);
    buf_printf(&name, "krn:ad:%.*s/", (int)asset.len, asset.data);
    if (buf_add(&name, stream.data, stream.len))
        json_quote(buf, (struct span){name.data, name.len});
    else
        buf->failed = true;
    buf_done(&name);
}

bool line_form_init(struct line_form *form, const char *type, struct span asset, struct span stream,
    struct span source, bool trace, struct err *err)
{
    static const char blank[] = "000000000000000000000000000000000000";
    struct buf buf;

    *form = (struct line_form){0};
    buf_init(&buf, LINE_FORM_MAX);
    buf_printf(&buf, "{\"type\":\"%s\",\"resource\":", type);
    quoted_resource(&buf, asset, stream);
    buf_add_text(&buf, ",\"id\":\"");
    form->id_at = (uint32_t)buf.len;
    buf_add_text(&buf, blank);
    if (trace) {
        buf_add_text(&buf, "\",\"trace_id\":\"sim-");
        form->trace_at = (uint32_t)buf.len;
        buf_add(&buf, blank, 12);
    }
    buf_add_text(&buf, "\"");
    if (source.len > 0) {
        buf_add_text(&buf, ",\"source\":");
        json_quote(&buf, source);
    }
    buf_add_text(&buf, ",\"timestamp\":\"");
    form->stamp_at = (uint32_t)buf.len;
    buf_add(&buf, blank, LINE_STAMP_LEN);
    buf_add_text(&buf, "\",\"payload\":");
    if (!buf_check(&buf, "the names of a line", err)) {
        buf_done(&buf);
        return false;
    }
    form->len = (uint32_t)buf.len;
    form->text = buf.data; /* taken over */
    return true;
}

void line_form_done(struct line_form *form)
{
    free(form->text);
    *form = (struct line_form){0};
}

char *line_begin(
    char *out, const struct line_form *form, const struct stamp *stamp, struct rng *rng)
{
    memcpy(out, form->text, form->len);
    line_uuid(out + form->id_at, rng);
    memcpy(out + form->stamp_at, stamp->text, LINE_STAMP_LEN);
    if (form->trace_at != 0)
        memcpy(out + form->trace_at, out + form->id_at + 24, 12);
    return out + form->len;
}
