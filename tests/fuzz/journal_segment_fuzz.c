/* Any bytes as a segment: the scan ends, within its bounds, and numbers only rise.
 *
 * The first byte chooses: bit 0 gives header and frames right checksums, so that the rest of the
 * bytes is judged too; bit 1 gives the scan an end.
 */
#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/scan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "0000000000000001.seg"
#define DATA_MAX (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int directory = -1;
static char path[64];

static void remove_directory(void)
{
    (void)unlinkat(directory, NAME, 0);
    (void)rmdir(path);
}

static void make_directory(void)
{
    struct stat st;

    (void)strcpy(
        path, stat("/dev/shm", &st) == 0 ? "/dev/shm/segment-XXXXXX" : "/tmp/segment-XXXXXX");
    if (!mkdtemp(path))
        abort();
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || atexit(remove_directory) != 0)
        abort();
}

/* Right magic, salt 7, first_seq 1, and checksums over whatever the frames say. */
static void mend(uint8_t *bytes, size_t len)
{
    size_t at = SEGMENT_HEADER_BYTES;

    if (len >= SEGMENT_HEADER_BYTES) {
        struct segment_header h = {.version = 1, .first_seq = 1, .salt = 7};

        segment_header_put(bytes, &h);
    }
    while (at + SEGMENT_FRAME_BYTES <= len) {
        uint32_t payload_len = get_u32(bytes + at + 4);

        if (payload_len > len || at + segment_frame_size(payload_len) > len) {
            at += 8;
            continue;
        }
        segment_frame_resalt(bytes + at, 7);
        at += segment_frame_size(payload_len);
    }
}

static void check_frame(const struct segment_frame *f, uint64_t *seq)
{
    int64_t times[16];
    double values[16];
    uint32_t series[16], number, last = 0;
    struct span asset, stream;
    struct scan_commit commit;
    struct scan_gap gap;
    size_t at = 0, bytes = 8;
    bool first = true;

    if (f->seq < *seq)
        abort();
    *seq = f->seq + f->rows;
    for (uint32_t i = 0; i < scan_rows_count(f); i += 16) {
        uint32_t left = scan_rows_count(f) - i;

        scan_rows_copy(f, i, left < 16 ? left : 16, times, values, series);
    }
    while (scan_names_next(f, &at, &number, &asset, &stream)) {
        if (!first && number != last + 1)
            abort();
        first = false;
        last = number;
        bytes += 4 + asset.len + stream.len;
    }
    if (f->type == SEGMENT_NAMES && bytes != f->payload_len)
        abort();
    if (scan_gap_get(f, &gap)) {
        if (gap.from_seq > gap.to_seq)
            abort();
        *seq = gap.to_seq + 1;
    }
    (void)scan_commit_get(f, &commit);
}

static void scan_all(uint64_t end_seq, uint64_t size)
{
    struct err err;
    struct scan *scan = scan_open(directory, NAME, end_seq, &err);
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    uint64_t seq = 1, events = 0, offset = 0;

    if (!scan) {
        if (err.kind != ERR_DENIED)
            abort();
        return;
    }
    while (event != SCAN_END) {
        if (!scan_next(scan, &event, &item, &err) || ++events > size / 8 + 4)
            abort();
        if (event == SCAN_FRAME) {
            check_frame(&item.frame, &seq);
            if (item.offset < offset || item.offset + item.frame.total_len > size)
                abort();
            offset = item.offset + item.frame.total_len;
            if (end_seq && item.frame.rows && item.frame.seq + item.frame.rows > end_seq)
                abort();
        }
        if (event == SCAN_HOLE && (item.hole.offset + item.hole.bytes > size ||
                                      item.hole.to_seq + 1 < item.hole.from_seq))
            abort();
    }
    scan_close(scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[DATA_MAX];
    int fd;

    if (size < 1 || size > DATA_MAX)
        return 0;
    if (directory < 0)
        make_directory();
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        mend(bytes, size - 1);
    fd = openat(directory, NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size - 1) != (ssize_t)(size - 1) || close(fd) != 0)
        abort();
    scan_all(data[0] & 2 ? 1 + data[0] / 4 : 0, size - 1);
    return 0;
}
