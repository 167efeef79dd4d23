\set first :base + :client_id * :stride + :n * 500
\set n :n + 1
WITH numbers AS (
    SELECT k, (k * :spread) % :members AS a FROM generate_series(:first::bigint, :first::bigint + 499) AS series(k)
), wanted AS MATERIALIZED (
    SELECT k, bench_member(a) AS inviter, bench_member((a + 1 + 4 * (k / :members)) % :members) AS recipient,
        bench_invitation(1700000000000 + k, k) AS id, bench_request(k) AS request_id, now() AS at,
        now() + interval '180 days' AS until, bench_time(now()) AS entry
    FROM numbers
), w AS MATERIALIZED (
    SELECT wanted.*, least(inviter, recipient) AS lo, greatest(inviter, recipient) AS hi, m.version, m.sends,
        m.lifetime_sends, m.outstanding
    FROM wanted
    -- OFFSET 0 keeps each a look-up by its key, however small the tables were when this was planned.
    CROSS JOIN LATERAL (SELECT version, sends, lifetime_sends, outstanding, erased FROM account
        WHERE member_id = inviter OFFSET 0) AS m
    CROSS JOIN LATERAL (SELECT invitation_policy FROM member WHERE member_id = recipient OFFSET 0) AS t
    LEFT JOIN LATERAL (SELECT outcome FROM request
        WHERE request.request_id = wanted.request_id AND client = 'pgbench' OFFSET 0) AS q ON true
    LEFT JOIN LATERAL (SELECT version FROM pair
        WHERE lo = least(inviter, recipient) AND hi = greatest(inviter, recipient) OFFSET 0) AS x ON true
    WHERE q.outcome IS NULL AND x.version IS NULL AND t.invitation_policy = 1 AND NOT m.erased
        AND m.lifetime_sends < 1000000 AND m.outstanding < 1000000
    ORDER BY inviter
), a AS (
    UPDATE account SET version = w.version + 1, sends = w.sends || w.entry, lifetime_sends = w.lifetime_sends + 1,
        outstanding = w.outstanding + 1
    FROM w WHERE account.member_id = w.inviter AND account.version = w.version RETURNING 1
), p AS (
    INSERT INTO pair (lo, hi, version, open_id, open_from_lo, open_until, lo_sends, hi_sends)
    SELECT lo, hi, 1, id, inviter = lo, until, CASE WHEN inviter = lo THEN entry ELSE '' END,
        CASE WHEN inviter = lo THEN '' ELSE entry END FROM w RETURNING 1
), s AS (
    INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at)
    SELECT inviter, id, recipient, '', 1, at, until FROM w RETURNING 1
), r AS (
    INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at,
        emailed_at, reminders, reminders_left, due_at)
    SELECT recipient, id, inviter, '', 1, 1, 1, at, until, at, true, 2, at + interval '7 days' FROM w RETURNING 1
), q AS (
    INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until)
    SELECT request_id, 'pgbench', '\x00112233445566778899aabbccddeeff', 1, id, at, until FROM w RETURNING 1
), o AS (
    INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, happened_at,
        due_at, unfed)
    SELECT bench_lane(inviter, recipient), id, 1, 1, inviter, recipient, '', 1, at, at, true FROM w RETURNING 1
)
SELECT fence((SELECT count(*) FROM a) + (SELECT count(*) FROM p) + (SELECT count(*) FROM s) + (SELECT count(*) FROM r)
    + (SELECT count(*) FROM q) + (SELECT count(*) FROM o), 3000);
