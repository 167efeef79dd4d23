-- As invitations.sql. The first thousand emails wait, for a month.
INSERT INTO email (id, invitation_id, sequence, kind, member_id, other_id, address_hash, event_time, letter, message_id,
        created_at, state, final_at, claims)
    SELECT md5('email ' || n)::uuid, md5('invitation ' || n / 3)::uuid, n % 3, 1 + n % 4, md5('member ' || n % 500)::uuid,
    md5('member ' || n % 400)::uuid, sha256(('address ' || n % 500)::bytea), now(), '{}', '<' || n || '@product.example>', now(),
    CASE WHEN n <= 1000 THEN 1 ELSE 2 END, CASE WHEN n > 1000 THEN now() END, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO email_key (key, fingerprint, email_id)
    SELECT md5('invitation ' || n / 3)::uuid || '/' || n || '/initial', sha256(n::text::bytea), md5('email ' || n)::uuid
    FROM generate_series(1, 20000) AS n;
INSERT INTO due (email_id, invitation_id, sequence, kind, member_id, run_at)
    SELECT id, invitation_id, sequence, kind, member_id, now() + interval '30 days' FROM email WHERE state = 1 ORDER BY id;
INSERT INTO attempt (email_id, n, at, step, code, reply, relay)
    SELECT md5('email ' || n)::uuid, 1, now(), 5, 250, 'OK', 'mail.example:25' FROM generate_series(1001, 20000) AS n;
INSERT INTO fence (invitation_id, sequence) SELECT md5('invitation ' || n)::uuid, 0 FROM generate_series(0, 6666) AS n;
INSERT INTO reader (member_id, sent_at, reminded_at)
    SELECT md5('member ' || n)::uuid, ARRAY[now() - interval '2 days'], '{}' FROM generate_series(1, 5000) AS n;
INSERT INTO suppression (address_hash, reason, diagnostic, email_id, created_at)
    SELECT sha256(('dead ' || n)::bytea), 1, '550 5.1.1', md5('email ' || n)::uuid, now() FROM generate_series(1, 2000) AS n;
