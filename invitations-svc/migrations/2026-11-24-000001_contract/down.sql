-- Back to sending and accepting. What the schema before has no place for goes: closed invitations other than accepted
-- ones, replies, bans, strikes, the feed, the audit log. Ignored and declined ones are in the archive.

DROP TABLE duty, erasure, audit, feed_head, feed, reply;
DROP INDEX sent_closed, request_old;

DELETE FROM outbox WHERE event > 2 OR due_at IS NULL;
DELETE FROM outbox_dead WHERE event > 2;
DROP INDEX outbox_unfed;
ALTER TABLE outbox
    DROP CONSTRAINT outbox_event_check,
    ADD CONSTRAINT outbox_event_check CHECK (event IN (1, 2)),
    DROP COLUMN number,
    DROP COLUMN hidden,
    DROP COLUMN pair_version,
    DROP COLUMN unfed,
    ALTER COLUMN due_at SET NOT NULL;
ALTER TABLE outbox RENAME COLUMN text TO note;
ALTER TABLE outbox_dead DROP COLUMN number;
ALTER TABLE outbox_dead RENAME COLUMN text TO note;

DELETE FROM request WHERE outcome IN (5, 6) OR outcome > 109;
ALTER TABLE request DROP COLUMN snapshot;

UPDATE pair SET open_id = NULL, open_from_lo = NULL, open_until = NULL
    WHERE open_id IN (SELECT id FROM received WHERE folder = 4);
DELETE FROM sent USING received r
    WHERE sent.inviter_id = r.inviter_id AND sent.id = r.id AND (r.folder = 4 OR r.lifecycle IN (3, 5));
DELETE FROM received WHERE folder = 4 OR lifecycle IN (3, 5);
UPDATE sent SET lifecycle = 1, closed_at = NULL WHERE lifecycle = 4;
UPDATE received SET lifecycle = 1, closed_at = NULL WHERE lifecycle = 4;
UPDATE received SET folder = 2 WHERE folder = 3;
DROP INDEX received_due;
ALTER TABLE received
    DROP CONSTRAINT received_lifecycle_check,
    ADD CONSTRAINT received_lifecycle_check CHECK (lifecycle IN (1, 2)),
    DROP CONSTRAINT received_folder_check,
    ADD CONSTRAINT received_folder_check CHECK (folder IN (1, 2)),
    DROP COLUMN reminders_left,
    DROP COLUMN replies,
    DROP COLUMN due_at;
ALTER TABLE received RENAME COLUMN closed_at TO accepted_at;
ALTER TABLE sent
    DROP CONSTRAINT sent_lifecycle_check,
    ADD CONSTRAINT sent_lifecycle_check CHECK (lifecycle IN (1, 2));
ALTER TABLE sent RENAME COLUMN closed_at TO accepted_at;

ALTER TABLE pair
    DROP COLUMN lo_barred,
    DROP COLUMN hi_barred,
    DROP COLUMN lo_struck_at,
    DROP COLUMN hi_struck_at,
    DROP COLUMN lo_email_required,
    DROP COLUMN hi_email_required;

ALTER TABLE account
    DROP COLUMN erased,
    DROP COLUMN granted,
    DROP COLUMN outstanding,
    DROP COLUMN connections,
    DROP COLUMN strikes,
    DROP COLUMN ladder_step,
    DROP COLUMN restriction,
    DROP COLUMN restricted_until;

UPDATE member SET invitation_policy = 2 WHERE invitation_policy = 3;
ALTER TABLE member
    DROP CONSTRAINT member_invitation_policy_check,
    ADD CONSTRAINT member_invitation_policy_check CHECK (invitation_policy IN (1, 2));
