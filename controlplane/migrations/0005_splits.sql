-- A partition that splits ends as two: their group ids are given out when the split is ordered, and the row of the one that
-- was stays until its replicas are removed.
ALTER TABLE partitions
    ADD COLUMN split_left_group  bigint NOT NULL DEFAULT 0,  -- 0: no split was ordered
    ADD COLUMN split_right_group bigint NOT NULL DEFAULT 0,
    ADD COLUMN is_split          boolean NOT NULL DEFAULT false;
-- The two have the replica ids of the one: a replica is named by its group and its id.
ALTER TABLE replicas DROP CONSTRAINT replicas_pkey, ADD PRIMARY KEY (group_id, replica_id);
DROP INDEX replicas_by_group;
