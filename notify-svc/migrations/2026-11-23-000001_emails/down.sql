DROP TABLE fence;
DROP TABLE attempt;
DROP TABLE due;
DROP TABLE email;
DROP TABLE email_key;
