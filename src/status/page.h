/* status/page.h: the status page, src/status/page/index.html as bytes (cmake/embed.cmake). */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include <stddef.h>

extern const unsigned char status_page[];
extern const size_t status_page_bytes;

#endif
