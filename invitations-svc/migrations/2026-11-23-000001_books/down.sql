DROP FUNCTION fence(bigint, bigint);
DROP TABLE outbox_dead, outbox, request, connection, received, sent, pair, account, member;
