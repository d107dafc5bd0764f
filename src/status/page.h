/* status/page.h: the status page, src/status/page/index.html.
 *
 * Shape    gzip inside the program (cmake/embed.cmake): a third of its bytes.
 * Units    bytes.
 * Limits   PAGE_BYTES_MAX, the most the page may have.
 * Errors   ERR_FULL: no memory.
 * Owner    the caller frees `ret`.
 * Threads  any.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include "base/buf.h"

#define PAGE_BYTES_MAX (60U * 1024U)

/* Made by the build. */
extern const unsigned char status_page[];
extern const size_t status_page_bytes;

/* The page with its marks. `ret` need not be initialised; after a failure it is empty. */
NODISCARD bool page_text(struct buf *ret, struct err *err);

#endif
