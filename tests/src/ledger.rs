//! What must be true of emails once none is open any more, whatever was done to the service: the mail servers' own ledger
//! beside the answers, the outcomes and the histories.

use std::collections::HashMap;

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, SmallInt, Text},
};

use crate::{
    cluster::TestDatabase,
    smtp_sink::{Received, SmtpSink},
};

const REMINDER: i16 = 2;

/// An email as the database tells of it.
#[derive(Debug, QueryableByName)]
pub struct Account {
    /// Its id.
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    /// As `EmailState` numbers it.
    #[diesel(sql_type = SmallInt)]
    pub state: i16,
    /// Attempts that came to the body.
    #[diesel(sql_type = BigInt)]
    bodies: i64,
    /// Those whose body got no answer that tells anything.
    #[diesel(sql_type = BigInt)]
    pub lost: i64,
    /// Those whose body was taken.
    #[diesel(sql_type = BigInt)]
    taken: i64,
    /// Attempts that ended for now.
    #[diesel(sql_type = BigInt)]
    failures: i64,
    /// Attempts that were refused for good.
    #[diesel(sql_type = BigInt)]
    refused: i64,
}

/// What became of all emails.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many emails have each state.
    pub states: HashMap<i16, usize>,
    /// Attempts that were lost in their body.
    pub lost: i64,
    /// Emails of which two copies went out.
    pub doubled: usize,
}

impl Summary {
    /// How many emails ended so.
    pub fn count(&self, state: i32) -> usize {
        let state = i16::try_from(state).expect("states are few");
        self.states.get(&state).copied().unwrap_or_default()
    }
}

/// All emails that were ever accepted, by id.
pub fn accounts(database: &TestDatabase) -> HashMap<String, Account> {
    let accounts: Vec<Account> = sql_query(
        "SELECT email.id::text AS id, email.kind, email.state, \
           count(n) FILTER (WHERE step = 5) AS bodies, \
           count(n) FILTER (WHERE step = 5 AND code IS NULL) AS lost, \
           count(n) FILTER (WHERE step = 5 AND code / 100 = 2) AS taken, \
           count(n) FILTER (WHERE code / 100 = 4 OR code IS NULL AND step < 5) AS failures, \
           count(n) FILTER (WHERE code / 100 = 5) AS refused \
         FROM email LEFT JOIN attempt ON attempt.email_id = email.id GROUP BY email.id",
    )
    .load(&mut database.connect())
    .expect("the histories can be read");
    accounts
        .into_iter()
        .map(|account| (account.id.clone(), account))
        .collect()
}

/// How many rows a condition on the database finds, e.g. `due WHERE phase = 2`.
pub fn count(database: &TestDatabase, rows: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let query = sql_query(format!("SELECT count(*) AS count FROM {rows}"));
    let count: Count = query.get_result(&mut database.connect()).expect("counted");
    count.count
}

/// Checks that nothing is open, lost or silently doubled, and that every outcome is what mail servers and histories say.
/// `accepted` are the ids that were answered, `retries` is how often a failed attempt is tried again. Digests must be off:
/// one body is one email.
pub fn check(database: &TestDatabase, accepted: &[String], sinks: &[&SmtpSink], retries: i64) -> Summary {
    let accounts = accounts(database);
    let mut received: HashMap<String, Vec<Received>> = HashMap::new();
    for email in sinks.iter().flat_map(|sink| sink.received()) {
        received.entry(email_id(&email)).or_default().push(email);
    }
    let mut wrong: Vec<String> = received
        .keys()
        .filter(|id| !accounts.contains_key(*id))
        .map(|id| format!("{id} went out and was never accepted"))
        .collect();
    wrong.extend(
        accepted
            .iter()
            .filter(|id| !accounts.contains_key(*id))
            .map(|id| format!("{id} was accepted and is not there")),
    );
    let mut summary = Summary::default();
    for account in accounts.values() {
        let bodies = received.get(&account.id).map_or(&[][..], Vec::as_slice);
        if let Err(why) = account.check(bodies, retries) {
            wrong.push(format!("{why}: {account:?}, {} bodies", bodies.len()));
        }
        *summary.states.entry(account.state).or_default() += 1;
        summary.lost += account.lost;
        summary.doubled += usize::from(bodies.iter().filter(|body| body.kept).count() > 1);
    }
    if accounts.len() != accepted.len() {
        wrong.push(format!(
            "{} emails are there, {} were accepted",
            accounts.len(),
            accepted.len()
        ));
    }
    let due = count(database, "due");
    if due > 0 {
        wrong.push(format!("{due} rows are due, and nothing is open"));
    }
    assert!(
        wrong.is_empty(),
        "{} emails are wrong, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    summary
}

impl Account {
    fn check(&self, bodies: &[Received], retries: i64) -> Result<(), &'static str> {
        let copies = bodies.iter().filter(|body| body.kept).count();
        if bodies.iter().any(|body| body.bytes != bodies[0].bytes) {
            return Err("its copies differ");
        }
        if copies > if self.kind == REMINDER { 1 } else { 2 } {
            return Err("too many copies");
        }
        if i64::try_from(bodies.len()).is_ok_and(|bodies| bodies > self.bodies) {
            return Err("more bodies than its history tells of");
        }
        let never_left = copies == 0 && self.lost == 0;
        let as_it_should = match self.state {
            1 => return Err("it is still open"),
            2 if self.taken > 0 => copies > 0,
            2 => self.kind == REMINDER && self.lost > 0,
            3 | 4 | 7 | 8 => never_left,
            5 => never_left && (self.refused > 0 || self.failures > retries),
            6 => self.lost > 0 && self.kind != REMINDER,
            _ => return Err("there is no such state"),
        };
        as_it_should.then_some(()).ok_or("it did not end as it should")
    }
}

/// The id in an email's Message-ID.
pub fn email_id(email: &Received) -> String {
    let text = String::from_utf8_lossy(&email.bytes);
    let header = text.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
    let id = header.and_then(|id| id.split('@').next());
    id.expect("each email has a Message-ID").to_owned()
}
