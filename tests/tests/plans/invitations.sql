-- Some thousand rows in each table, the same ones each time but for the hour. No table has more than ANALYZE looks at, so
-- statistics are the same, too.
INSERT INTO member (member_id, name, email, locale, time_zone, invitation_policy, updated_at)
    SELECT md5('member ' || n)::uuid, 'Member ' || n, n || '@example.com', 'en', 'UTC', 1, now() FROM generate_series(1, 5000) AS n;
INSERT INTO account (member_id, version, sends, lifetime_sends)
    SELECT md5('member ' || n)::uuid, 1, '\x000001a207481696', 4 FROM generate_series(1, 5000) AS n;
INSERT INTO pair (lo, hi, version, lo_sends, hi_sends)
    SELECT least(a, b), greatest(a, b), 3, '\x000001a207481696', '' FROM generate_series(1, 20000) AS n,
    LATERAL (SELECT md5('member ' || n % 5000)::uuid AS a, md5('pair ' || n)::uuid AS b) AS ids;
INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at, closed_at)
    SELECT md5('member ' || n % 500)::uuid, md5('invitation ' || n)::uuid, md5('member ' || n % 400)::uuid, 'We met in Oslo.',
    1 + n % 4, now(), now() + interval '180 days', CASE WHEN n % 4 > 0 THEN now() END FROM generate_series(1, 20000) AS n;
INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at, closed_at,
        emailed_at, reminders, reminders_left, replies, due_at)
    SELECT md5('member ' || n % 400)::uuid, md5('invitation ' || n)::uuid, md5('member ' || n % 500)::uuid, 'We met in Oslo.',
    1 + n % 4, 1 + n / 4 % 3, 1, now(), now() + interval '180 days', CASE WHEN n % 4 > 0 THEN now() END,
    now(), true, 2, 0, CASE WHEN n % 4 = 0 THEN now() + interval '7 days' END FROM generate_series(1, 20000) AS n;
INSERT INTO connection (member_id, other_id, connected_at)
    SELECT md5('member ' || n % 500)::uuid, md5('member ' || n % 4000)::uuid, now() FROM generate_series(1, 20000) AS n
    ON CONFLICT DO NOTHING;
INSERT INTO reply (inviter_id, invitation_id, number, text, replied_at)
    SELECT md5('member ' || n % 500)::uuid, md5('invitation ' || n)::uuid, 1, 'Where do we know each other from?', now()
    FROM generate_series(1, 5000) AS n;
INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until)
    SELECT md5('request ' || n)::uuid, 'loopback', '\x00112233445566778899aabbccddeeff', 1, md5('invitation ' || n)::uuid, now(),
    now() + interval '180 days' FROM generate_series(1, 20000) AS n;
INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, happened_at, due_at)
    SELECT n % 8, md5('invitation ' || n)::uuid, 1, 1, md5('member ' || n % 500)::uuid, md5('member ' || n % 400)::uuid, '', 1,
    now(), now() + interval '30 days' FROM generate_series(1, 5000) AS n;
INSERT INTO feed (lane, position, event, invitation_id, inviter_id, recipient_id, hidden, happened_at)
    SELECT n % 8, 1 + (n - 1) / 8, 1, md5('invitation ' || n)::uuid, md5('member ' || n % 500)::uuid,
    md5('member ' || n % 400)::uuid, false, now() FROM generate_series(1, 16000) AS n;
UPDATE feed_head SET position = 2000;
