-- What the control plane knows. Control loads all of it at its start and is the only writer (advisory lock); other
-- readers see whole transactions. Times are microseconds since 1970 (UTC). Ids never come back: see counters.

CREATE TABLE counters (
    name  text PRIMARY KEY,
    value bigint NOT NULL          -- the last one given out
);
INSERT INTO counters (name, value) VALUES
    ('tenant_id', 100000000000), ('space_id', 0), ('group_id', 0), ('replica_id', 0), ('node_id', 0),
    ('bundle_version', 0), ('workflow_id', 0);

CREATE TABLE settings (
    name  text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE tenants (
    tenant_id    text PRIMARY KEY CHECK (tenant_id ~ '^[0-9]{12}$'),
    name         text NOT NULL UNIQUE,
    is_suspended boolean NOT NULL DEFAULT false,
    created_us   bigint NOT NULL
);

CREATE TABLE access_keys (
    access_key_id text PRIMARY KEY,
    tenant_id     text NOT NULL REFERENCES tenants,
    user_name     text NOT NULL,
    sealed_secret bytea NOT NULL,  -- AES-256-GCM under the cluster key: nonce | tag | ciphertext
    is_revoked    boolean NOT NULL DEFAULT false,
    created_us    bigint NOT NULL
);

CREATE TABLE nodes (
    node_id           bigint PRIMARY KEY,
    name              text NOT NULL UNIQUE,
    zone              text NOT NULL,
    host              text NOT NULL,
    port              integer NOT NULL,
    last_heartbeat_us bigint NOT NULL
);

CREATE TABLE tables (
    space_id               bigint PRIMARY KEY,
    tenant_id              text NOT NULL REFERENCES tenants,
    name                   text NOT NULL,
    table_id               uuid NOT NULL UNIQUE,
    arn                    text NOT NULL,
    hash_name              text NOT NULL,
    hash_type              smallint NOT NULL,  -- 1 S, 2 N, 3 B
    sort_name              text,
    sort_type              smallint,
    schema_version         bigint NOT NULL,
    billing_mode           smallint NOT NULL,  -- 0 provisioned, 1 on-demand
    read_units             bigint NOT NULL,
    write_units            bigint NOT NULL,
    table_class            smallint NOT NULL,  -- 0 not given, 1 STANDARD, 2 STANDARD_INFREQUENT_ACCESS
    is_deletion_protected  boolean NOT NULL,
    tags                   jsonb NOT NULL,
    status                 smallint NOT NULL,  -- 0 CREATING, 1 ACTIVE, 2 UPDATING, 3 DELETING, 4 gone: replicas are being removed
    created_us             bigint NOT NULL
);
CREATE UNIQUE INDEX tables_by_name ON tables (tenant_id, name) WHERE status <> 4;

-- A contiguous range of a table's keys: one replication group. Without replicas: not placed yet.
CREATE TABLE partitions (
    group_id    bigint PRIMARY KEY,
    space_id    bigint NOT NULL REFERENCES tables,
    range_start bytea NOT NULL,
    range_end   bytea NOT NULL,
    range_epoch bigint NOT NULL
);
CREATE INDEX partitions_by_table ON partitions (space_id);

-- What should be. What is lives in each group's log, and wins.
CREATE TABLE replicas (
    replica_id       bigint PRIMARY KEY,
    group_id         bigint NOT NULL REFERENCES partitions,
    node_id          bigint NOT NULL REFERENCES nodes,
    kind             smallint NOT NULL,  -- 0 storage, 1 log, 2 learner
    goal             smallint NOT NULL,  -- 0 present, 1 absent
    is_leader_wanted boolean NOT NULL
);
CREATE INDEX replicas_by_group ON replicas (group_id);

-- What is under way. A row survives any process; whoever is control next goes on with it.
CREATE TABLE workflows (
    workflow_id bigint PRIMARY KEY,
    kind        text NOT NULL,      -- create_table, delete_table
    space_id    bigint NOT NULL REFERENCES tables,
    step        text NOT NULL,      -- place, wait_for_leaders; remove_replicas
    started_us  bigint NOT NULL,
    updated_us  bigint NOT NULL
);

-- What routers must know, as published: one sequence of versions over all objects.
CREATE TABLE bundle_objects (
    kind       smallint NOT NULL,
    id         text NOT NULL,
    version    bigint NOT NULL UNIQUE,
    is_deleted boolean NOT NULL,
    body       bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
