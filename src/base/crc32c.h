/* base/crc32c.h: CRC-32C (Castagnoli), the checksum of segments and file names.
 *
 * Shape    crc32c(0, data, len) of a whole; crc32c(crc32c(0, a), b) of a followed by b.
 * Threads  any.
 * Source   RFC 3720 appendix B.4; check value of "123456789" is 0xe3069283.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The other way round: the value that crc32c() was given when it returned `crc` for these bytes. Works
 * byte by byte from the end: for repairs, not for every day. */
uint32_t crc32c_before(uint32_t crc, const void *data, size_t len);

/* The table version, whatever the processor offers: for the test that compares the two. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
