-- The whole contract: folders, bans, strikes, reminders, replies, the feed, erasure.

ALTER TABLE member
    DROP CONSTRAINT member_invitation_policy_check,
    -- 1 everyone, 2 those who know the email address, 3 nobody
    ADD CONSTRAINT member_invitation_policy_check CHECK (invitation_policy BETWEEN 1 AND 3);

ALTER TABLE account
    ADD COLUMN erased boolean NOT NULL DEFAULT false,
    -- sends beyond the quota that an operator granted and that are left
    ADD COLUMN granted integer NOT NULL DEFAULT 0,
    -- sent invitations whose row says pending, those included whose time ran out
    ADD COLUMN outstanding integer NOT NULL DEFAULT 0,
    ADD COLUMN connections integer NOT NULL DEFAULT 0,
    -- the times of strikes since the last restriction began, as in sends
    ADD COLUMN strikes bytea NOT NULL DEFAULT '',
    ADD COLUMN ladder_step smallint NOT NULL DEFAULT 0,
    -- 1 the recipient's address is needed, 2 suspended; the last restriction, which may have ended
    ADD COLUMN restriction smallint CHECK (restriction IN (1, 2)),
    -- null while there is a restriction: until it is lifted
    ADD COLUMN restricted_until timestamptz,
    ADD CHECK (restriction IS NOT NULL OR restricted_until IS NULL);

UPDATE account SET
    outstanding = (SELECT count(*) FROM sent WHERE inviter_id = account.member_id AND lifecycle = 1),
    connections = (SELECT count(*) FROM connection WHERE connection.member_id = account.member_id);

ALTER TABLE pair
    -- the larger id declined the smaller as an inviter
    ADD COLUMN lo_barred boolean NOT NULL DEFAULT false,
    ADD COLUMN hi_barred boolean NOT NULL DEFAULT false,
    -- the last decline that counted as a strike
    ADD COLUMN lo_struck_at timestamptz,
    ADD COLUMN hi_struck_at timestamptz,
    -- an invitation was withdrawn: the next one needs the other's address
    ADD COLUMN lo_email_required boolean NOT NULL DEFAULT false,
    ADD COLUMN hi_email_required boolean NOT NULL DEFAULT false;

ALTER TABLE sent RENAME COLUMN accepted_at TO closed_at;
ALTER TABLE sent
    DROP CONSTRAINT sent_lifecycle_check,
    -- 1 pending, 2 accepted, 3 withdrawn, 4 expired, 5 void
    ADD CONSTRAINT sent_lifecycle_check CHECK (lifecycle BETWEEN 1 AND 5);

ALTER TABLE received RENAME COLUMN accepted_at TO closed_at;
ALTER TABLE received
    DROP CONSTRAINT received_lifecycle_check,
    ADD CONSTRAINT received_lifecycle_check CHECK (lifecycle BETWEEN 1 AND 5),
    DROP CONSTRAINT received_folder_check,
    -- 1 inbox, 2 archived, 3 declined, 4 barred: only looks sent
    ADD CONSTRAINT received_folder_check CHECK (folder BETWEEN 1 AND 4),
    ADD COLUMN reminders_left smallint NOT NULL DEFAULT 0,
    ADD COLUMN replies smallint NOT NULL DEFAULT 0,
    -- the next reminder or the expiry; null once it is closed
    ADD COLUMN due_at timestamptz;

-- What was sent before there were reminders gets none.
UPDATE received SET due_at = expires_at WHERE lifecycle = 1;
-- What workers look at, in the order of time.
CREATE INDEX received_due ON received (due_at) WHERE due_at IS NOT NULL;

-- What recipients wrote, where its reader finds it.
CREATE TABLE reply (
    inviter_id    uuid NOT NULL,
    invitation_id uuid NOT NULL,
    number        smallint NOT NULL,
    text          text NOT NULL,
    replied_at    timestamptz NOT NULL,
    PRIMARY KEY (inviter_id, invitation_id, number)
);

-- What an answer showed beside the request's own words: an invitation at that moment, without its text.
ALTER TABLE request ADD COLUMN snapshot bytea;
-- Accepts were answered without one. Accepting again is harmless.
DELETE FROM request WHERE outcome = 3;

-- Transitions on their way: to notify-svc while due_at is set, into the feed while unfed.
ALTER TABLE outbox RENAME COLUMN note TO text;
ALTER TABLE outbox
    DROP CONSTRAINT outbox_event_check,
    ADD CONSTRAINT outbox_event_check CHECK (event BETWEEN 1 AND 13),
    -- which reminder
    ADD COLUMN number smallint NOT NULL DEFAULT 0,
    -- the recipient must not learn of it
    ADD COLUMN hidden boolean NOT NULL DEFAULT false,
    -- the pair's version: the order of its transitions
    ADD COLUMN pair_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN unfed boolean NOT NULL DEFAULT false,
    ALTER COLUMN due_at DROP NOT NULL;
CREATE INDEX outbox_unfed ON outbox (lane) WHERE unfed;
ALTER TABLE outbox_dead RENAME COLUMN note TO text;
ALTER TABLE outbox_dead ADD COLUMN number smallint NOT NULL DEFAULT 0;

-- Transitions for services that follow, without gaps: a lane's positions are given out by whoever holds its head.
CREATE TABLE feed (
    lane          smallint NOT NULL,
    position      bigint NOT NULL,
    event         smallint NOT NULL,
    invitation_id uuid NOT NULL,
    inviter_id    uuid NOT NULL,
    recipient_id  uuid NOT NULL,
    hidden        boolean NOT NULL,
    happened_at   timestamptz NOT NULL,
    PRIMARY KEY (lane, position)
);
CREATE TABLE feed_head (
    lane     smallint PRIMARY KEY,
    -- the last position given out
    position bigint NOT NULL,
    -- positions up to this one are no longer kept
    trimmed  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO feed_head (lane, position) SELECT lane, 0 FROM generate_series(0, 7) AS lanes(lane);

CREATE TABLE audit (
    member_id uuid NOT NULL,
    id        uuid NOT NULL,
    actor     text NOT NULL,
    -- 1 quota granted, 2 restricted, 3 restriction lifted, 4 ban lifted, 5 erased
    action    smallint NOT NULL CHECK (action BETWEEN 1 AND 5),
    detail    text NOT NULL,
    note      text NOT NULL,
    PRIMARY KEY (member_id, id)
);

-- Members whose rows are still being erased.
CREATE TABLE erasure (
    member_id uuid PRIMARY KEY,
    asked_at  timestamptz NOT NULL
);

-- Which process does which work: a lease that runs out, so that one goes on when another is gone.
CREATE TABLE duty (
    name   text PRIMARY KEY,
    holder uuid NOT NULL,
    until  timestamptz NOT NULL
);

-- What retention looks for. Requests come in the order of time, so a summary of their pages is enough.
CREATE INDEX request_old ON request USING brin (decided_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX sent_closed ON sent (closed_at) WHERE closed_at IS NOT NULL;
