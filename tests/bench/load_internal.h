/* Inside the client: its state, and what load_operations.c does for the loop in load_client.c. */
#pragma once

#include <sys/epoll.h>

#include "tests/bench/load_client.h"
#include "tests/bench/load_connection.h"

struct load_client {
    const struct load_options *options;
    const volatile bool *should_stop;
    struct load_stats *stats;
    struct load_workload workload;
    struct load_requests requests;
    struct sockaddr_in address;
    int epoll;
    struct load_connection *connections;
    size_t connection_count;
    /* A ring of connections, longest idle first. */
    struct load_connection **idle;
    size_t idle_first, idle_count;
    uint64_t start_us, end_us;
    uint64_t begun_count; /* open loop: operations that have been begun */
    size_t busy_count;
    /* Loading: the next step, how many are done, and steps to try again (at most one per connection). */
    uint64_t next_step, loaded_count;
    uint64_t loaded_seen, progress_us; /* how many when it last moved, and when that was */
    uint64_t *again;
    size_t again_count;
    uint64_t swept_us;
    uint64_t cpu_us; /* spent before the window began */
    bool is_in_window;
};

/* The connection waits for work, behind those that wait already. */
void load_push_idle(struct load_client *c, struct load_connection *connection);
/* Close the connection, to open it again later; a request under way has failed with `why`. */
void load_break_off(struct load_client *c, struct load_connection *connection, const char *why,
                    uint64_t now_us);
/* Whether the request under way was begun in the window. */
bool load_is_measured(const struct load_client *c, const struct load_connection *connection);
/* Open loop: when the next operation is due. */
uint64_t load_due_us(const struct load_client *c);
/* Whether there is something to begin now. */
bool load_has_due(const struct load_client *c, uint64_t now_us);
/* Begin what is due, as far as connections are idle. */
void load_begin_due(struct load_client *c, uint64_t now_us);
/* A socket became readable, writable or broken. */
void load_on_event(struct load_client *c, const struct epoll_event *event);
