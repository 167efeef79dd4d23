ALTER TABLE fence DROP COLUMN reminders_sequence, DROP COLUMN invitation_sequence;
ALTER TABLE due DROP COLUMN kind;
ALTER TABLE email DROP COLUMN kind;
