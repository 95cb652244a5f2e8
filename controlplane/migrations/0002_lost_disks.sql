-- A node id belongs to a data directory: a node that comes without one gets a new id, and the one that had its name before is
-- lost, with its replicas. A replica id belongs to one creation: the first that was reported (0: none yet), stored before
-- that one may act.
ALTER TABLE nodes DROP CONSTRAINT nodes_name_key;
ALTER TABLE nodes ADD COLUMN is_lost boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX nodes_by_name ON nodes (name) WHERE NOT is_lost;
ALTER TABLE replicas ADD COLUMN creation_id bigint NOT NULL DEFAULT 0;
