-- How many loops a node has: the group with id g is served at port + g % loops. Nodes of before had one.
ALTER TABLE nodes ADD COLUMN loops integer NOT NULL DEFAULT 1 CHECK (loops > 0);
