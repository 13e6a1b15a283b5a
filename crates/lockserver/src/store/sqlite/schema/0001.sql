-- Schema 1 of the store of lockserver. Only one server writes; anybody who may read the file may look with sqlite3 while
-- it runs. Never write with another program while it runs: the server keeps the table in memory and would not see it.
--
-- Times: *_at_ms are wall time, milliseconds since 1970 (only shown). *_service_ms are service time: milliseconds during
-- which the service ran (now: meta.service_ms). Any other *_ms is a duration. NULL means never, or not there.
-- Flags are 0 or 1. Slots are ranges: '0-3,7' are the slots 0, 1, 2, 3 and 7.

CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1), -- there is one row
    service_ms INTEGER NOT NULL,    -- the clock of the service
    last_token INTEGER NOT NULL,    -- the last fencing token given
    last_number INTEGER NOT NULL,   -- the last ticket number given
    last_seq INTEGER NOT NULL,      -- the last place in a queue given
    last_revision INTEGER NOT NULL, -- the last revision of a lock's settings given
    file TEXT NOT NULL,             -- device:inode of this file when it was last written; another one means: this is a copy
    loads INTEGER NOT NULL          -- how often the table was read; written before it is used (see the source)
) STRICT;

CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    size INTEGER NOT NULL,          -- permits
    names TEXT,                     -- names of the permits as configured, 'port-a,port-b'; NULL: they have none
    grace_ms INTEGER NOT NULL,      -- how long a grant waits to be picked up
    expiration_ms INTEGER,          -- queue lease of tickets made over XML-RPC
    max_lock_ms INTEGER,            -- lease of a holder that asked for none
    max_hold_ms INTEGER,            -- longest hold, whatever is renewed
    max_ttl_ms INTEGER,             -- longest lease that a client may ask for; NULL: the default
    lock_delay_ms INTEGER NOT NULL, -- how long permits stay closed after an end that the holder may not know of
    max_queue INTEGER NOT NULL,     -- most tickets in the queue
    description TEXT NOT NULL,
    template TEXT,                  -- the template it is an instance of, 'deploy-*'
    retiring INTEGER NOT NULL,      -- 1: its section is gone, it goes with its last ticket
    paused INTEGER NOT NULL,        -- 1: nothing is granted
    pause_reason TEXT,
    pause_until_service_ms INTEGER,
    slot_names TEXT NOT NULL,       -- which slot has which name, '0=port-a,1=port-b'
    revision INTEGER NOT NULL       -- a new one at each change of the settings
) STRICT;

-- What the configuration file last said about a lock, to tell a live change from a change of the file.
CREATE TABLE file_values (
    lock TEXT PRIMARY KEY,
    size INTEGER NOT NULL,          -- these ten as in locks
    names TEXT,
    grace_ms INTEGER NOT NULL,
    expiration_ms INTEGER,
    max_lock_ms INTEGER,
    max_hold_ms INTEGER,
    max_ttl_ms INTEGER,
    lock_delay_ms INTEGER NOT NULL,
    max_queue INTEGER NOT NULL,
    description TEXT NOT NULL,
    paused INTEGER NOT NULL         -- 1: size 0 in the file
) STRICT;

CREATE TABLE templates (
    pattern TEXT PRIMARY KEY,       -- 'deploy-*'
    size INTEGER NOT NULL,          -- these ten as in locks
    names TEXT,
    grace_ms INTEGER NOT NULL,
    expiration_ms INTEGER,
    max_lock_ms INTEGER,
    max_hold_ms INTEGER,
    max_ttl_ms INTEGER,
    lock_delay_ms INTEGER NOT NULL,
    max_queue INTEGER NOT NULL,
    description TEXT NOT NULL,
    paused INTEGER NOT NULL         -- 1: new instances start paused
) STRICT;

-- The number is the row's key, so that new tickets go to the end of the table and only the index is written at random.
CREATE TABLE tickets (
    number INTEGER PRIMARY KEY,     -- public
    id TEXT NOT NULL UNIQUE,        -- secret: who knows it may release
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
    known INTEGER NOT NULL,         -- 1: its client has asked about it since it was made; noted up to some seconds late
    state TEXT NOT NULL,            -- 'queued', 'granted', 'held', 'ended'
    dormant INTEGER NOT NULL,       -- 1: queued and skipped until its next sign of life
    ended_as TEXT,                  -- 'released', 'cancelled', 'expired', 'forgotten', 'overdue', 'revoked', 'oversized', 'lock_deleted'
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

-- Permits that nobody may have yet, because their last holder may still be at work.
CREATE TABLE closures (
    number INTEGER PRIMARY KEY,     -- of the ticket that had them
    lock TEXT NOT NULL,
    slots TEXT NOT NULL,
    slot_names TEXT NOT NULL,
    all_permits INTEGER NOT NULL,   -- 1: the ticket had asked for all; nothing of the lock is granted meanwhile
    ended_as TEXT NOT NULL,         -- how the ticket ended
    until_service_ms INTEGER NOT NULL
) STRICT;

-- Names of deleted locks that may not be taken yet.
CREATE TABLE closed_names (
    name TEXT PRIMARY KEY,
    until_service_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Request ids that were ended before their request arrived.
CREATE TABLE withdrawals (
    lock TEXT NOT NULL,
    owner TEXT,                     -- name of the key; NULL: without a key
    request_id TEXT NOT NULL,
    until_service_ms INTEGER NOT NULL
) STRICT;
-- No primary key can tell NULL, no key, from a key whose name is empty.
CREATE UNIQUE INDEX withdrawals_by_scope ON withdrawals (lock, request_id, owner IS NULL, ifnull(owner, ''));

-- For people: who has permits, and who waits, in the order of the queue. Without the secret ids.
CREATE VIEW holders AS
    SELECT lock, number, state, permits, slots, slot_names, token, owner, holder, client, info,
           datetime(granted_at_ms / 1000, 'unixepoch') AS granted_at_utc
    FROM tickets WHERE state IN ('granted', 'held') ORDER BY lock, token;
CREATE VIEW waiters AS
    SELECT lock, number, permits, priority, dormant, owner, holder, client, info,
           datetime(created_at_ms / 1000, 'unixepoch') AS created_at_utc
    FROM tickets WHERE state = 'queued' ORDER BY lock, priority DESC, seq;
