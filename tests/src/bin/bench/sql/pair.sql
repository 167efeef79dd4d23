\set n :n + 1
\set k :base + :client_id * :stride + :n
\set a (:k * :spread) % :members
\set b (:a + 1 + 4 * (:k / :members)) % :members
