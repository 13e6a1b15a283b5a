-- Schema 5: a start makes dormant whose clients may not know of their tickets (rule 9), and writes one number for all of them.
-- A ticket that is queued, not acknowledged, and not above that number is dormant, whatever tickets.dormant says.

ALTER TABLE meta ADD COLUMN dormant_to INTEGER NOT NULL DEFAULT 0; -- the last ticket number given before that start

DROP VIEW waiters;
CREATE VIEW waiters AS
    SELECT lock, number, permits, priority,
           dormant OR (acknowledged = 0 AND number <= (SELECT dormant_to FROM meta)) AS dormant,
           owner, holder, client, info,
           datetime(created_at_ms / 1000, 'unixepoch') AS created_at_utc
    FROM tickets WHERE state = 'queued' ORDER BY lock, priority DESC, seq;
