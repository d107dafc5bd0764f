/* Which SQL warehouse runs the statements of the set-up. */
#include "ingestion/ingestion.h"

#include <stdio.h>

void warehouse_judge(const struct compute_warehouses *list, char ret[64], char why[200])
{
    const struct compute_warehouse *usable = NULL, *serverless = NULL, *chosen;
    size_t usable_count = 0, serverless_count = 0;

    ret[0] = why[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        if (!compute_warehouse_usable(&list->items[i]))
            continue;
        usable = &list->items[i];
        usable_count++;
        if (usable->serverless) {
            serverless = usable;
            serverless_count++;
        }
    }
    chosen = serverless_count == 1 ? serverless : usable_count == 1 ? usable : NULL;
    if (chosen)
        (void)str_copy(ret, 64, chosen->id);
    else if (usable_count == 0)
        (void)str_copy(why, 200, "there is no SQL warehouse we may use");
    else
        (void)snprintf(why, 200,
            "there are %zu SQL warehouses: say which with DATABRICKS_WAREHOUSE_ID", usable_count);
}

bool warehouse_choose(struct workspace *ws, const char *of_job, const char *other, char ret[64],
    char why[200], struct err *err)
{
    const char *given = of_job ? of_job : other;
    struct compute_warehouses list;

    ret[0] = why[0] = '\0';
    if (given)
        return str_copy(ret, 64, given) ||
               err_set(err, ERR_INPUT, 0, "the warehouse's id is longer than 63 characters");
    if (!compute_warehouses_list(ws, &list, err))
        return false;
    warehouse_judge(&list, ret, why);
    compute_warehouses_done(&list);
    return true;
}
