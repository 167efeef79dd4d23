-- Invitations of the table `planned` in every table that they have rows in, counted at their accounts. The outbox is
-- empty, as it is once all was delivered.
CREATE TEMP TABLE filled AS
    SELECT k, bench_member(inviter) AS inviter_id, bench_member(recipient) AS recipient_id,
        bench_invitation((extract(epoch FROM sent_at) * 1000)::bigint, k) AS id, sent_at, expires_at, due_at, is_accepted
    FROM planned;
INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at, closed_at)
    SELECT inviter_id, id, recipient_id, 'filled', CASE WHEN is_accepted THEN 2 ELSE 1 END, sent_at, expires_at,
        CASE WHEN is_accepted THEN sent_at END FROM filled;
INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at, closed_at,
        emailed_at, reminders, reminders_left, due_at)
    SELECT recipient_id, id, inviter_id, 'filled', CASE WHEN is_accepted THEN 2 ELSE 1 END, 1,
        CASE WHEN is_accepted THEN 2 ELSE 1 END, sent_at, expires_at, CASE WHEN is_accepted THEN sent_at END, sent_at,
        true, 2, CASE WHEN NOT is_accepted THEN due_at END FROM filled;
INSERT INTO pair (lo, hi, version, connected_at, open_id, open_from_lo, open_until, lo_sends, hi_sends)
    SELECT least(inviter_id, recipient_id), greatest(inviter_id, recipient_id), CASE WHEN is_accepted THEN 2 ELSE 1 END,
        CASE WHEN is_accepted THEN sent_at END, CASE WHEN NOT is_accepted THEN id END,
        CASE WHEN NOT is_accepted THEN inviter_id < recipient_id END, CASE WHEN NOT is_accepted THEN expires_at END,
        CASE WHEN inviter_id < recipient_id THEN bench_time(sent_at) ELSE '' END,
        CASE WHEN inviter_id < recipient_id THEN '' ELSE bench_time(sent_at) END FROM filled;
INSERT INTO connection (member_id, other_id, connected_at)
    SELECT inviter_id, recipient_id, sent_at FROM filled WHERE is_accepted
    UNION ALL SELECT recipient_id, inviter_id, sent_at FROM filled WHERE is_accepted;
-- The answers of the last day.
INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until)
    SELECT bench_request(k), 'filled', '\x00112233445566778899aabbccddeeff', 1, id, now(), expires_at
    FROM filled WHERE k % 10 = 0;
UPDATE account SET version = version + 1, sends = account.sends || counted.sends,
    lifetime_sends = lifetime_sends + counted.invitations, outstanding = outstanding + counted.pending
    FROM (SELECT inviter_id, count(*) AS invitations, count(*) FILTER (WHERE NOT is_accepted) AS pending,
            string_agg(bench_time(sent_at), ''::bytea ORDER BY sent_at) AS sends
        FROM filled GROUP BY inviter_id) AS counted
    WHERE account.member_id = counted.inviter_id;
UPDATE account SET version = version + 1, connections = counted.connections
    FROM (SELECT member_id, count(*) AS connections FROM connection GROUP BY member_id) AS counted
    WHERE account.member_id = counted.member_id AND account.connections <> counted.connections;
DROP TABLE filled, planned;
