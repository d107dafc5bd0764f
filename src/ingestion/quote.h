/* ingestion/quote.h: names and texts of others, made safe for SQL, tags and file names.
 *
 * Shape    adds to a buffer; sticky errors there.
 * Limits   a tag value 63 bytes, a file name 100 and its extension.
 * Errors   quote_name_wrong tells why a name cannot be used; the rest takes any text.
 * Threads  any.
 * Source   databricks-api.md 2.9 (names), 4.2 (tags follow the cloud's rules; the strictest is
 *          Google's: [A-Za-z0-9] around [-A-Za-z0-9_.], 63 bytes), 7.4 (quoting).
 */
#ifndef INGESTION_QUOTE_H
#define INGESTION_QUOTE_H

#include "databricks/catalog.h"

/* NULL: the part of a Unity Catalog name can be used; else what is wrong with it. */
const char *quote_name_wrong(const char *part);

/* `name`, a back-tick inside doubled. */
bool quote_sql_name(struct buf *out, const char *name);
/* `catalog`.`schema`.`name`, as many parts as there are. */
bool quote_sql_path(struct buf *out, struct catalog_path path);
/* 'text', with \ before ' and \: doubling the quote would end one literal and begin another. */
bool quote_sql_text(struct buf *out, const char *text);
/* The same path; back-ticks only around parts that need them: for people and for Spark's
 * toTable. */
bool quote_plain_path(struct buf *out, struct catalog_path path);

/* ASCII letters in lower case, as Unity Catalog keeps names; other bytes as they are. */
bool quote_lower(struct buf *out, const char *text);

/* `text` when a tag can hold it on every cloud, else "h-" and 16 digits of its hash. */
bool quote_tag(struct buf *out, const char *text);
/* Letters, digits, '-', '_' and '.' stay, every other byte becomes '_'; when something changed
 * or was cut, '-' and 8 digits of the whole text's hash follow, so two names never share a file. */
bool quote_file_name(struct buf *out, const char *text);

/* FNV-1a, 64 bits, of `len` bytes behind those of `hash`; begin with QUOTE_HASH. It tells texts
 * apart and is no protection against somebody who wants two to look alike. */
#define QUOTE_HASH UINT64_C(0xcbf29ce484222325)
uint64_t quote_hash(uint64_t hash, const char *data, size_t len);

#endif
