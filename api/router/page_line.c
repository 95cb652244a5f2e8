#include "api/router/page_line.h"

#include "base/clock.h"

enum { TICK_US = 20 * 1000 };

static void append(struct page_place **list, struct page_place *place)
{
    while (*list != NULL)
        list = &(*list)->next;
    place->next = NULL;
    *list = place;
}

static void unlink_place(struct page_place **list, struct page_place *place)
{
    while (*list != place)
        list = &(*list)->next;
    *list = place->next;
}

static void give_back(struct page_line *line, struct page_place *place)
{
    unlink_place(&line->held, place);
    place->is_held = false;
    line->held_count--;
}

static void hold(struct page_line *line, struct page_place *place)
{
    place->is_held = true;
    place->since_us = clock_boot_us();
    append(&line->held, place);
    line->held_count++;
    place->go(place, ERR_OK);
}

static struct page_place *pop(struct page_line *line)
{
    struct page_place *place = line->waiting;
    line->waiting = place->next;
    place->is_waiting = false;
    return place;
}

static void hand_out(struct loop_task *task)
{
    struct page_line *line = task->data;
    while (line->waiting != NULL && line->held_count < line->places_max)
        hold(line, pop(line));
}

/* While somebody waits. */
static void on_tick(struct loop_timer *timer)
{
    struct page_line *line = timer->data;
    uint64_t now_us = clock_boot_us();
    while (line->held != NULL && now_us - line->held->since_us > PLACE_US_MAX)
        give_back(line, line->held); /* the first has had it longest */
    while (line->waiting != NULL && now_us >= line->waiting->deadline_us) {
        struct page_place *late = pop(line);
        late->go(late, ERR_TIMEOUT);
    }
    loop_defer(line->loop, &line->task);
    if (line->waiting != NULL)
        loop_timer_start(line->loop, timer, now_us + TICK_US);
}

void page_line_init(struct page_line *line, struct loop *loop, unsigned places_max)
{
    *line = (struct page_line){.loop = loop, .places_max = places_max};
    line->task = (struct loop_task){.run = hand_out, .data = line};
    line->timer = (struct loop_timer){.fire = on_tick, .data = line};
}

void page_line_close(struct page_line *line)
{
    loop_undefer(line->loop, &line->task);
    if (loop_timer_is_started(&line->timer))
        loop_timer_stop(line->loop, &line->timer);
    while (line->waiting != NULL) {
        struct page_place *place = pop(line);
        place->go(place, ERR_CLOSED);
    }
}

void page_line_take(struct page_line *line, struct page_place *place)
{
    if (line->waiting == NULL && line->held_count < line->places_max) {
        hold(line, place);
        return;
    }
    place->is_waiting = true;
    append(&line->waiting, place);
    if (!loop_timer_is_started(&line->timer))
        loop_timer_start(line->loop, &line->timer, clock_boot_us() + TICK_US);
}

void page_line_leave(struct page_line *line, struct page_place *place)
{
    if (place->is_waiting) {
        unlink_place(&line->waiting, place);
        place->is_waiting = false;
    }
    if (!place->is_held)
        return;
    give_back(line, place);
    if (line->waiting != NULL)
        loop_defer(line->loop, &line->task);
}
