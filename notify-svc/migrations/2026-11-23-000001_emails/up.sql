-- An email's identity, for ever: emails may be erased one day, their keys stay.
CREATE TABLE email_key (
    -- ASCII, and compared octet by octet, whatever the language of the database.
    key text COLLATE "C" PRIMARY KEY,
    -- SHA-256 of what the causing event fixed.
    fingerprint bytea NOT NULL,
    email_id uuid NOT NULL
);

-- One accepted email. Written when it is queued and when its outcome is known, never in between.
CREATE TABLE email (
    -- UUIDv7 by the service's clock.
    id uuid PRIMARY KEY,
    invitation_id uuid NOT NULL,
    sequence bigint NOT NULL,
    -- The recipient.
    member_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    -- Recipient and content as the first delivery of the command told them; json keeps them as written.
    letter json NOT NULL,
    message_id text NOT NULL,
    created_at timestamptz NOT NULL,
    -- 1 open, 2 sent, 3 cancelled, 4 expired, 5 dead, 6 uncertain.
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
    final_at timestamptz,
    CHECK ((state = 1) = (final_at IS NULL))
);
CREATE INDEX email_by_invitation ON email (invitation_id);

-- The hot table: a row for each open email, gone with its outcome, so that it stays small under any history.
CREATE TABLE due (
    email_id uuid PRIMARY KEY,
    invitation_id uuid NOT NULL,
    sequence bigint NOT NULL,
    run_at timestamptz NOT NULL,
    -- Attempts that failed for now.
    failures smallint NOT NULL DEFAULT 0,
    -- An attempt was lost after its body began: the mail server may have the email already.
    doubted boolean NOT NULL DEFAULT false,
    -- 0 waiting, 1 claimed, 2 body: committed before the body's first byte leaves.
    phase smallint NOT NULL DEFAULT 0 CHECK (phase BETWEEN 0 AND 2),
    -- Counts the claims. It is the fencing token: who finishes must name the claim it worked under.
    lease_epoch integer NOT NULL DEFAULT 0,
    leased_by uuid,
    lease_until timestamptz,
    CHECK ((phase = 0) = (lease_until IS NULL)),
    CHECK ((phase = 0) = (leased_by IS NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);
-- No index names the phase, so that the mark before the body touches none.
CREATE INDEX due_ready ON due (run_at) WHERE lease_until IS NULL;
CREATE INDEX due_leased ON due (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX due_by_invitation ON due (invitation_id);

-- What became of each attempt, with the mail server's words.
CREATE TABLE attempt (
    email_id uuid NOT NULL,
    -- The lease epoch of the claim that made it.
    n integer NOT NULL,
    at timestamptz NOT NULL,
    -- How far it got: 0 compose, 1 connect, 2 mail, 3 rcpt, 4 data, 5 body.
    step smallint NOT NULL,
    -- The server's reply code, where there was one.
    code smallint,
    reply text NOT NULL,
    PRIMARY KEY (email_id, n)
);

-- Emails of the invitation with a lower sequence are stopped. The row also orders commands of one invitation:
-- every call locks it, so that a cancel sees each email that is queued before it, and none slips by.
CREATE TABLE fence (
    invitation_id uuid PRIMARY KEY,
    -- 0 while there has been no cancel.
    sequence bigint NOT NULL
);
