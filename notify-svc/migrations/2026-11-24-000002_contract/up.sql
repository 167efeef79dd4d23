-- 7 preference off, 8 suppressed.
ALTER TABLE email DROP CONSTRAINT email_state_check;
ALTER TABLE email ADD CONSTRAINT email_state_check CHECK (state BETWEEN 1 AND 8);
ALTER TABLE email
    -- SHA-256 of the reader's address, its ASCII letters in lower case.
    ADD COLUMN address_hash bytea NOT NULL DEFAULT '',
    -- The member whom it tells of; unknown for emails of before.
    ADD COLUMN other_id uuid,
    -- The claims that there were when it was closed: where it is opened again, fencing tokens go on from here.
    ADD COLUMN claims integer NOT NULL DEFAULT 0,
    -- Members whom it names beside these two.
    ADD COLUMN named_ids uuid[] NOT NULL DEFAULT '{}',
    -- Gone once what the email says was erased.
    ALTER COLUMN letter DROP NOT NULL;
UPDATE email SET address_hash = sha256(convert_to(lower((letter->'recipient'->>'address') COLLATE "C"), 'UTF8'))
    WHERE letter->'recipient'->>'address' IS NOT NULL;
ALTER TABLE email ALTER COLUMN address_hash DROP DEFAULT;
-- Half of each page is room for the outcomes of what fills the other half, and no index names what an outcome changes:
-- so its update stays in the page and touches no index, even when all emails of a page get theirs at once.
ALTER TABLE email SET (fillfactor = 50);
CREATE INDEX email_by_member ON email (member_id, id);
CREATE INDEX email_by_other ON email (other_id);
CREATE INDEX email_by_named ON email USING gin (named_ids) WHERE named_ids <> '{}';

-- Emails that ended otherwise than sent, by their state: a list beside `email`, so that no index of it names the state.
CREATE TABLE unsent (
    state smallint NOT NULL CHECK (state > 2),
    email_id uuid NOT NULL,
    kind smallint NOT NULL,
    PRIMARY KEY (state, email_id)
);
INSERT INTO unsent (state, email_id, kind) SELECT state, id, kind FROM email WHERE state > 2;

-- How far erasing has come, in one row.
CREATE TABLE retention (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- No email up to this id has a text.
    passed uuid NOT NULL
);
INSERT INTO retention (passed) VALUES ('00000000-0000-0000-0000-000000000000');

ALTER TABLE due
    ADD COLUMN member_id uuid,
    -- Attempts that ended by a fault of the mail server's, not of the email's.
    ADD COLUMN faults smallint NOT NULL DEFAULT 0;
UPDATE due SET member_id = email.member_id FROM email WHERE email.id = due.email_id;
ALTER TABLE due ALTER COLUMN member_id SET NOT NULL;
-- An invitation's emails are found by `email`: an index here would be written at each claim, too.
DROP INDEX due_by_invitation;
-- Reminders of one reader, to be put together.
CREATE INDEX due_reminders ON due (member_id) WHERE kind = 2;

-- Which mail server was tried, as host and port; empty where none was reached.
ALTER TABLE attempt ADD COLUMN relay text NOT NULL DEFAULT '';
ALTER TABLE attempt ALTER COLUMN relay DROP DEFAULT;

-- What is known of a reader: what they want, and what they got lately. There is a row once either is known.
CREATE TABLE reader (
    member_id uuid PRIMARY KEY,
    -- Kinds of email that are switched off.
    off smallint[] NOT NULL DEFAULT '{}',
    -- No email of any kind, whatever `off` says.
    contact_restricted boolean NOT NULL DEFAULT false,
    -- When they last chose; none where they never did.
    chosen_at timestamptz,
    -- When bodies of emails to them began; as many as the cap of a day asks for.
    sent_at timestamptz[] NOT NULL DEFAULT '{}',
    -- When reminders to them began, one for each invitation; as many as a digest asks for.
    reminded_at timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Addresses that are dead. The address itself is not kept.
CREATE TABLE suppression (
    address_hash bytea PRIMARY KEY,
    -- 1 refused by the mail server, 2 told by a delivery status notification.
    reason smallint NOT NULL CHECK (reason BETWEEN 1 AND 2),
    diagnostic text NOT NULL,
    -- The email that told.
    email_id uuid NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX suppression_by_time ON suppression (created_at, address_hash);

-- What delivery status notifications said.
CREATE TABLE bounce (
    email_id uuid NOT NULL,
    at timestamptz NOT NULL,
    status text NOT NULL,
    diagnostic text NOT NULL,
    PRIMARY KEY (email_id, status, diagnostic)
);

-- What operators did. It is also what makes their calls repeatable.
CREATE TABLE act (
    client text NOT NULL,
    request_id uuid NOT NULL,
    -- SHA-256 of the request.
    fingerprint bytea NOT NULL,
    at timestamptz NOT NULL,
    rpc text NOT NULL,
    -- The email that it was done to, or that had told of the address that it was done to; none where no email had.
    email_id uuid,
    note text NOT NULL,
    PRIMARY KEY (client, request_id)
);
CREATE INDEX act_by_email ON act (email_id) WHERE email_id IS NOT NULL;
CREATE INDEX act_by_time ON act (at);
