#include "simulator/value.h"

#include "simulator/line.h"

#include <math.h>

#define TAU 6.283185307179586

bool value_maker_init(struct value_maker *maker, double minimum, double maximum,
    bool full_precision, uint64_t seed, struct err *err)
{
    if (!(minimum >= -VALUE_LIMIT && maximum <= VALUE_LIMIT && minimum <= maximum))
        return err_set(err, ERR_INPUT, 0, "minimum and maximum must be rising and within +-1e12");
    *maker = (struct value_maker){.minimum = minimum,
        .maximum = maximum,
        .minimum_cents = (int64_t)ceil(minimum * 100),
        .full_precision = full_precision,
        .counter = minimum};
    maker->span_cents = (uint64_t)((int64_t)floor(maximum * 100) - maker->minimum_cents);
    if (maximum * 100 - minimum * 100 < 1)
        maker->span_cents = 0;
    rng_seed(&maker->rng, seed);
    return true;
}

static double between(struct value_maker *m)
{
    return m->minimum + rng_unit(&m->rng) * (m->maximum - m->minimum);
}

/* -1 to 1. */
static double swing(struct value_maker *m)
{
    return rng_unit(&m->rng) * 2 - 1;
}

static double clamp(const struct value_maker *m, double v)
{
    if (v < m->minimum)
        v = m->minimum + (m->minimum - v);
    if (v > m->maximum)
        v = m->maximum - (v - m->maximum);
    return v < m->minimum ? m->minimum : v;
}

static double count_up(struct value_maker *m)
{
    double v = m->counter;

    m->counter = v >= m->maximum ? m->minimum : v + 1;
    return v;
}

static double signal(struct value_maker *m, struct value_state *s, enum simulator_kind kind)
{
    double range = m->maximum - m->minimum;

    if (!s->started) {
        s->level = kind == SIMULATOR_TOTAL ? m->minimum : between(m);
        s->phase = rng_unit(&m->rng);
        s->started = true;
    }
    switch (kind) {
    case SIMULATOR_WALK:
        s->level = clamp(m, s->level + swing(m) * range / 200);
        break;
    case SIMULATOR_STEP:
        if (rng_below(&m->rng, 50) == 0)
            s->level = between(m);
        break;
    case SIMULATOR_SETPOINT:
        if (rng_below(&m->rng, 500) == 0)
            s->level = m->minimum + (double)rng_below(&m->rng, 21) * range / 20;
        break;
    case SIMULATOR_SINE:
        s->phase += 1.0 / 360;
        s->phase -= floor(s->phase);
        s->level = clamp(
            m, m->minimum + range * (0.5 + 0.48 * sin(TAU * s->phase)) + swing(m) * range / 100);
        break;
    case SIMULATOR_TOTAL:
        s->level += rng_unit(&m->rng) * range / 100000;
        if (s->level > m->maximum)
            s->level = m->minimum;
        break;
    case SIMULATOR_COUNTER:
        return count_up(m);
    case SIMULATOR_UNIFORM:
    case SIMULATOR_BOOLEAN:
    case SIMULATOR_STRING:
    case SIMULATOR_OBJECT:
    case SIMULATOR_KINDS:
        return between(m);
    }
    return s->level;
}

struct value value_next(
    struct value_maker *maker, struct value_state *state, enum simulator_kind kind)
{
    struct value value = {0};

    if (kind == SIMULATOR_BOOLEAN) {
        value.cents = (rng_next(&maker->rng) >> 63) != 0 ? 100 : 0;
    } else if (maker->full_precision) {
        value.is_real = true;
        value.real = signal(maker, state, kind);
    } else if (kind == SIMULATOR_UNIFORM || kind == SIMULATOR_STRING || kind == SIMULATOR_OBJECT) {
        /* Multiply and shift instead of dividing: its bias of span / 2^32 does not matter here. */
        uint64_t x = rng_next(&maker->rng);

        value.cents = maker->minimum_cents + (int64_t)(maker->span_cents < UINT32_MAX
                                                           ? ((x >> 32) * maker->span_cents) >> 32
                                                           : x % maker->span_cents);
    } else {
        value.cents = (int64_t)floor(signal(maker, state, kind) * 100 + 0.5);
    }
    return value;
}

struct value value_other(struct value value, enum simulator_kind kind)
{
    if (kind == SIMULATOR_BOOLEAN)
        value.cents = 100 - value.cents;
    else if (value.is_real)
        value.real = value.real + (fabs(value.real) < 1e15 ? 1 : value.real);
    else
        value.cents += 100;
    return value;
}

size_t value_text(char *out, const struct value *value)
{
    return value->is_real ? line_real(out, value->real) : line_cents(out, value->cents);
}
