/* simulator/simulator.h: a Kelvin publisher: serves a synthetic stream, or a CSV file, to one
 * client.
 *
 * Shape    simulator_start runs one thread that listens, sends the manifest line first on every
 *          connection, then data lines in the byte form of the SDK. A second client is accepted
 *          and closed at once with no byte. When a client goes, the next one is awaited.
 * Units    _us microseconds, _ms milliseconds; rates in messages a second; shares 0 to 1.
 * Limits   SIMULATOR_* below; a manifest of 4 MiB; 256 KiB of lines made ahead.
 * Errors   simulator_start: ERR_INPUT for an option, ERR_DENIED for an address or a file.
 * Owner    the caller; strings in the options are borrowed until simulator_start returns,
 *          say_context until simulator_stop returns.
 * Threads  start and stop from one thread, everything else from any. `say` is called on the
 *          simulator's own thread.
 * Source   kelvin-stream.md 2.2, 4.1, 6.3, 6.4.
 *
 * A message is a good data line. It is MADE when it gets its timestamp and its value, and SENT when
 * send(2) has taken the last byte of its line, line end included: then the kernel has it, and only
 * a reset or a dead peer can lose it. A line that was cut by the end of a connection is not sent;
 * it goes whole to the next client, after the manifest, as do the lines behind it. Nothing is made
 * while there is no client. So without resets a client gets every sent message exactly once, except
 * that it can see the cut piece of a line before the whole of it.
 */
#ifndef SIMULATOR_SIMULATOR_H
#define SIMULATOR_SIMULATOR_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIMULATOR_PORT 49167
#define SIMULATOR_ASSETS_MAX 30000
#define SIMULATOR_STREAMS_MAX 4096
#define SIMULATOR_SERIES_MAX 200000
#define SIMULATOR_NAME_MAX 200
#define SIMULATOR_HELD_MAX 262144

/* What a stream's values look like, between minimum and maximum. */
enum simulator_kind {
    SIMULATOR_UNIFORM,  /* even noise, as the original's --random */
    SIMULATOR_COUNTER,  /* one counter for all streams, as the original's --counter */
    SIMULATOR_WALK,     /* small steps up and down */
    SIMULATOR_STEP,     /* stays, then jumps */
    SIMULATOR_SETPOINT, /* stays long, then another round number */
    SIMULATOR_SINE,     /* a slow wave */
    SIMULATOR_TOTAL,    /* a meter that only rises, and starts again at the maximum */
    SIMULATOR_BOOLEAN,  /* even odds */
    SIMULATOR_STRING,   /* "str_42.17": no exporter stores it */
    SIMULATOR_OBJECT,   /* {"key":42.17}, type data;icd=<icd>: likewise */
    SIMULATOR_KINDS
};

/* Lines that a client has to survive. A simulator_bad_mask bit is 1 << kind. */
enum simulator_bad {
    SIMULATOR_BAD_NOT_JSON,
    SIMULATOR_BAD_EMPTY, /* an empty line: ignored by our client, not rejected */
    SIMULATOR_BAD_PAYLOAD_TYPE,
    SIMULATOR_BAD_NO_PAYLOAD,
    SIMULATOR_BAD_UTF8,
    SIMULATOR_BAD_NAN,
    SIMULATOR_BAD_RANGE, /* 1e400 */
    SIMULATOR_BAD_PT,    /* pt=integer */
    SIMULATOR_BAD_OPEN_QUOTE,
    SIMULATOR_BAD_CUT, /* the first half of a good line */
    SIMULATOR_BAD_TIMESTAMP,
    SIMULATOR_BAD_RESOURCE, /* krn:ad: without a slash */
    SIMULATOR_BAD_CONTROL,  /* a raw control character inside a string */
    SIMULATOR_BAD_TRAILING, /* a good line with something behind it */
    SIMULATOR_BAD_ARRAY,    /* JSON, but not an object with a type */
    SIMULATOR_BAD_DEEP,     /* a payload of 2,000 nested arrays */
    SIMULATOR_BAD_TOO_LONG, /* too_long_bytes; only when asked for by name */
    SIMULATOR_BADS
};
#define SIMULATOR_BAD_ALL ((UINT32_C(1) << SIMULATOR_BAD_TOO_LONG) - 1) /* but too long */

enum simulator_drop { SIMULATOR_DROP_FIN, SIMULATOR_DROP_RST };

struct simulator_stream {
    const char *name;
    enum simulator_kind kind;
    const char *icd; /* of SIMULATOR_OBJECT; NULL: "sample-object" */
};

/* Text for people: "Connected", "Received ...", the CSV messages. One line, no line end. */
typedef void simulator_say(void *context, const char *line);

struct simulator_options {
    const char *host; /* numeric IPv4 or IPv6 address */
    uint16_t port;    /* 0: any free one, see simulator_port */

    /* Series: every asset has every stream. */
    const char *const *asset_names; /* NULL: asset_prefix and a number from 1 */
    size_t asset_count;
    const char *asset_prefix;
    const struct simulator_stream *streams; /* NULL: stream_count of the default names */
    size_t stream_count;
    const char *source; /* a KRN for "source"; NULL: left out */
    bool trace_ids;     /* a "trace_id" in every line */

    /* Values. */
    enum simulator_kind kind; /* of the streams without a list */
    bool realistic;           /* without a list: walks, steps, a set-point, a wave, a total */
    double minimum, maximum;  /* within +-1e12 */
    bool full_precision;      /* shortest text of a random double (16-17 digits), not 2 decimals */
    uint64_t seed;            /* same seed, fixed clock: same bytes */

    /* Pace: rate 0 means rounds with period_us between them. */
    double rate;
    bool rate_unlimited;
    int64_t period_us;
    uint64_t burst; /* with a rate: so many messages at a time */
    uint64_t count; /* messages in all; 0: without end */
    bool exit;      /* when all is sent: end the connection, wait for the client's end, finish */

    /* Clock. Fixed: message n of a series has start_us + n * step_us. Else the time of making, with
     * a rate the time it was due, pushed on where two of a series would be equal. */
    bool fixed_clock;
    int64_t start_us;
    int64_t step_us; /* >= 1 */

    /* Manifest: the configuration; below 0: the key is left out. */
    int64_t upload_interval;
    int64_t batch_size;
    int64_t manifest_every_us; /* another manifest so often; 0: never */
    int64_t later_upload_interval;
    int64_t later_batch_size; /* what these later ones say; SIMULATOR_SAME: as before */

    /* Oddities. */
    double late_share;   /* held back and sent late: every key still comes once ... */
    int64_t late_us;     /* ... when the stream's clock is so much further, or at the end */
    double repeat_share; /* the same timestamp and series again, another value */
    double bad_share;    /* a bad line after a message; not counted as a message */
    uint32_t bad_mask;
    uint64_t too_long_bytes;
    double other_share;     /* a good line that is no reading: parameter, data quality, ... */
    bool crlf;              /* lines end in \r\n */
    uint64_t split_max;     /* writes of 1 to so many bytes; 0: as large as it goes */
    int64_t split_pause_us; /* after every such write */
    uint64_t drop_after;    /* end the connection after so many messages; 0: never */
    enum simulator_drop drop_how;
    bool drop_cut;      /* in the middle of the next line */
    uint64_t drops_max; /* so often at most; 0: always */

    /* CSV replay instead of made values. Streams, when listed, give the columns their kinds; a
     * column that is not listed is refused then. */
    const char *csv_path;
    bool csv_interval_given; /* else the differences of the rows' timestamps */
    int64_t csv_interval_us; /* pause between rows; 0: none */
    bool csv_ignore_timestamps;
    bool csv_now_offset;
    bool csv_replay; /* from the first row again at the end */
    bool csv_resume; /* the next client gets the next row; else it starts at the first one */

    simulator_say *say; /* NULL: nobody listens */
    void *say_context;
};
#define SIMULATOR_SAME INT64_MIN

struct simulator_stats {
    uint64_t clients;         /* served so far */
    uint64_t clients_refused; /* second clients */
    uint64_t drops;           /* connections ended on purpose */
    uint64_t made;            /* messages */
    uint64_t sent;            /* messages: readings + repeats + others */
    uint64_t readings_sent;   /* numbers and booleans; without CSV all of different keys */
    uint64_t repeats_sent;    /* numbers and booleans with a key that was there before */
    uint64_t texts_sent;      /* strings and objects, which an exporter cannot store */
    uint64_t bad_sent;        /* bad lines */
    uint64_t other_sent;      /* good lines that are no data of an asset */
    uint64_t manifests_sent;
    uint64_t bytes_sent;     /* all that the kernel took */
    uint64_t received_lines; /* from clients */
    uint64_t late_sent;      /* of the readings: held back before */
    bool connected;
    bool made_all; /* count is reached, or the CSV file is at its end */
    bool sent_all; /* and all of it was handed to the kernel */
    bool finished; /* with `exit`: the client has gone too (or took too long); the thread is over */
};

struct simulator;

/* The defaults of `simulate`: 127.0.0.1:49167, one asset, the five streams of the original sample,
 * uniform values from 0 to 100, rounds 5 s apart, seed 1. */
void simulator_options_init(struct simulator_options *options);

struct simulator *simulator_start(const struct simulator_options *options, struct err *err);

/* Ends the thread and frees all. Takes NULL. */
void simulator_stop(struct simulator *s);

uint16_t simulator_port(const struct simulator *s);
void simulator_get_stats(struct simulator *s, struct simulator_stats *ret);

/* Waits until all was sent (count), or with `exit` until it is finished. False: time is over. */
bool simulator_wait(struct simulator *s, int64_t wait_us);

/* Another manifest, as soon as the line under way is sent. It stays in force for later clients.
 * SIMULATOR_SAME keeps a number. */
void simulator_send_manifest(struct simulator *s, int64_t upload_interval, int64_t batch_size);

/* Ends the present connection, if there is one. */
void simulator_drop_client(struct simulator *s, enum simulator_drop how);

/* "uniform" ("number" too), "walk", ...; "not_json", .... False: no such name. */
bool simulator_kind_of(const char *name, enum simulator_kind *ret);
bool simulator_bad_of(const char *name, enum simulator_bad *ret);
const char *simulator_kind_name(enum simulator_kind kind);
const char *simulator_bad_name(enum simulator_bad bad);

#endif
