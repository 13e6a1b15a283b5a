-- Schema 6: rules 13 to 18. Tags of slots and which one is picked, caps of owners, permits that are not given again too soon;
-- permits that an administrator or a report withholds, for as long as they say; who paused a lock; and what few tickets have, in one
-- column.

ALTER TABLE locks ADD COLUMN tags TEXT;                        -- tags of names, as JSON; NULL: they have none
ALTER TABLE locks ADD COLUMN pick TEXT NOT NULL DEFAULT 'first'; -- 'first' or 'lru': which of the slots that fit is given
ALTER TABLE locks ADD COLUMN max_per_owner INTEGER;            -- most permits of one owner at a time; NULL: no cap
ALTER TABLE locks ADD COLUMN min_hold_ms INTEGER NOT NULL DEFAULT 0; -- how long after their claim permits are not given again
ALTER TABLE locks ADD COLUMN outside_in_use INTEGER;           -- permits in use by what was reported, others' included; NULL: no report
ALTER TABLE locks ADD COLUMN outside_reported_at_ms INTEGER;
ALTER TABLE locks ADD COLUMN outside_until_at_ms INTEGER;      -- wall time at which the report is stale
ALTER TABLE locks ADD COLUMN pause_by TEXT;                    -- name of the key, or what stands for it; NULL: the file, or not known

ALTER TABLE file_values ADD COLUMN tags TEXT;                  -- these four as in locks
ALTER TABLE file_values ADD COLUMN pick TEXT NOT NULL DEFAULT 'first';
ALTER TABLE file_values ADD COLUMN max_per_owner INTEGER;
ALTER TABLE file_values ADD COLUMN min_hold_ms INTEGER NOT NULL DEFAULT 0;

ALTER TABLE templates ADD COLUMN tags TEXT;                    -- these four as in locks
ALTER TABLE templates ADD COLUMN pick TEXT NOT NULL DEFAULT 'first';
ALTER TABLE templates ADD COLUMN max_per_owner INTEGER;
ALTER TABLE templates ADD COLUMN min_hold_ms INTEGER NOT NULL DEFAULT 0;

ALTER TABLE tickets ADD COLUMN more TEXT;                      -- what few tickets have, as JSON; NULL: nothing of that

ALTER TABLE withholdings RENAME TO withholdings_5;
CREATE TABLE withholdings (
    number INTEGER PRIMARY KEY,     -- of the ticket that had them, or one of their own
    lock TEXT NOT NULL,
    slots TEXT NOT NULL,            -- what is withheld now, '0-3,7'
    slot_names TEXT NOT NULL,       -- their names, 'port-a,port-b'
    all_permits INTEGER NOT NULL,   -- 1: the ticket had asked for all; nothing of the lock is granted meanwhile
    cause TEXT NOT NULL,            -- 'lost_holder', 'cooldown', 'broken', 'admin' or 'outside'
    ended_as TEXT,                  -- how the ticket ended, if one had them
    reason TEXT,                    -- the words of whoever withholds them
    until_service_ms INTEGER,       -- when they can be given again, in service time
    until_at_ms INTEGER,            -- or in wall time; neither: when they are restored
    awaited INTEGER NOT NULL DEFAULT 0,     -- so many more as they come back
    awaited_names TEXT NOT NULL DEFAULT ''  -- or those slots, 'port-a,port-b'
) STRICT;
INSERT INTO withholdings (number, lock, slots, slot_names, all_permits, cause, ended_as, reason, until_service_ms)
SELECT number, lock, slots, slot_names, all_permits, cause, ended_as, reason, until_service_ms FROM withholdings_5 ORDER BY number;
DROP TABLE withholdings_5;
