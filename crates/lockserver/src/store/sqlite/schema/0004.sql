-- Schema 4: tickets are found by their numbers alone. An index of the random ids cost each commit a page of its own for every ticket
-- in it; by number, those that were made together are neighbours. The server itself sees to it that no id is there twice.

DROP VIEW holders;
DROP VIEW waiters;

CREATE TABLE tickets_by_number (
    number INTEGER PRIMARY KEY,     -- public
    id TEXT NOT NULL,               -- secret: who knows it may release; no two tickets have the same
    lock TEXT NOT NULL,
    owner TEXT,                     -- name of the key that made it
    client TEXT NOT NULL,           -- address that made it
    info TEXT NOT NULL,             -- the client's words
    permits ANY NOT NULL,           -- a number, or 'all'
    priority INTEGER NOT NULL,      -- higher ones first
    seq INTEGER NOT NULL,           -- place among those of the same priority
    request_id TEXT,                -- chosen by the client
    asked_ttl_ms INTEGER,           -- what came with the request_id
    asked_max_hold_ms INTEGER,
    holder TEXT,                    -- who, in protocols that name the holder
    lease ANY NOT NULL,             -- milliseconds, 'of_lock' or 'never'
    queue_lease TEXT NOT NULL,      -- 'minute' or 'expiration', while queued with lease 'of_lock'
    max_hold_ms INTEGER,            -- longest hold it asked for
    acknowledged INTEGER NOT NULL,  -- 1: its client has asked about it since it was made; noted up to some seconds late
    lease_began_uptime_ms INTEGER NOT NULL, -- first time in the last life of the server in which it began
    state TEXT NOT NULL,            -- 'queued', 'granted', 'held', 'ended'
    dormant INTEGER NOT NULL,       -- 1: queued and skipped until its next sign of life
    ended_as TEXT,                  -- 'released', 'cancelled', 'expired', 'lost', 'overdue', 'revoked', 'oversized', 'lock_deleted'
    ended_service_ms INTEGER,
    reason TEXT,                    -- an administrator's words
    token INTEGER,                  -- fencing token of the last grant
    slots TEXT NOT NULL,            -- slots of the last grant
    slot_names TEXT NOT NULL,       -- their names, 'port-a,port-b'
    hold_until_service_ms INTEGER,  -- when it becomes overdue
    created_at_ms INTEGER NOT NULL,
    granted_at_ms INTEGER,
    held_at_ms INTEGER,
    ended_at_ms INTEGER
) STRICT;
INSERT INTO tickets_by_number
SELECT number, id, lock, owner, client, info, permits, priority, seq, request_id, asked_ttl_ms, asked_max_hold_ms, holder,
       lease, queue_lease, max_hold_ms, acknowledged, lease_began_uptime_ms, state, dormant, ended_as, ended_service_ms, reason,
       token, slots, slot_names, hold_until_service_ms, created_at_ms, granted_at_ms, held_at_ms, ended_at_ms
FROM tickets ORDER BY number;
DROP TABLE tickets;
ALTER TABLE tickets_by_number RENAME TO tickets;

CREATE VIEW holders AS
    SELECT lock, number, state, permits, slots, slot_names, token, owner, holder, client, info,
           datetime(granted_at_ms / 1000, 'unixepoch') AS granted_at_utc
    FROM tickets WHERE state IN ('granted', 'held') ORDER BY lock, token;
CREATE VIEW waiters AS
    SELECT lock, number, permits, priority, dormant, owner, holder, client, info,
           datetime(created_at_ms / 1000, 'unixepoch') AS created_at_utc
    FROM tickets WHERE state = 'queued' ORDER BY lock, priority DESC, seq;
