#include "base/timer_heap.h"

#include "base/assert.h"

/* Both are roots without siblings; the earlier one takes the other as its first child. */
static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    if (b->due_us < a->due_us) {
        struct loop_timer *earlier = b;
        b = a;
        a = earlier;
    }
    b->sibling = a->child;
    if (a->child != NULL)
        a->child->previous = b;
    b->previous = a;
    a->child = b;
    return a;
}

static struct loop_timer *detach_first(struct loop_timer **list)
{
    struct loop_timer *first = *list;
    if (first != NULL) {
        *list = first->sibling;
        first->sibling = NULL;
    }
    return first;
}

/* Pairs from left to right, then all pairs from right to left: the order that gives the heap its amortised
 * cost. */
static struct loop_timer *meld_all(struct loop_timer *list)
{
    struct loop_timer *pairs = NULL;
    while (list != NULL) {
        struct loop_timer *a = detach_first(&list);
        struct loop_timer *b = detach_first(&list);
        struct loop_timer *pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct loop_timer *root = NULL;
    while (pairs != NULL)
        root = meld(root, detach_first(&pairs));
    return root;
}

static void set_root(struct loop_timer **root, struct loop_timer *timer)
{
    *root = timer;
    if (timer != NULL)
        timer->previous = timer;
}

void timer_heap_insert(struct loop_timer **root, struct loop_timer *timer)
{
    ASSERT(!loop_timer_is_started(timer));
    timer->child = timer->sibling = NULL;
    set_root(root, meld(*root, timer));
}

static void unlink_from_siblings(struct loop_timer *timer)
{
    if (timer->previous->child == timer)
        timer->previous->child = timer->sibling;
    else
        timer->previous->sibling = timer->sibling;
    if (timer->sibling != NULL)
        timer->sibling->previous = timer->previous;
    timer->sibling = NULL;
}

void timer_heap_remove(struct loop_timer **root, struct loop_timer *timer)
{
    ASSERT(loop_timer_is_started(timer));
    struct loop_timer *children = meld_all(timer->child);
    if (timer == *root) {
        set_root(root, children);
    } else {
        unlink_from_siblings(timer);
        set_root(root, meld(*root, children));
    }
    timer->child = timer->previous = NULL;
}
