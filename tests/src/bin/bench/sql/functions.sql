-- What the limits and the prepared rows are written with. Members, pairs and invitations are numbers; their ids follow.

CREATE FUNCTION bench_member(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-7000-8000-' || (100000000000 + n)::text)::uuid
$$;

-- In the order of `ms`, as UUIDv7 are.
CREATE FUNCTION bench_invitation(ms bigint, k bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(ms), 12, '0') || '70008000' || lpad(to_hex(k), 12, '0'))::uuid
$$;

-- In no order, as UUIDv4 are.
CREATE FUNCTION bench_request(k bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT md5(k::text)::uuid
$$;

CREATE FUNCTION bench_lane(one uuid, other uuid) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
    SELECT ((get_byte(uuid_send(one), 15) # get_byte(uuid_send(other), 15)) % 8)::smallint
$$;

CREATE FUNCTION bench_time(at timestamptz) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT int8send((extract(epoch FROM at) * 1000)::bigint)
$$;

-- Limit B: a send as one call.
CREATE FUNCTION bench_send(k bigint, a bigint, b bigint) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    inviter CONSTANT uuid := bench_member(a);
    recipient CONSTANT uuid := bench_member(b);
    invitation CONSTANT uuid := bench_invitation(1700000000000 + k, k);
    at CONSTANT timestamptz := now();
    until CONSTANT timestamptz := at + interval '180 days';
    asked request;
    told member;
    mine account;
    two pair;
BEGIN
    SELECT * INTO asked FROM request WHERE request_id = bench_request(k) AND client = 'pgbench';
    IF FOUND THEN
        RETURN asked.subject;
    END IF;
    SELECT * INTO told FROM member WHERE member_id = recipient;
    IF NOT FOUND THEN
        RAISE 'no member';
    END IF;
    SELECT * INTO mine FROM account WHERE member_id = inviter FOR UPDATE;
    IF NOT FOUND OR mine.erased THEN
        RAISE 'no account';
    END IF;
    SELECT * INTO two FROM pair WHERE lo = least(inviter, recipient) AND hi = greatest(inviter, recipient) FOR UPDATE;
    IF FOUND THEN
        RAISE 'the pair has something already';
    END IF;
    IF mine.restriction = 2 AND mine.restricted_until > at OR told.invitation_policy <> 1 THEN
        RAISE 'restricted';
    END IF;
    IF mine.lifetime_sends >= 1000000 OR mine.outstanding >= 1000000 OR mine.connections >= 30000
        OR octet_length(mine.sends) >= 8 * 10000 AND substr(mine.sends, 1, 8) > bench_time(at - interval '1 day') THEN
        RAISE 'limit reached';
    END IF;
    UPDATE account SET version = mine.version + 1, sends = mine.sends || bench_time(at),
        lifetime_sends = mine.lifetime_sends + 1, outstanding = mine.outstanding + 1
        WHERE member_id = inviter;
    INSERT INTO pair (lo, hi, version, open_id, open_from_lo, open_until, lo_sends, hi_sends)
        VALUES (least(inviter, recipient), greatest(inviter, recipient), 1, invitation, inviter < recipient, until,
            CASE WHEN inviter < recipient THEN bench_time(at) ELSE '' END,
            CASE WHEN inviter < recipient THEN '' ELSE bench_time(at) END);
    INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at)
        VALUES (inviter, invitation, recipient, '', 1, at, until);
    INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at,
        emailed_at, reminders, reminders_left, due_at)
        VALUES (recipient, invitation, inviter, '', 1, 1, 1, at, until, at, true, 2, at + interval '7 days');
    INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, happened_at,
        due_at, unfed)
        VALUES (bench_lane(inviter, recipient), invitation, 1, 1, inviter, recipient, '', 1, at, at, true);
    INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until)
        VALUES (bench_request(k), 'pgbench', '\x00112233445566778899aabbccddeeff', 1, invitation, at, until);
    RETURN invitation;
END
$$;
