-- Replicas come and go while their group lives. Who is not wanted any more stays until its group's membership is without it.
ALTER TABLE replicas
    ADD COLUMN is_wanted   boolean NOT NULL DEFAULT true,
    ADD COLUMN is_newcomer boolean NOT NULL DEFAULT false,  -- not of the group's first membership
    ADD COLUMN is_leaving  boolean NOT NULL DEFAULT false;  -- to be built elsewhere first
UPDATE replicas SET is_wanted = false WHERE goal = 1;
ALTER TABLE partitions ADD COLUMN wanted_version bigint NOT NULL DEFAULT 0;  -- counts the changes of who is wanted
ALTER TABLE nodes
    ADD COLUMN is_draining boolean NOT NULL DEFAULT false,
    ADD COLUMN is_removed  boolean NOT NULL DEFAULT false;  -- forgotten when its last replica's row is
