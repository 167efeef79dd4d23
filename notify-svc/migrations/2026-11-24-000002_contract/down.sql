DROP TABLE retention, unsent, act, bounce, suppression, reader;
ALTER TABLE attempt DROP COLUMN relay;
DROP INDEX due_reminders;
CREATE INDEX due_by_invitation ON due (invitation_id);
ALTER TABLE due DROP COLUMN faults, DROP COLUMN member_id;
DROP INDEX email_by_named, email_by_other, email_by_member;
ALTER TABLE email RESET (fillfactor);
-- Emails whose text was erased have an outcome; the version before reads none of them.
UPDATE email SET letter = '{}' WHERE letter IS NULL;
ALTER TABLE email ALTER COLUMN letter SET NOT NULL, DROP COLUMN named_ids, DROP COLUMN claims, DROP COLUMN other_id, DROP COLUMN address_hash;
-- The version before knows neither state: nothing was sent.
UPDATE email SET state = 3 WHERE state IN (7, 8);
ALTER TABLE email DROP CONSTRAINT email_state_check;
ALTER TABLE email ADD CONSTRAINT email_state_check CHECK (state BETWEEN 1 AND 6);
