/* Frame types of the data plane (0x0100-0x01FF). A response has its request's type and the response flag. */
#pragma once

enum dataplane_frame_type {
    DATAPLANE_FRAME_READ = 0x0101,      /* ReadRequest -> ReadResponse */
    DATAPLANE_FRAME_WRITE = 0x0102,     /* WriteRequest -> WriteResponse */
    DATAPLANE_FRAME_RANGE = 0x0103,     /* RangeRequest -> RangeResponse */
    DATAPLANE_FRAME_HEARTBEAT = 0x0110, /* Heartbeat, one-way, on the heartbeat connection */
    DATAPLANE_FRAME_REPLICATION =
        0x0111, /* Replication, one-way, votes on the heartbeat connection, the rest on the log's */
    /* On the bulk connection. */
    DATAPLANE_FRAME_SNAPSHOT_BEGIN = 0x0120, /* SnapshotBegin -> SnapshotReply */
    DATAPLANE_FRAME_SNAPSHOT_CHUNK = 0x0121, /* SnapshotChunk -> SnapshotReply */
    DATAPLANE_FRAME_SNAPSHOT_END = 0x0122,   /* SnapshotEnd -> SnapshotReply */
};
