#include "uploader/queue.h"

#include <stdlib.h>

void item_cut(struct item *item)
{
    call_free(item->call);
    item->call = NULL;
    file_drop(item->fd);
    item->fd = -1;
    if (item->step != ITEM_GONE)
        item->step = ITEM_WAITS;
}

/* As the outbox sorts: first_seq, then the name. */
static int compare(const struct outbox_entry *a, const struct outbox_entry *b)
{
    if (a->name.first_seq != b->name.first_seq)
        return a->name.first_seq < b->name.first_seq ? -1 : 1;
    return strcmp(a->text, b->text);
}

bool queue_merge(struct queue *q, const struct outbox_list *list, struct err *err)
{
    struct item *items;
    size_t old = 0, count = 0;

    /* What is in flight stays even when its name has gone: its answer is still to come. */
    items = calloc(q->count + list->count + 1, sizeof(*items));
    if (!items)
        return err_set(err, ERR_FULL, 0, "no memory for %zu waiting files", list->count);
    for (size_t i = 0; i <= list->count; i++) {
        const struct outbox_entry *entry = i < list->count ? &list->items[i] : NULL;
        int order = 1;

        while (old < q->count && (order = entry ? compare(&q->items[old].entry, entry) : -1) < 0) {
            if (item_in_flight(&q->items[old]))
                items[count++] = q->items[old];
            old++;
            order = 1;
        }
        if (!entry)
            break;
        if (old < q->count && order == 0)
            items[count++] = q->items[old++];
        else
            items[count++] = (struct item){.entry = *entry, .fd = -1};
    }
    free(q->items);
    q->items = items;
    q->count = count;
    return true;
}

void queue_sweep(struct queue *q)
{
    size_t count = 0;

    for (size_t i = 0; i < q->count; i++) {
        if (q->items[i].step == ITEM_GONE)
            item_cut(&q->items[i]);
        else
            q->items[count++] = q->items[i];
    }
    q->count = count;
}

void queue_done(struct queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        item_cut(&q->items[i]);
    free(q->items);
    *q = (struct queue){NULL, 0};
}
