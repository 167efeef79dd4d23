-- Members who were erased, and when last: links from emails of before open nothing.
CREATE TABLE erased_reader (
    member_id uuid PRIMARY KEY,
    until timestamptz NOT NULL
);
