\set a random(0, :inboxes - 1) * (:members / :inboxes)
SELECT recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at, closed_at, emailed_at, reminders, reminders_left, replies, due_at FROM received WHERE recipient_id = bench_member(:a) AND id < 'ffffffff-ffff-ffff-ffff-ffffffffffff' AND lifecycle = 1 AND folder = 1 AND expires_at > now() ORDER BY id DESC LIMIT 21;
