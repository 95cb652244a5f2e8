/* Storage nodes: all of them, one of them, and what was ordered of one. */
#include <jansson.h>
#include <stdio.h>

#include "api/cli/report_internal.h"
#include "base/assert.h"

enum { ADDRESS_BYTES = 160, SIZE_BYTES = 32 };

/* A control of before knows three states only. Lost: its data directory is gone, and another has its name. */
static const char *state_of(const json_t *node)
{
    const char *state = report_text(node, "state");
    if (state != NULL)
        return state;
    if (report_truth(node, "is_lost"))
        return "lost";
    return report_truth(node, "is_alive") ? "alive" : "silent";
}

static const char *address_of(const json_t *node, char to[ADDRESS_BYTES])
{
    const char *host = report_text(node, "host");
    (void)snprintf(to, ADDRESS_BYTES, "%s:%lld", host == NULL ? "?" : host,
                   report_number(node, "port")); /* cut */
    return to;
}

/* "1.5 GiB": three digits at most. */
static const char *size_text(long long bytes, char to[SIZE_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    long long tenths = bytes > 0 && bytes < INT64_MAX / 10 ? bytes * 10 : 0;
    for (; tenths >= 10240; unit++)
        tenths /= 1024;
    if (unit == 0 || tenths >= 1000)
        (void)snprintf(to, SIZE_BYTES, "%lld %s", tenths / 10, units[unit]); /* fits */
    else
        (void)snprintf(to, SIZE_BYTES, "%lld.%lld %s", tenths / 10, tenths % 10, units[unit]); /* fits */
    return to;
}

static void add_node(struct columns *columns, const json_t *node)
{
    char address[ADDRESS_BYTES], heard[REPORT_TIME_BYTES], size[SIZE_BYTES];
    columns_number(columns, report_number(node, "node_id"));
    columns_text(columns, report_text(node, "name"));
    columns_text(columns, report_text(node, "zone"));
    columns_text(columns, address_of(node, address));
    columns_text(columns, state_of(node));
    columns_number(columns, report_number(node, "replicas"));
    columns_number(columns, report_number(node, "wanted_leaders"));
    columns_text(columns, size_text(report_number(node, "item_bytes"), size));
    columns_text(columns, report_time(report_number(node, "last_heartbeat_us"), heard));
}

enum err report_nodes(const json_t *answer, struct buffer *to)
{
    static const char *const titles[] = {"NODE",     "NAME",           "ZONE",  "ADDRESS",       "STATE",
                                         "REPLICAS", "WANTED LEADERS", "ITEMS", "LAST HEARTBEAT"};
    const json_t *nodes = json_object_get(answer, "nodes");
    struct columns columns;
    if (!json_is_array(nodes))
        return ERR_INVALID;
    columns_init(&columns, titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < json_array_size(nodes); i++)
        add_node(&columns, json_array_get(nodes, i));
    return report_finish(&columns, to);
}

void report_care(const json_t *answer, struct buffer *to)
{
    const json_t *care = json_object_get(answer, "care");
    long long covered = report_number(care, "groups_covered");
    long long stuck = report_number(care, "groups_stuck");
    if (!json_is_object(care))
        return;
    buffer_append_format(to, "short groups    %lld", report_number(care, "groups_short"));
    if (covered > 0)
        buffer_append_format(to, ", %lld with log replicas", covered);
    if (stuck > 0)
        buffer_append_format(to, ", %lld without a quorum", stuck);
    buffer_append_format(to, "\nbuilding        %lld\nmoving          %lld\n",
                         report_number(care, "builds_running"), report_number(care, "moves_running"));
}

/* ---- one ---- */

static void write_summary(const json_t *node, struct buffer *to)
{
    char address[ADDRESS_BYTES], heard[REPORT_TIME_BYTES], size[SIZE_BYTES];
    buffer_append_format(to, "node id         %lld\n", report_number(node, "node_id"));
    buffer_append_format(to, "name            %s\n", report_text(node, "name"));
    buffer_append_format(to, "zone            %s\n", report_text(node, "zone"));
    buffer_append_format(to, "address         %s\n", address_of(node, address));
    buffer_append_format(to, "loops           %lld\n", report_number(node, "loops"));
    buffer_append_format(to, "state           %s\n", state_of(node));
    buffer_append_format(to, "last heartbeat  %s\n",
                         report_time(report_number(node, "last_heartbeat_us"), heard));
    buffer_append_format(to, "replicas        %lld, %lld quarantined\n", report_number(node, "replicas"),
                         report_number(node, "quarantined"));
    buffer_append_format(to, "leaders         %lld, %lld wanted\n", report_number(node, "leaders"),
                         report_number(node, "wanted_leaders"));
    buffer_append_format(to, "items           %s\n", size_text(report_number(node, "item_bytes"), size));
    long long milli = report_number(node, "milli_units_per_s");
    buffer_append_format(to, "consumed        %lld.%lld units/s\n", milli / 1000, milli % 1000 / 100);
}

static void add_replica(struct columns *columns, const json_t *replica)
{
    char size[SIZE_BYTES];
    columns_number(columns, report_number(replica, "group_id"));
    columns_number(columns, report_number(replica, "replica_id"));
    columns_text(columns, report_text(replica, "tenant_id"));
    columns_text(columns, report_text(replica, "table"));
    columns_text(columns, report_text(replica, "kind"));
    columns_text(columns, report_text(replica, "state"));
    columns_text(columns, report_truth(replica, "is_leader_wanted") ? "yes" : "no");
    columns_text(columns, size_text(report_number(replica, "item_bytes"), size));
}

enum err report_node(const json_t *answer, struct buffer *to)
{
    static const char *const titles[] = {"GROUP", "REPLICA", "TENANT",      "TABLE",
                                         "KIND",  "STATE",   "SHOULD LEAD", "ITEMS"};
    const json_t *replicas = json_object_get(answer, "replica_list");
    struct columns columns;
    if (!json_is_array(replicas) || report_text(answer, "name") == NULL ||
        report_text(answer, "zone") == NULL)
        return ERR_INVALID;
    write_summary(answer, to);
    long long count = report_number(answer, "replica_list_count");
    if (count == 0)
        return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
    buffer_append_u8(to, '\n');
    columns_init(&columns, titles, sizeof titles / sizeof titles[0]);
    for (size_t i = 0; i < json_array_size(replicas); i++)
        add_replica(&columns, json_array_get(replicas, i));
    TRY(report_finish(&columns, to));
    if (count > (long long)json_array_size(replicas))
        buffer_append_format(to, "... and %lld more\n", count - (long long)json_array_size(replicas));
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}

/* ---- orders ---- */

enum err report_node_order(enum cli_verb verb, const json_t *answer, struct buffer *to)
{
    const char *name = report_text(answer, "name");
    long long replicas = report_number(answer, "replicas");
    if (name == NULL)
        return ERR_INVALID;
    if (verb == CLI_FLEET_REMOVE)
        buffer_append_format(to, "%s (node %lld) is removed; %lld replicas are built elsewhere.\n", name,
                             report_number(answer, "node_id"), replicas);
    else if (verb == CLI_FLEET_UNDRAIN)
        buffer_append_format(to, "%s can have replicas again; it keeps %lld.\n", name, replicas);
    else if (replicas == 0)
        buffer_append_format(to, "%s is drained: it has no replicas.\n", name);
    else
        buffer_append_format(
            to, "%s drains: %lld replicas to move. `sluice fleet show %s` tells how far it is.\n", name,
            replicas, name);
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}
