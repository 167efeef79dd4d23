-- Every key begins with the member, pair, request or lane that owns the row. A statement that changes a row names that
-- column, so the same tables can be spread over a distributed Postgres by it. Times are parameters, never now().

CREATE TABLE member (
    member_id         uuid PRIMARY KEY,
    name              text NOT NULL,
    email             text NOT NULL,
    locale            text NOT NULL,
    time_zone         text NOT NULL,
    -- 1 everyone, 2 those who know the email address
    invitation_policy smallint NOT NULL CHECK (invitation_policy IN (1, 2)),
    updated_at        timestamptz NOT NULL
);

-- What a member spent. Made with the member, version 0.
CREATE TABLE account (
    member_id      uuid PRIMARY KEY,
    version        bigint NOT NULL,
    -- the times of the latest sends, oldest first: 8 bytes each, big-endian milliseconds since 1970
    sends          bytea NOT NULL,
    lifetime_sends integer NOT NULL
) WITH (fillfactor = 70);

-- The relation of two members; lo < hi. Absent until the first send.
CREATE TABLE pair (
    lo                uuid NOT NULL,
    hi                uuid NOT NULL,
    version           bigint NOT NULL,
    connected_at      timestamptz,
    -- the invitation that is open, or was until it expired
    open_id           uuid,
    open_from_lo      boolean,
    open_until        timestamptz,
    -- the times of each one's latest sends to the other, as in account.sends
    lo_sends          bytea NOT NULL,
    hi_sends          bytea NOT NULL,
    PRIMARY KEY (lo, hi),
    CHECK (lo < hi),
    CHECK ((open_id IS NULL) = (open_from_lo IS NULL) AND (open_id IS NULL) = (open_until IS NULL)),
    CHECK (connected_at IS NULL OR open_id IS NULL)
) WITH (fillfactor = 85);

-- The inviter's book. Nothing in it depends on what the recipient hides.
CREATE TABLE sent (
    inviter_id   uuid NOT NULL,
    id           uuid NOT NULL,
    recipient_id uuid NOT NULL,
    note         text NOT NULL,
    -- 1 pending, 2 accepted
    lifecycle    smallint NOT NULL CHECK (lifecycle IN (1, 2)),
    sent_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    PRIMARY KEY (inviter_id, id)
);

-- The recipient's book.
CREATE TABLE received (
    recipient_id uuid NOT NULL,
    id           uuid NOT NULL,
    inviter_id   uuid NOT NULL,
    note         text NOT NULL,
    lifecycle    smallint NOT NULL CHECK (lifecycle IN (1, 2)),
    -- 1 inbox, 2 archived
    folder       smallint NOT NULL CHECK (folder IN (1, 2)),
    -- counts the transitions; emails carry it
    sequence     bigint NOT NULL CHECK (sequence > 0),
    sent_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    -- the last initial email owed
    emailed_at   timestamptz NOT NULL,
    reminders    boolean NOT NULL,
    PRIMARY KEY (recipient_id, id)
);

-- Two rows a connection, one for each member.
CREATE TABLE connection (
    member_id    uuid NOT NULL,
    other_id     uuid NOT NULL,
    connected_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, other_id)
);
CREATE INDEX connection_newest ON connection (member_id, connected_at, other_id);

-- The first answer to a request, for its repetitions.
CREATE TABLE request (
    request_id  uuid NOT NULL,
    client      text NOT NULL,
    fingerprint bytea NOT NULL,
    outcome     smallint NOT NULL,
    subject     uuid,
    decided_at  timestamptz NOT NULL,
    until       timestamptz,
    PRIMARY KEY (request_id, client)
);

-- Transitions that owe emails, until notify-svc has them.
CREATE TABLE outbox (
    lane          smallint NOT NULL,
    invitation_id uuid NOT NULL,
    sequence      bigint NOT NULL,
    -- 1 sent, 2 accepted
    event         smallint NOT NULL CHECK (event IN (1, 2)),
    inviter_id    uuid NOT NULL,
    recipient_id  uuid NOT NULL,
    note          text NOT NULL,
    happened_at   timestamptz NOT NULL,
    -- when it may be claimed: the end of a lease or of a pause after a failure
    due_at        timestamptz NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (lane, invitation_id, sequence)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Transitions whose emails notify-svc refuses for good.
CREATE TABLE outbox_dead (
    lane          smallint NOT NULL,
    invitation_id uuid NOT NULL,
    sequence      bigint NOT NULL,
    event         smallint NOT NULL,
    inviter_id    uuid NOT NULL,
    recipient_id  uuid NOT NULL,
    note          text NOT NULL,
    happened_at   timestamptz NOT NULL,
    died_at       timestamptz NOT NULL,
    reason        text NOT NULL,
    PRIMARY KEY (lane, invitation_id, sequence)
);

-- Ends a write whose guards did not all hold. The caller decides anew.
CREATE FUNCTION fence(wrote bigint, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF wrote <> wanted THEN
        RAISE EXCEPTION 'wrote % rows of %', wrote, wanted USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;
