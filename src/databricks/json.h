/* databricks/json.h: jansson (reading) beside base/json_out.h (writing).
 *
 * Shape    include this instead of jansson.h where both are used. Both have json_object, json_array
 *          and json_null; here these names are base's, and an empty jansson object is
 *          json_pack("{}").
 * Threads  any.
 * Source   jansson 2.14.
 */
#ifndef DATABRICKS_JSON_H
#define DATABRICKS_JSON_H

#define json_object jansson_names_it_json_object
#define json_array jansson_names_it_json_array
#define json_null jansson_names_it_json_null
#include <jansson.h>
#undef json_object
#undef json_array
#undef json_null

#include "base/json_out.h"

#endif
