/* Frame types of the control plane (0x0200-0x02FF). A response has its request's type and the response flag.
 */
#pragma once

enum controlplane_frame_type {
    CONTROLPLANE_FRAME_NODE_HEARTBEAT = 0x0201, /* NodeHeartbeat -> NodeGoals */
    CONTROLPLANE_FRAME_PUBLISH_ROUTES = 0x0210, /* PublishRoutes -> PublishRoutesReply */
    CONTROLPLANE_FRAME_LOOKUP_ROUTES = 0x0211,  /* LookupRoutes -> LookupRoutesReply */
    CONTROLPLANE_FRAME_COMPARE_ROUTES = 0x0212, /* CompareRoutes -> CompareRoutesReply */
    CONTROLPLANE_FRAME_PUSH_BUNDLE = 0x0220,    /* BundleUpdate -> BundleUpdateReply */
    CONTROLPLANE_FRAME_FETCH_BUNDLE = 0x0221,   /* FetchBundle -> BundleUpdate */
    CONTROLPLANE_FRAME_CONTROL = 0x0230,        /* ControlRequest -> ControlReply */
    CONTROLPLANE_FRAME_PROCESS_STATE = 0x0240,  /* ProcessState -> ProcessGoal: routers to control */
    CONTROLPLANE_FRAME_PROCESS_GOAL = 0x0241,   /* ProcessGoal -> ProcessState: control to MemDS */
};
