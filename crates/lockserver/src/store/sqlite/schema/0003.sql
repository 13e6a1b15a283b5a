-- Schema 3: the words of the documentation. A client acknowledges its ticket, a holder whose lease ran out is lost, and permits
-- that nobody may be given for now are withheld, for a cause.

ALTER TABLE tickets RENAME COLUMN known TO acknowledged;
UPDATE tickets SET ended_as = 'lost' WHERE ended_as = 'forgotten';

ALTER TABLE closures RENAME TO withholdings;
ALTER TABLE withholdings ADD COLUMN cause TEXT NOT NULL DEFAULT 'lost_holder'; -- why: 'lost_holder'
ALTER TABLE withholdings ADD COLUMN reason TEXT;                               -- an administrator's words
UPDATE withholdings SET reason = (SELECT reason FROM tickets WHERE tickets.number = withholdings.number);
UPDATE withholdings SET ended_as = 'lost' WHERE ended_as = 'forgotten';
ALTER TABLE closed_names RENAME TO withheld_names;
