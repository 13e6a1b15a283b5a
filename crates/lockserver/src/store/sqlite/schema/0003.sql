-- Schema 3: the words of the documentation. A client acknowledges its ticket, and a holder whose lease ran out is lost.

ALTER TABLE tickets RENAME COLUMN known TO acknowledged;
UPDATE tickets SET ended_as = 'lost' WHERE ended_as = 'forgotten';
UPDATE closures SET ended_as = 'lost' WHERE ended_as = 'forgotten';
