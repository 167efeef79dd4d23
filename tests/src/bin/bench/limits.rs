//! What the same Postgres does at best for the same rows, on the service's own tables.
//!
//! A is one transaction of plain statements, B one call of a function, C a write of 500 sends in one statement, all by
//! pgbench. Each reads what a send is judged by and writes every row that the service writes.

use tests::clients::Act;

use crate::{
    Bench,
    pgbench::{self, End, Protocol, Run},
    results::Sample,
    rounds::Measured,
    stage::Stage,
};

const PAIR: &str = include_str!("sql/pair.sql");
const PLAIN: &str = include_str!("sql/send_plain.sql");
const FUNCTION: &str = include_str!("sql/send_function.sql");
const BULK: &str = include_str!("sql/send_bulk.sql");
const INBOX: &str = include_str!("sql/inbox.sql");

/// Sends in one statement of C.
const BATCH: u64 = 500;

/// As invitations-svc sets up the connections that it commits over.
const SESSION: &str = "plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_hashjoin=off,enable_mergejoin=off,enable_material=off,jit=off";

/// A and B at their best numbers of connections.
const CONNECTIONS: [u64; 3] = [4, 8, 16];

impl Bench {
    /// Limit A: sends by plain statements, at the best number of connections.
    pub(crate) fn plain_sends(&self, stage: &Stage, protocol: Protocol) -> anyhow::Result<Sample> {
        let script = format!("{PAIR}{PLAIN}");
        self.best(stage, &script, protocol)
    }

    /// Limit B: sends by a function, at this number of connections.
    pub(crate) fn function_sends(&self, stage: &Stage, connections: u64) -> anyhow::Result<Sample> {
        let script = format!("{PAIR}{FUNCTION}");
        let run = Run::new(&script, connections, End::Seconds(self.args.seconds()));
        self.pgbench(stage, run)
    }

    /// Limit B at 8 connections, and at the best number.
    pub(crate) fn many_function_sends(&self, stage: &Stage) -> anyhow::Result<Measured> {
        let mut samples = Vec::new();
        for connections in self.connections() {
            samples.push((connections, self.function_sends(stage, connections)?));
        }
        let at_8 = samples.iter().find(|(connections, _)| *connections == 8);
        let at_8 = at_8.map(|(_, sample)| ("B 8", sample.clone()));
        let all = samples.into_iter().map(|(_, sample)| sample);
        Ok(at_8.into_iter().chain([("B", best(all))]).collect())
    }

    /// Limit C: sends in bulk, on this number of connections.
    pub(crate) fn bulk_sends(&self, stage: &Stage, connections: u64) -> anyhow::Result<Sample> {
        let batches = self.pgbench(
            stage,
            Run {
                protocol: Protocol::Prepared,
                session: SESSION,
                ..Run::new(BULK, connections, End::Seconds(self.args.seconds()))
            },
        )?;
        Ok(Sample {
            value: batches.value * BATCH as f64,
            count: batches.count * BATCH,
            cpu: batches.cpu.map(|cpu| cpu.times(1.0 / BATCH as f64)),
            ..batches
        })
    }

    /// One act by plain statements, at the best number of connections; on invitations that are made for it, about as many
    /// as limit A sends in the time of a measurement.
    pub(crate) fn plain_acts(&self, stage: &Stage, act: Act) -> anyhow::Result<Sample> {
        let script = format!("{PAIR}{}", plain_act(act));
        let expected = self.results.borrow().value("A").unwrap_or(1_000.0);
        let count = (expected * self.args.length().as_secs_f64()) as u64;
        let mut samples = Vec::new();
        for connections in self.connections() {
            let each = count / connections / BATCH * BATCH + BATCH;
            let base = stage.numbers.take(connections * each);
            // One connection makes those of all.
            let made = Run {
                protocol: Protocol::Prepared,
                session: SESSION,
                base: Some(base),
                ..Run::new(BULK, 1, End::Transactions(connections * each / BATCH))
            };
            self.pgbench(stage, made)?;
            let run = Run {
                base: Some(base - 1),
                stride: Some(each),
                ..Run::new(&script, connections, End::Transactions(each))
            };
            samples.push(self.pgbench(stage, run)?);
        }
        Ok(best(samples))
    }

    /// Pages of an inbox by the service's own select, at the best number of connections.
    pub(crate) fn inbox_selects(&self, stage: &Stage, inboxes: u64) -> anyhow::Result<Sample> {
        let script = format!("\\set inboxes {inboxes}\n{INBOX}");
        self.best(stage, &script, Protocol::Simple)
    }

    fn best(&self, stage: &Stage, script: &str, protocol: Protocol) -> anyhow::Result<Sample> {
        let end = End::Seconds(self.args.seconds());
        let mut samples = Vec::new();
        for connections in self.connections() {
            let run = Run {
                protocol,
                ..Run::new(script, connections, end)
            };
            samples.push(self.pgbench(stage, run)?);
        }
        Ok(best(samples))
    }

    /// In a hurry only what is best on most machines.
    fn connections(&self) -> Vec<u64> {
        if self.args.quick {
            vec![8]
        } else {
            CONNECTIONS.to_vec()
        }
    }

    fn pgbench(&self, stage: &Stage, run: Run) -> anyhow::Result<Sample> {
        pgbench::run(&stage.database.url, self.directory.path(), &stage.numbers, run)
    }
}

fn best(samples: impl IntoIterator<Item = Sample>) -> Sample {
    let samples = samples.into_iter();
    samples
        .max_by(|one, other| one.value.total_cmp(&other.value))
        .unwrap_or_default()
}

/// An act as the statements of one transaction: what it is judged by, then what it changes.
fn plain_act(act: Act) -> String {
    let invitation = "bench_invitation(1700000000000 + :k, :k)";
    let (inviter, recipient) = ("bench_member(:a)", "bench_member(:b)");
    let pair = format!("lo = least({inviter}, {recipient}) AND hi = greatest({inviter}, {recipient})");
    let received = format!("recipient_id = {recipient} AND id = {invitation}");
    let sent = format!("inviter_id = {inviter} AND id = {invitation}");
    let side = |column: &str, value: &str| {
        format!(
            "lo_{column} = CASE WHEN {inviter} < {recipient} THEN {value} ELSE lo_{column} END, \
             hi_{column} = CASE WHEN {inviter} < {recipient} THEN hi_{column} ELSE {value} END"
        )
    };
    let closed = "open_id = NULL, open_from_lo = NULL, open_until = NULL";
    let close = |lifecycle: u8| {
        format!(
            "UPDATE sent SET lifecycle = {lifecycle}, closed_at = now() WHERE {sent};\n\
             UPDATE received SET lifecycle = {lifecycle}, closed_at = now(), due_at = NULL, sequence = sequence + 1 \
               WHERE {received};\n"
        )
    };
    let answered = format!(
        "UPDATE account SET version = version + 1, outstanding = outstanding - 1 WHERE member_id = {inviter};\n"
    );
    let moved = |column: &str| {
        format!(
            "UPDATE received SET {column}, reminders_left = 0, due_at = expires_at, sequence = sequence + 1 \
               WHERE {received};\n"
        )
    };
    let (event, of_pair, changes) = match act {
        Act::Accept => (
            2,
            format!("connected_at = now(), {closed}"),
            format!(
                "UPDATE account SET version = version + 1, outstanding = outstanding - 1, connections = connections + 1 \
                   WHERE member_id = {inviter};\n\
                 UPDATE account SET version = version + 1, connections = connections + 1 \
                   WHERE member_id = {recipient};\n\
                 {}INSERT INTO connection (member_id, other_id, connected_at) \
                   VALUES ({inviter}, {recipient}, now()), ({recipient}, {inviter}, now());\n",
                close(2)
            ),
        ),
        Act::Reply => (
            4,
            "open_id = open_id".to_owned(),
            format!(
                "{}INSERT INTO reply (inviter_id, invitation_id, number, text, replied_at) \
                   VALUES ({inviter}, {invitation}, 1, '{}', now());\n",
                moved("replies = replies + 1"),
                tests::clients::REPLY
            ),
        ),
        Act::Ignore => (5, "open_id = open_id".to_owned(), moved("folder = 2")),
        Act::Decline => (
            7,
            format!("{}, {}", side("barred", "true"), side("struck_at", "now()")),
            format!(
                "{}UPDATE account SET version = version + 1, strikes = strikes || bench_time(now()) \
                   WHERE member_id = {inviter};\n",
                moved("folder = 3")
            ),
        ),
        Act::Withdraw => (
            8,
            format!("{closed}, {}", side("email_required", "true")),
            format!("{answered}{}", close(3)),
        ),
        Act::Restore | Act::StopReminders => unreachable!("not measured"),
    };
    format!(
        "BEGIN;\n\
         SELECT fingerprint, outcome, subject, decided_at, until, snapshot FROM request \
           WHERE request_id = bench_request(-:k) AND client = 'pgbench';\n\
         SELECT * FROM account WHERE member_id IN ({inviter}, {recipient}) ORDER BY member_id FOR UPDATE;\n\
         SELECT * FROM pair WHERE {pair} FOR UPDATE;\n\
         SELECT * FROM received WHERE {received};\n\
         SELECT * FROM sent WHERE {sent};\n\
         {changes}\
         UPDATE pair SET version = version + 1, {of_pair} WHERE {pair};\n\
         INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, \
           happened_at, due_at, unfed) \
           VALUES (bench_lane({inviter}, {recipient}), {invitation}, 2, {event}, {inviter}, {recipient}, '', 2, now(), \
           now(), true);\n\
         INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until, snapshot) \
           VALUES (bench_request(-:k), 'pgbench', '\\x00112233445566778899aabbccddeeff', 5, NULL, now(), NULL, \
           int8send(1) || int8send(2) || int8send(3) || int8send(4) || '\\x010101');\n\
         COMMIT;\n"
    )
}
