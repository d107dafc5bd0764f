#include "status/trouble.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static struct trouble *add(
    struct troubles *t, enum trouble_level level, const char *id, const char *what_to_do)
{
    static struct trouble spare; /* never read: there are fewer kinds than places */
    struct trouble *to = t->count < TROUBLES_MAX ? &t->items[t->count++] : &spare;

    *to = (struct trouble){.level = level, .id = id};
    (void)str_copy(to->what_to_do, sizeof(to->what_to_do), what_to_do);
    return to;
}

static void say(struct trouble *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct trouble *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(t->what, sizeof(t->what), fmt, args);
    va_end(args);
}

const char *trouble_level_name(enum trouble_level level)
{
    switch (level) {
    case TROUBLE_INFO:
        return "info";
    case TROUBLE_WARNING:
        return "warning";
    case TROUBLE_BAD:
        return "bad";
    }
    return "";
}

static void find_program(const struct picture *p, struct troubles *t)
{
    enum loop_number stuck = picture_stuck(p);
    char time[32];

    if (p->broken)
        say(add(t, TROUBLE_BAD, "broken",
                "It starts again under systemd or Kelvin and recovers what the disk really holds. "
                "When this comes back, check the disk."),
            "The program cannot trust its own state any more and stops. %s",
            p->pack_error.kind == ERR_BROKEN   ? p->pack_error.text
            : p->ship_error.kind == ERR_BROKEN ? p->ship_error.text
                                               : p->stream_error.text);
    else if (p->stopping)
        say(add(t, TROUBLE_INFO, "stopping", "Nothing: what is not delivered stays on disk."),
            "The program is stopping and delivers what it can.");
    if (stuck != LOOPS)
        say(add(t, TROUBLE_BAD, "stuck",
                "A disk that does not answer is the usual cause: look at the system log. "
                "Restarting "
                "the program is safe at any moment."),
            "The %s loop has not moved for %s.", picture_loop_name(stuck),
            str_duration(time, sizeof(time), p->beat_age_us[stuck]));
}

static void find_stream(const struct picture *p, struct troubles *t)
{
    char time[32];

    if (p->stream == STREAM_PAUSED)
        say(add(t, TROUBLE_BAD, "paused_full",
                "Nothing durable is lost. Get deliveries going again, or give the state directory "
                "more room (state_bytes_max, free_bytes_min)."),
            "Reading is paused: the state directory is full. The publisher has to wait.");
    else if (p->stream == STREAM_WAITING || p->stream == STREAM_CONNECTING)
        say(add(t, p->stream_error.kind == ERR_NONE ? TROUBLE_INFO : TROUBLE_BAD,
                "stream_not_connected",
                "Check KELVIN_STREAM_IP and KELVIN_STREAM_PORT and that the publisher runs; the "
                "program keeps trying."),
            "No connection to the Kelvin stream%s%s.",
            p->stream_error.kind == ERR_NONE ? " yet" : ": ", p->stream_error.text);
    else if (p->stream == STREAM_CONNECTED && p->silent_us >= PICTURE_SILENT_US)
        say(add(t, TROUBLE_INFO, "stream_silent",
                "Fine when the plant stands still; else look at the inputs of the application in "
                "Kelvin."),
            "Connected, but no reading came for %s.",
            str_duration(time, sizeof(time), p->silent_us));
}

static void find_rejects(const struct picture *p, struct troubles *t)
{
    if (p->rejected_per_s > 0)
        say(add(t, p->rejected_per_s * 100 > p->readings_per_s ? TROUBLE_WARNING : TROUBLE_INFO,
                "rejecting",
                "Look at the samples below: each has its reason. The lines around them are taken."),
            "Lines are being rejected: %.3g a second in the last minute.", p->rejected_per_s);
}

const char *trouble_pack_waits(const struct err *why)
{
    switch (why->code) {
    case ENOMEM:
        return "Packing goes on when there is memory; if there is none for long, give the program "
               "more.";
    case EIO:
    case EBADMSG:
    case EUCLEAN:
        return "Check the disk (dmesg, SMART): it does not give what it holds. Packing tries again "
               "by "
               "itself.";
    case EMFILE:
    case ENFILE:
        return "Too many files are open: raise the limit. Packing tries again by itself.";
    default:
        break;
    }
    if (why->kind == ERR_FULL)
        return "Free space on the disk; packing goes on when a delivery has made room.";
    return "Mend what the error names, in the state directory; packing tries again by itself.";
}

static void find_delivery(const struct picture *p, struct troubles *t)
{
    char time[32], count[32];

    if (p->ship == SHIP_DENIED)
        say(add(t, TROUBLE_BAD, "delivery_denied",
                "Databricks wants something changed: run 'volume-uploader check'; it names the "
                "secret, the right or the place that is wrong. Readings wait on disk meanwhile."),
            "Databricks refuses: %s.", p->ship_error.text);
    else if (p->ship == SHIP_WAITING)
        say(add(t, TROUBLE_WARNING, "delivery_waits",
                "Nothing, if it is an outage: readings wait on disk and the tries go on by "
                "themselves. If it lasts, check the network and the proxy."),
            "Deliveries fail: %s; the next try is in %s.", p->ship_error.text,
            str_duration(time, sizeof(time), p->retry_in_us));
    if (p->refused_files)
        say(add(t, TROUBLE_WARNING, "files_refused",
                "Look into refused/ in the state directory; mend the cause and move the files back "
                "to outbox/."),
            "Databricks refused %s file%s three times over; %s set aside.",
            str_count(count, sizeof(count), p->refused_files), p->refused_files == 1 ? "" : "s",
            p->refused_files == 1 ? "it is" : "they are");
    if (p->pack_error.kind != ERR_NONE && p->pack_error.kind != ERR_BROKEN)
        say(add(t, TROUBLE_WARNING, "pack_waits", trouble_pack_waits(&p->pack_error)),
            "Files cannot be made: %s.", p->pack_error.text);
}

static void find_disk(const struct picture *p, struct troubles *t)
{
    char time[32], count[32];

    if (p->stream != STREAM_PAUSED && p->full_in_us < PICTURE_SOON_US)
        say(add(t, TROUBLE_WARNING, "full_soon",
                "Get deliveries going again, or give the state directory more room "
                "(state_bytes_max)."),
            "At this rate the state directory is full in %s.",
            str_duration(time, sizeof(time), p->full_in_us));
    if (p->gaps)
        say(add(t, TROUBLE_BAD, "readings_lost",
                "gaps.log in the state directory has each range with its reason. Damage: check the "
                "disk. Dropped: when_full is drop_oldest."),
            "%s reading%s lost since this process began.", str_count(count, sizeof(count), p->gaps),
            p->gaps == 1 ? " was" : "s were");
    if (p->rescues)
        say(add(t, TROUBLE_WARNING, "journal_rescued",
                "Nothing durable is lost. Check the disk and its cables."),
            "A write or a sync of the journal failed (%s in this run).",
            str_count(count, sizeof(count), p->rescues));
}

static void find_job(const struct picture *p, struct troubles *t)
{
    if (p->job == JOB_STATUS_PAUSED)
        say(add(t, TROUBLE_WARNING, "job_paused",
                "Resume it in Databricks (Jobs) when the table shall be loaded again."),
            "The Databricks job is paused: files arrive in the volume, not in the table.");
    else if (p->job == JOB_STATUS_BLOCKED)
        say(add(t, TROUBLE_WARNING, "job_blocked",
                "Files arrive in the volume all the same. 'volume-uploader check' says more."),
            "The Databricks job needs a decision: %.300s", p->job_text);
    else if (p->job == JOB_STATUS_FAILING)
        say(add(t, TROUBLE_WARNING, "job_failing",
                "Files arrive in the volume all the same; the program keeps trying."),
            "The Databricks job cannot be looked at: %.300s", p->job_text);
}

void trouble_find(const struct picture *p, struct troubles *ret)
{
    struct troubles found;
    size_t n = 0;

    found.count = 0;
    find_program(p, &found);
    find_stream(p, &found);
    find_delivery(p, &found);
    find_disk(p, &found);
    find_rejects(p, &found);
    find_job(p, &found);
    for (int level = TROUBLE_BAD; level >= TROUBLE_INFO; level--)
        for (size_t i = 0; i < found.count; i++)
            if ((int)found.items[i].level == level)
                ret->items[n++] = found.items[i];
    ret->count = n;
}

static const char *arriving(const struct picture *p)
{
    switch (p->stream) {
    case STREAM_CONNECTED:
        return p->readings_per_s > 0 ? "readings arrive" : "connected";
    case STREAM_PAUSED:
        return "reading is paused";
    case STREAM_WAITING:
    case STREAM_CONNECTING:
        return "no stream";
    case STREAM_STOPPED:
        return "receiving has ended";
    }
    return "";
}

static const char *delivering(const struct picture *p)
{
    switch (p->ship) {
    case SHIP_IDLE:
        return p->waiting ? "deliveries work" : "everything is delivered";
    case SHIP_SENDING:
        return "deliveries work";
    case SHIP_WAITING:
        return "deliveries fail and are tried again";
    case SHIP_DENIED:
        return "Databricks refuses deliveries";
    case SHIP_STOPPED:
        return "delivering has ended";
    }
    return "";
}

/* What flows and what does not; the troubles say why. */
void trouble_headline(const struct picture *p, const struct troubles *t, struct buf *out)
{
    char waiting[32];
    size_t begin;

    if (p->broken) {
        buf_add_text(out, "The program cannot go on and stops.");
        return;
    }
    if (!p->stopping && p->stream == STREAM_CONNECTED &&
        (t->count == 0 || t->items[0].level == TROUBLE_INFO))
        buf_add_text(out, "All is well: ");
    begin = out->len;
    buf_printf(out, "%s, %s; %s %s on disk.", arriving(p), delivering(p),
        str_count(waiting, sizeof(waiting), p->waiting), p->waiting == 1 ? "waits" : "wait");
    if (begin == 0 && out->len)
        out->data[0] = (char)(out->data[0] - 'a' + 'A'); /* it begins the sentence */
}

bool trouble_ready(const struct picture *p, const char *why[TROUBLES_MAX], size_t *ret_count)
{
    size_t n = 0;

    if (p->broken)
        why[n++] = "broken";
    else if (p->stopping)
        why[n++] = "stopping";
    if (picture_stuck(p) != LOOPS)
        why[n++] = "stuck";
    if (p->stream == STREAM_PAUSED)
        why[n++] = "paused_full";
    else if (p->stream != STREAM_CONNECTED)
        why[n++] = "stream_not_connected";
    if (p->ship == SHIP_DENIED)
        why[n++] = "delivery_denied";
    else if (p->ship == SHIP_WAITING)
        why[n++] = "delivery_waits";
    else if (p->ship == SHIP_STOPPED)
        why[n++] = "delivery_stopped";
    *ret_count = n;
    return n == 0;
}
