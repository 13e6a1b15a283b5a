-- Schema 2: what is known of the lives of the server, when leases began, and pauses that end in wall time.
-- Uptime is service time without what was counted after a crash for the time until the next start: meta.service_ms - meta.downtime_ms.

ALTER TABLE meta ADD COLUMN downtime_ms INTEGER NOT NULL DEFAULT 0;  -- of service_ms: counted after crashes, while the server may not have run
ALTER TABLE meta ADD COLUMN monotonic_ms INTEGER NOT NULL DEFAULT 0; -- the machine's monotonic clock at the last commit; 0: stopped in order
ALTER TABLE meta ADD COLUMN starts TEXT NOT NULL DEFAULT '';         -- uptime at the starts of the server that leases ask for, '0,12'
ALTER TABLE meta ADD COLUMN doubt_at_ms INTEGER NOT NULL DEFAULT 0;  -- wall time at which commits were found to be lost; 0: they were not
ALTER TABLE tickets ADD COLUMN lease_began_uptime_ms INTEGER NOT NULL DEFAULT 0; -- first time in the last life of the server in which it began
ALTER TABLE locks ADD COLUMN pause_until_at_ms INTEGER;              -- wall time at which the pause ends, if an administrator said so
