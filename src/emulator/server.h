/* emulator/server.h: the callbacks of libmicrohttpd, and what sends an answer.
 *
 * Shape    exchange_open when the request line is there, exchange_step for the headers, each piece
 *          of the body and its end, exchange_done when the exchange is over in whatever way.
 * Owner    exchange_open makes the request, exchange_done frees it.
 * Threads  each connection has its own.
 * Source   libmicrohttpd manual: MHD_AccessHandlerCallback, MHD_OPTION_URI_LOG_CALLBACK.
 */
#ifndef EMULATOR_SERVER_H
#define EMULATOR_SERVER_H

#include <microhttpd.h>

#include "emulator/request.h"

void *exchange_open(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **state);
void exchange_done(void *cls, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode how);

/* send.c: hands req->reply to libmicrohttpd, as the fault rule bends it. MHD_NO: cut instead. */
enum MHD_Result send_reply(struct request *req);

#endif
