//! Random programs of callers, readers, mail server and machine, beside what the contract says of each answer and outcome.

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use proto::notify::v1::{
    CancelScope, EmailState, QueueEmail, QueueEmailResult, email_command::Command,
    email_command_result::Result as Told,
};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use shell::clock::{self, Clock};
use tests::{
    clients::{id, reason},
    emails::{Post, acceptance, cancel_scope, counts, initial, reminder, reply},
    ledger,
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::Code;

const PROGRAMS: u64 = 40;
const AT_ONCE: usize = 6;
const STEPS: usize = 60;
const INVITATIONS: usize = 6;
const READERS: usize = 5;
/// Longer than a lease and the time after which another process believes in its end.
const PAST_THE_LEASE: Duration = Duration::from_millis(2_400);
/// Failed attempts before an email is dead.
const RETRIES: i64 = 2;

/// Kinds in the order of their numbers, from 1.
const KINDS: [fn() -> QueueEmail; 4] = [initial, reminder, acceptance, reply];
const INITIAL: usize = 1;
const REMINDER: usize = 2;
const SCOPES: [CancelScope; 3] = [CancelScope::All, CancelScope::Invitation, CancelScope::Reminders];

fn covers(scope: CancelScope, kind: usize) -> bool {
    match scope {
        CancelScope::Unspecified | CancelScope::All => true,
        CancelScope::Invitation => kind <= REMINDER,
        CancelScope::Reminders => kind == REMINDER,
    }
}

/// Whether a reader with these kinds off gets no email of this kind.
fn stops(off: &HashSet<(usize, usize)>, (reader, kind): (usize, usize)) -> bool {
    off.contains(&(reader, kind)) || kind == REMINDER && off.contains(&(reader, INITIAL))
}

const FAULTS: [(At, Fault); 14] = [
    (At::Mail, Fault::Wait),
    (At::Data, Fault::Wait),
    (At::Data, Fault::Wait),
    (At::Body, Fault::Wait),
    (At::Body, Fault::Wait),
    (At::Body, Fault::WaitThenDrop),
    (At::Body, Fault::WaitThenReply("451 4.3.0 later")),
    (At::Rcpt, Fault::Reply("451 4.3.0 later")),
    (At::Body, Fault::Reply("452 4.3.1 later")),
    (At::Rcpt, Fault::Reply("550 5.1.1 nobody")),
    (At::Body, Fault::Reply("554 5.6.0 never")),
    (At::Data, Fault::Drop),
    (At::Body, Fault::Drop),
    (At::Body, Fault::DropAndLose),
];

fn queued(told: Told) -> QueueEmailResult {
    match told {
        Told::Queue(result) => result,
        Told::Cancel(result) => panic!("a queue command was answered with {result:?}"),
    }
}

fn counted(told: Told) -> (i32, i32, i32) {
    match told {
        Told::Cancel(result) => counts(&result),
        Told::Queue(result) => panic!("a cancel command was answered with {result:?}"),
    }
}

/// An email that was accepted.
struct Accepted {
    email: QueueEmail,
    id: String,
    kind: usize,
    reader: usize,
    /// Its reason was too old from the beginning.
    old: bool,
    /// Its reader has not wanted its kind since it was queued.
    unwanted: bool,
    /// What it was last seen as, and how many bodies of it there were when its outcome was first seen.
    seen: Option<(EmailState, usize)>,
}

struct Cancel {
    invitation_id: String,
    scope: CancelScope,
    sequence: i64,
}

impl Cancel {
    fn stops(&self, email: &Accepted) -> bool {
        self.invitation_id == email.email.invitation_id
            && covers(self.scope, email.kind)
            && email.email.sequence < self.sequence
    }
}

struct Program {
    seed: u64,
    rng: StdRng,
    sink: SmtpSink,
    posts: [Post; 2],
    /// Which process is stopped, and since when.
    stopped: Option<(usize, Instant)>,
    invitations: Vec<String>,
    readers: Vec<(String, String)>,
    off: HashSet<(usize, usize)>,
    ever_off: HashSet<(usize, usize)>,
    emails: Vec<Accepted>,
    cancels: Vec<Cancel>,
    /// What was done, for whoever reads of a failure.
    steps: Vec<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {}:\n{}", self.seed, self.steps.join("\n"));
        }
    }
}

impl Program {
    async fn start(seed: u64) -> Self {
        let sink = SmtpSink::start().await;
        let flags = |launch: Launch| {
            launch
                .flag("--smtp-url", sink.url())
                .flag("--pages-url", "https://mail.product.example")
                .flag("--smtp-connections", "6")
                .flag("--lease-seconds", "1")
                .flag("--retry-delays", vec!["600"; RETRIES as usize].join(","))
                .flag("--daily-cap", "0")
                .flag("--digest-from", "0")
        };
        let one = Post::start("notify_model", |launch, _| flags(launch)).await;
        let other = Post::at(one.database.clone(), |launch, _| flags(launch)).await;
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            posts: [one, other],
            sink,
            stopped: None,
            invitations: (0..INVITATIONS).map(|_| id()).collect(),
            readers: (0..READERS)
                .map(|nth| (id(), format!("reader{nth}@example.com")))
                .collect(),
            off: HashSet::new(),
            ever_off: HashSet::new(),
            emails: Vec::new(),
            cancels: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A process that listens.
    fn post(&mut self) -> &Post {
        let nth = match self.stopped {
            Some((stopped, _)) => 1 - stopped,
            None => self.rng.random_range(0..2),
        };
        &self.posts[nth]
    }

    /// Applies commands; a call without an answer is made again.
    async fn apply(&mut self, commands: Vec<Command>) -> Vec<Told> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match self.post().apply(commands.clone()).await {
                Ok(told) => return told,
                Err(status) => {
                    let for_now = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
                    assert!(for_now && Instant::now() < end, "{status:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn apply_queue(&mut self, email: &QueueEmail) -> QueueEmailResult {
        queued(self.apply(vec![Command::Queue(email.clone())]).await.remove(0))
    }

    fn change(&self, script: &str) {
        let mut connection = self.posts[0].database.connect();
        connection.batch_execute(script).expect("changed");
    }

    async fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..28 => self.queue().await,
            28..34 => self.observe(|_| true).await,
            34..36 => self.reuse_a_key().await,
            36..48 => self.cancel().await,
            48..54 => self.switch(),
            54..70 => {
                let (at, fault) = *FAULTS.choose(&mut self.rng).expect("there are some");
                self.steps.push(format!("meet {fault:?} at {at:?}"));
                self.sink.script(at, fault);
            }
            70..80 => {
                self.steps.push("let one go".to_owned());
                self.sink.let_first_go();
            }
            80..88 => {
                self.steps.push("time goes on".to_owned());
                self.change("UPDATE due SET run_at = now() WHERE lease_until IS NULL");
            }
            88..96 => {
                let millis = self.rng.random_range(5..80);
                self.steps.push(format!("wait {millis} ms"));
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            96..98 => self.kill().await,
            _ => self.stop().await,
        }
    }

    async fn queue(&mut self) {
        let kind = self.rng.random_range(1..=4);
        let reader = self.rng.random_range(0..READERS);
        let old = kind == 1 && self.rng.random_range(0..6) == 0;
        let mut email = KINDS[kind - 1]();
        email
            .invitation_id
            .clone_from(self.invitations.choose(&mut self.rng).expect("there are some"));
        email.sequence = self.rng.random_range(1..=5);
        if old {
            let days = SignedDuration::from_hours(72);
            email.event_time = Some(clock::to_proto(Clock::system().now() - days));
        }
        if let Some(recipient) = &mut email.recipient {
            (recipient.member_id, recipient.address) = self.readers[reader].clone();
        }
        self.steps.push(format!(
            "queue kind {kind}, sequence {} of {}, to {reader}, old: {old}",
            email.sequence, email.invitation_id
        ));
        let queued = self.apply_queue(&email).await;
        let email = Accepted {
            email,
            id: queued.email_id.clone(),
            kind,
            reader,
            old,
            unwanted: stops(&self.off, (reader, kind)),
            seen: None,
        };
        let stopped = self.cancels.iter().any(|cancel| cancel.stops(&email));
        let expected = if stopped {
            EmailState::Cancelled
        } else {
            EmailState::Open
        };
        assert_eq!(queued.state(), expected, "{}", email.id);
        self.emails.push(email);
    }

    /// The same key for something else changes nothing.
    async fn reuse_a_key(&mut self) {
        let Some(known) = self.emails.choose(&mut self.rng) else {
            return;
        };
        let mut email = known.email.clone();
        email.sequence += 1;
        self.steps.push(format!("reuse the key of {}", known.id));
        let refused = self.post().queue(&email).await.expect_err("refused");
        assert_eq!(reason(&refused), "EMAIL_KEY_REUSED");
    }

    async fn cancel(&mut self) {
        let cancel = Cancel {
            invitation_id: self
                .invitations
                .choose(&mut self.rng)
                .expect("there are some")
                .clone(),
            scope: *SCOPES.choose(&mut self.rng).expect("there are some"),
            sequence: self.rng.random_range(1..=6),
        };
        let Cancel {
            invitation_id,
            scope,
            sequence,
        } = &cancel;
        let (invitation_id, scope, sequence) = (invitation_id.clone(), *scope, *sequence);
        self.steps
            .push(format!("cancel {scope:?} below {sequence} of {invitation_id}"));
        let command = cancel_scope(&invitation_id, sequence, scope);
        let told = counted(self.apply(vec![command]).await.remove(0));
        let meant: HashSet<String> = self
            .emails
            .iter()
            .filter(|email| cancel.stops(email))
            .map(|email| email.id.clone())
            .collect();
        let known = self.states(&meant);
        self.observe(|email| cancel.stops(email)).await;
        let then = self.states(&meant);
        self.cancels.push(cancel);
        let count = |states: &[EmailState], of: &[EmailState]| {
            i32::try_from(states.iter().filter(|state| of.contains(state)).count()).expect("few")
        };
        let (cancelled, sent, in_flight) = told;
        use EmailState::{Cancelled, Dead, Expired, Open, PreferenceOff, Sent, Suppressed, Uncertain};
        let others = [Expired, Dead, PreferenceOff, Suppressed];
        let all = i32::try_from(meant.len()).expect("few");
        let rest = all - cancelled - sent - in_flight;
        let fits = (count(&known, &[Cancelled])..=count(&then, &[Cancelled])).contains(&cancelled)
            && (count(&known, &[Sent])..=count(&then, &[Sent])).contains(&sent)
            && (count(&known, &others)..=count(&then, &others)).contains(&rest)
            // What is open or uncertain afterwards was on its way.
            && in_flight >= count(&then, &[Open, Uncertain]);
        assert!(fits, "told {told:?} of {all}; known {known:?}, then {then:?}");
    }

    fn states(&self, ids: &HashSet<String>) -> Vec<EmailState> {
        let meant = self.emails.iter().filter(|email| ids.contains(&email.id));
        meant
            .filter_map(|email| email.seen.map(|(state, _)| state))
            .collect()
    }

    /// Queues some emails again: they are the same, and an outcome is for good.
    async fn observe(&mut self, which: impl Fn(&Accepted) -> bool) {
        let mut places: Vec<usize> = (0..self.emails.len())
            .filter(|at| which(&self.emails[*at]))
            .collect();
        places.shuffle(&mut self.rng);
        if places.is_empty() {
            return;
        }
        self.steps.push(format!("look at {} emails", places.len()));
        let commands = places
            .iter()
            .map(|at| Command::Queue(self.emails[*at].email.clone()))
            .collect();
        let told = self.apply(commands).await;
        let bodies = self.bodies();
        for (at, told) in places.into_iter().zip(told) {
            let result = queued(told);
            let email = &mut self.emails[at];
            assert_eq!(result.email_id, email.id, "the key's email");
            match email.seen {
                Some((outcome, _)) if outcome != EmailState::Open => {
                    assert_eq!(result.state(), outcome, "{} had its outcome", email.id);
                }
                Some(_) | None => {
                    email.seen = Some((result.state(), bodies.get(&email.id).copied().unwrap_or_default()));
                }
            }
        }
    }

    fn bodies(&self) -> HashMap<String, usize> {
        let mut bodies = HashMap::new();
        for email in self.sink.received() {
            *bodies.entry(ledger::email_id(&email)).or_default() += 1;
        }
        bodies
    }

    fn switch(&mut self) {
        let place = (self.rng.random_range(0..READERS), self.rng.random_range(1..=4));
        let off = !self.off.remove(&place);
        if off {
            self.off.insert(place);
            self.ever_off.insert(place);
        } else {
            for email in &mut self.emails {
                email.unwanted &= stops(&self.off, (email.reader, email.kind));
            }
        }
        let (reader, kind) = place;
        self.steps
            .push(format!("switch kind {kind} of {reader}: off is {off}"));
        let change = if off { "array_append" } else { "array_remove" };
        let member_id = &self.readers[reader].0;
        self.change(&format!(
            "INSERT INTO reader (member_id) VALUES ('{member_id}') ON CONFLICT DO NOTHING;
             UPDATE reader SET off = {change}(off, {kind}::smallint) WHERE member_id = '{member_id}'"
        ));
    }

    async fn kill(&mut self) {
        let nth = self.rng.random_range(0..2);
        self.steps.push(format!("kill {nth}"));
        if self.stopped.is_some_and(|(stopped, _)| stopped == nth) {
            self.stopped = None;
        }
        self.posts[nth].service.restart().await;
    }

    /// Stops a process, or lets the one that is stopped go on when its leases are over.
    async fn stop(&mut self) {
        if self.stopped.is_some() {
            return self.go_on().await;
        }
        let nth = self.rng.random_range(0..2);
        self.steps.push(format!("stop {nth}"));
        self.posts[nth].service.pause();
        self.stopped = Some((nth, Instant::now()));
    }

    async fn go_on(&mut self) {
        if let Some((nth, since)) = self.stopped.take() {
            tokio::time::sleep(PAST_THE_LEASE.saturating_sub(since.elapsed())).await;
            self.steps.push(format!("{nth} goes on"));
            self.posts[nth].service.resume();
        }
    }

    /// Lets everything go on and come to its end.
    async fn drain(&mut self) {
        self.go_on().await;
        self.sink.mend();
        let end = Instant::now() + Duration::from_secs(60);
        while ledger::count(&self.posts[0].database, "due") > 0 {
            assert!(Instant::now() < end, "not drained");
            self.sink.let_go();
            self.change("UPDATE due SET run_at = now() WHERE lease_until IS NULL AND run_at > now()");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Bodies of workers that were stopped, whose emails have ended already.
        while self.sink.waiting() > 0 {
            self.sink.let_go();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ids of emails that were told that their mailbox is not there.
    fn refused_for_their_mailbox(&self) -> HashSet<String> {
        #[derive(QueryableByName)]
        struct Id {
            #[diesel(sql_type = Text)]
            id: String,
        }
        let ids: Vec<Id> = sql_query("SELECT email_id::text AS id FROM attempt WHERE reply LIKE '%5.1.1%'")
            .load(&mut self.posts[0].database.connect())
            .expect("the history can be read");
        ids.into_iter().map(|row| row.id).collect()
    }

    async fn check(&mut self) -> ledger::Summary {
        use EmailState::{Cancelled, Expired, Open, PreferenceOff, Sent, Suppressed, Uncertain};
        self.observe(|_| true).await;
        let refused = self.refused_for_their_mailbox();
        let dead: HashSet<usize> = self
            .emails
            .iter()
            .filter(|email| refused.contains(&email.id))
            .map(|email| email.reader)
            .collect();
        let bodies = self.bodies();
        for email in &self.emails {
            let (state, bodies_then) = email.seen.expect("all were looked at");
            let place = (email.reader, email.kind);
            let is_right = match state {
                Open => false,
                Cancelled => {
                    self.cancels.iter().any(|cancel| cancel.stops(email))
                        && bodies.get(&email.id).copied().unwrap_or_default() == bodies_then
                }
                Expired => email.old,
                PreferenceOff => stops(&self.ever_off, place),
                Suppressed => dead.contains(&email.reader) && !refused.contains(&email.id),
                _ => !email.old && !email.unwanted,
            };
            assert!(is_right, "{} ended as {state:?}", email.id);
        }
        // Commands commute and can be repeated: now that nothing is open, each cancel's counts are exact.
        self.cancels.shuffle(&mut self.rng);
        let commands: Vec<Command> = self
            .cancels
            .iter()
            .map(|cancel| cancel_scope(&cancel.invitation_id, cancel.sequence, cancel.scope))
            .collect();
        if !commands.is_empty() {
            let told = self.apply(commands).await;
            for (cancel, told) in self.cancels.iter().zip(told) {
                let count = |of: EmailState| {
                    let meant = self.emails.iter().filter(|email| cancel.stops(email));
                    let meant = meant.filter(|email| email.seen.is_some_and(|(state, _)| state == of));
                    i32::try_from(meant.count()).expect("few")
                };
                assert_eq!(counted(told), (count(Cancelled), count(Sent), count(Uncertain)));
            }
        }
        self.observe(|_| true).await;
        self.write_to_the_dead(&dead).await;
        let ids: Vec<String> = self.emails.iter().map(|email| email.id.clone()).collect();
        ledger::check(&self.posts[0].database, &ids, &[&self.sink], RETRIES)
    }

    /// Nobody whose mailbox is known to be dead gets anything any more.
    async fn write_to_the_dead(&mut self, dead: &HashSet<usize>) {
        for reader in dead.iter().copied() {
            let mut email = initial();
            if let Some(recipient) = &mut email.recipient {
                (recipient.member_id, recipient.address) = self.readers[reader].clone();
            }
            let id = self.apply_queue(&email).await.email_id;
            self.posts[0].until(&email, EmailState::Suppressed).await;
            let seen = None;
            self.emails.push(Accepted {
                email,
                id,
                kind: 1,
                reader,
                old: false,
                unwanted: false,
                seen,
            });
        }
    }
}

async fn run(seed: u64) -> ledger::Summary {
    let mut program = Program::start(seed).await;
    for _ in 0..STEPS {
        program.step().await;
    }
    program.drain().await;
    program.check().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_programs_end_as_the_contract_says() {
    let summaries: Vec<ledger::Summary> = stream::iter(0..PROGRAMS)
        .map(run)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let sum = |of: &dyn Fn(&ledger::Summary) -> usize| summaries.iter().map(of).sum::<usize>();
    let states: Vec<usize> = (1..=8)
        .map(|state| sum(&|summary| summary.count(state)))
        .collect();
    let (lost, doubled) = (
        sum(&|summary| usize::try_from(summary.lost).expect("not negative")),
        sum(&|summary| summary.doubled),
    );
    println!("states {states:?}, {lost} attempts lost, {doubled} emails doubled");
    assert!(
        states[1..].iter().all(|count| *count > 0),
        "each outcome occurs: {states:?}"
    );
    assert!(lost > 0 && doubled > 0, "{lost}, {doubled}");
}
