/* stream/krn.h: Kelvin Resource Names: krn:<nid>:<rest>.
 *
 * Owner    the spans borrow from the text.
 * Threads  any.
 * Source   kelvin-stream.md 2.4, 3.1: no escaping, case matters, names are taken byte for byte.
 */
#ifndef STREAM_KRN_H
#define STREAM_KRN_H

#include "base/str.h"

enum krn_kind {
    KRN_BAD,   /* no KRN, or krn:ad: without '/' */
    KRN_OTHER, /* another nid: not for an exporter */
    KRN_DATA,  /* krn:ad:<asset>/<datastream>, split at the first '/' */
};

/* The spans are set for KRN_DATA only. */
enum krn_kind krn_split(struct span text, struct span *ret_asset, struct span *ret_datastream);

#endif
