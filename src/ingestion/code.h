/* ingestion/code.h: the program text a job runs: Auto Loader in Python, or COPY INTO in SQL.
 *
 * Shape    code_auto_loader and code_copy_into add the text below its head; code_head adds the
 *          head: two comment lines, which hold version and hash, so that a copy in the workspace
 *          can be told from another.
 * Errors   sticky in the buffer.
 * Threads  any.
 * Source   databricks-api.md 7.3, 7.4, 7.5; 5 (a first line "Databricks notebook source" would make
 *          a notebook of the file, so no text here may begin with it).
 */
#ifndef INGESTION_CODE_H
#define INGESTION_CODE_H

#include "ingestion/ingestion.h"

/* `comment` is "#" or "--". */
bool code_head(struct buf *out, const char *comment, const char *hash);
/* The version in a head like that; 0: there is none. */
uint64_t code_version(struct span code);

/* One text for all tables: what differs comes as parameters of the task. */
bool code_auto_loader(struct buf *out);
bool code_copy_into(struct buf *out, const struct plan *plan);

#endif
