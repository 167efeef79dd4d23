-- 1 initial, 2 reminder, 3 acceptance, 4 reply. Most rows of before are initial emails: the default names them without
-- a write, and leaves so that no later row gets its kind by omission.
ALTER TABLE email ADD COLUMN kind smallint NOT NULL DEFAULT 1 CHECK (kind BETWEEN 1 AND 4);
ALTER TABLE due ADD COLUMN kind smallint NOT NULL DEFAULT 1 CHECK (kind BETWEEN 1 AND 4);
UPDATE email SET kind = 3 WHERE letter->'content'->>'kind' = 'acceptance';
UPDATE due SET kind = email.kind FROM email WHERE email.id = due.email_id AND email.kind <> due.kind;
ALTER TABLE email ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE due ALTER COLUMN kind DROP DEFAULT;

-- The highest cancel of each scope, 0 while there has been none; `sequence` is that of the scope that covers all kinds.
-- One row still, because it orders the commands of its invitation whatever they are about.
ALTER TABLE fence
    -- Covers initial emails and reminders.
    ADD COLUMN invitation_sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN reminders_sequence bigint NOT NULL DEFAULT 0;
