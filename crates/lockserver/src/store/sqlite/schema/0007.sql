-- Schema 7: rule 13, several locks in one ticket. What it asks for and has of its further locks is in tickets.more, as JSON: 'parts'. The
-- views show it in each of its locks. A request id is found by all locks of its ticket.

ALTER TABLE withdrawals ADD COLUMN others TEXT; -- the further locks of the ticket, as JSON; NULL: it was for one
DROP INDEX withdrawals_by_scope;
CREATE UNIQUE INDEX withdrawals_by_scope
    ON withdrawals (lock, request_id, owner IS NULL, ifnull(owner, ''), ifnull(others, ''));

-- For people: what each ticket asks for and has of each of its locks.
CREATE VIEW ticket_locks AS
    SELECT number, lock, permits, slots, slot_names FROM tickets
    UNION ALL
    SELECT number, part.value ->> 'lock', ifnull(part.value ->> '$.permits.count', 'all'),
           (SELECT ifnull(group_concat(CASE
                       WHEN slot.value ->> 0 = slot.value ->> 1 THEN slot.value ->> 0
                       ELSE (slot.value ->> 0) || '-' || (slot.value ->> 1) END, ','), '')
            FROM json_each(part.value, '$.slots') AS slot),
           (SELECT ifnull(group_concat(name.value, ','), '') FROM json_each(part.value, '$.slot_names') AS name)
    FROM tickets, json_each(tickets.more, '$.parts') AS part;

DROP VIEW holders;
DROP VIEW waiters;
CREATE VIEW holders AS
    SELECT part.lock, number, state, part.permits, part.slots, part.slot_names, token, owner, holder, client, info,
           datetime(granted_at_ms / 1000, 'unixepoch') AS granted_at_utc
    FROM tickets JOIN ticket_locks AS part USING (number) WHERE state IN ('granted', 'held') ORDER BY part.lock, token;
CREATE VIEW waiters AS
    SELECT part.lock, number, part.permits, priority,
           dormant OR (acknowledged = 0 AND number <= (SELECT dormant_to FROM meta)) AS dormant,
           owner, holder, client, info,
           datetime(created_at_ms / 1000, 'unixepoch') AS created_at_utc
    FROM tickets JOIN ticket_locks AS part USING (number) WHERE state = 'queued' ORDER BY part.lock, priority DESC, seq;
