-- What UpdateTable changes and descriptions tell of. Times are microseconds since 1970, 0: never. A maximum of 0: none.
ALTER TABLE tables
    ADD COLUMN max_read_units  bigint NOT NULL DEFAULT 0,   -- OnDemandThroughput
    ADD COLUMN max_write_units bigint NOT NULL DEFAULT 0,
    ADD COLUMN on_demand_us    bigint NOT NULL DEFAULT 0,   -- made on-demand
    ADD COLUMN table_class_us  bigint NOT NULL DEFAULT 0,   -- its class changed
    ADD COLUMN increase_us     bigint NOT NULL DEFAULT 0,
    ADD COLUMN decrease_us     bigint NOT NULL DEFAULT 0,
    ADD COLUMN decrease_count  integer NOT NULL DEFAULT 0,  -- on the UTC day of decrease_us
    ADD COLUMN decreases_left  integer NOT NULL DEFAULT 0;  -- right after decrease_us
UPDATE tables SET on_demand_us = created_us WHERE billing_mode = 1;
