//! What an inviter can never learn.
//!
//! Random programs of an inviter run in several worlds at once, which differ only in what the recipients do in private:
//! nothing, ignore, restore, ignore and decline. Everything that the inviter gets is written down, and the transcripts
//! must be equal, byte for byte, but for ids and page tokens, which are numbered as they appear.
//!
//! The worlds are members of one service with a clock that stands still between two steps. No program reaches the fifth
//! strike: what a restriction shows is no secret.

use std::fmt::Write;

use jiff::SignedDuration;
use proto::invitations::v1::{
    AcceptInvitationRequest, Folder, GetConnectionSummaryRequest, GetSentInvitationRequest, InvitationPolicy,
    ListConnectionsRequest, ListReceivedInvitationsRequest, ListRepliesRequest, ListSentInvitationsRequest,
    Member, ReceivedState, RemoveConnectionRequest, SendInvitationRequest, SendInvitationResponse, SentState,
    StopRemindersRequest, WithdrawInvitationRequest, accept_invitation_request::Target,
    send_invitation_response::Outcome,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tests::{
    clients::{Act, Invitations, id, member, reason},
    local::Local,
    transcript::{Names, shown},
};

/// Members whom the inviter invites; fewer than the strikes that restrict.
const RECIPIENTS: usize = 4;

/// One step of a program. Recipients are named by their place, pages and requests by how far back they lie.
#[derive(Debug, Clone)]
enum Step {
    /// The inviter's.
    Inviter(Move),
    /// What the recipient does is each world's own.
    Private { who: usize },
    /// The recipient does the same in every world, where every world allows it.
    Open { who: usize, act: Openly },
    /// Time passes.
    Wait(SignedDuration),
}

/// What an inviter does.
#[derive(Debug, Clone)]
enum Move {
    Send {
        to: usize,
        note: String,
        address: Address,
        reminders: Option<bool>,
    },
    Withdraw {
        to: usize,
    },
    StopReminders {
        to: usize,
    },
    Get {
        to: usize,
    },
    List {
        size: i32,
    },
    NextPage {
        size: i32,
    },
    Replies {
        to: usize,
    },
    Connections {
        size: i32,
    },
    Summary {
        of: usize,
    },
    Disconnect {
        from: usize,
    },
    /// What the recipients sent to the inviter.
    Inbox,
    AcceptNewest,
    /// An earlier request of the program once more, with the same request id.
    Again {
        back: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Address {
    None,
    Right,
    Wrong,
}

/// What a recipient does for everybody to see.
#[derive(Debug, Clone, Copy)]
enum Openly {
    Accept,
    Reply,
    /// Invites the inviter: connects the two, or makes an invitation.
    Invite,
    Disconnect,
}

/// What a recipient does in private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privately {
    Nothing,
    Ignore,
    Restore,
    Decline,
}

/// How a world's recipients behave in private.
#[derive(Debug, Clone, Copy)]
enum Habit {
    Nothing,
    Always(Privately),
    /// Any of the four.
    Mixed,
}

const HABITS: [Habit; 5] = [
    Habit::Nothing,
    Habit::Always(Privately::Ignore),
    Habit::Always(Privately::Decline),
    Habit::Mixed,
    Habit::Mixed,
];

impl Habit {
    fn choose(self, random: &mut StdRng) -> Privately {
        use Privately::*;
        match self {
            Self::Nothing => Nothing,
            Self::Always(act) => act,
            Self::Mixed => *[Nothing, Ignore, Ignore, Restore, Decline]
                .choose(random)
                .expect("five"),
        }
    }
}

fn program(random: &mut StdRng) -> Vec<Step> {
    (0..60).map(|_| step(random)).collect()
}

fn step(random: &mut StdRng) -> Step {
    let who = random.random_range(0..RECIPIENTS);
    let size = random.random_range(1..=3);
    let inviter = match random.random_range(0..100) {
        0..25 => return Step::Private { who },
        25..30 => {
            let acts = [
                Openly::Reply,
                Openly::Reply,
                Openly::Accept,
                Openly::Invite,
                Openly::Disconnect,
            ];
            let act = *acts.choose(random).expect("five");
            return Step::Open { who, act };
        }
        30..36 => {
            let hours = [1, 23, 24, 24 * 7, 24 * 60, 24 * 180];
            return Step::Wait(SignedDuration::from_hours(*hours.choose(random).expect("six")));
        }
        36..60 => Move::Send {
            to: who,
            note: ["", "Hello", "Hello again"]
                .choose(random)
                .expect("three")
                .to_string(),
            address: *[Address::None, Address::Right, Address::Right, Address::Wrong]
                .choose(random)
                .expect("four"),
            reminders: *[None, Some(true), Some(false)].choose(random).expect("three"),
        },
        60..66 => Move::Withdraw { to: who },
        66..70 => Move::StopReminders { to: who },
        70..75 => Move::Get { to: who },
        75..80 => Move::List { size },
        80..84 => Move::NextPage { size },
        84..88 => Move::Replies { to: who },
        88..91 => Move::Connections { size },
        91..93 => Move::Summary { of: who },
        93..95 => Move::Disconnect { from: who },
        95 => Move::Inbox,
        96 => Move::AcceptNewest,
        _ => Move::Again {
            back: random.random_range(0..6),
        },
    };
    Step::Inviter(inviter)
}

/// A request that can be repeated.
#[derive(Debug, Clone)]
enum Request {
    Send(SendInvitationRequest),
    Withdraw(WithdrawInvitationRequest),
    StopReminders(StopRemindersRequest),
    Disconnect(RemoveConnectionRequest),
}

/// One world: its members, and what its inviter saw.
struct World {
    clients: Invitations,
    habit: Habit,
    random: StdRng,
    inviter: Member,
    recipients: Vec<Member>,
    /// The invitation that the inviter last sent to each recipient.
    invitations: Vec<Option<String>>,
    requests: Vec<Request>,
    page: Option<String>,
    names: Names,
    /// Whether the program has come to what a world may show under `refuse`.
    refused: bool,
}

impl World {
    async fn new(local: &Local, habit: Habit, seed: u64) -> Self {
        let clients = local.clients();
        let inviter = member("Inviter");
        let mut recipients: Vec<Member> = (0..RECIPIENTS)
            .map(|number| member(&format!("Recipient {number}")))
            .collect();
        recipients[RECIPIENTS - 1].invitation_policy = InvitationPolicy::KnowsMyEmail.into();
        let members = recipients.iter().chain([&inviter]).cloned().collect();
        clients.upsert(members).await.expect("taken");
        let shared = clients
            .invite(&recipients[0].member_id, &recipients[1].member_id)
            .await;
        clients
            .accept(&recipients[1].member_id, &shared.invitation_id)
            .await
            .expect("accepted");
        Self {
            clients,
            habit,
            random: StdRng::seed_from_u64(seed),
            inviter,
            invitations: vec![None; recipients.len()],
            recipients,
            requests: Vec::new(),
            page: None,
            names: Names::default(),
            refused: false,
        }
    }

    /// The recipient's invitation of the inviter, where there is one that they can see.
    async fn received(&self, who: usize) -> Option<ReceivedState> {
        let invitation = self.invitations[who].as_ref()?;
        let received = self
            .clients
            .received(&self.recipients[who].member_id, invitation)
            .await;
        received.ok().map(|invitation| invitation.state())
    }

    /// Whether the recipient may do it here.
    async fn allows(&self, who: usize, act: Openly) -> bool {
        match act {
            Openly::Accept | Openly::Reply => matches!(
                self.received(who).await,
                Some(ReceivedState::Pending | ReceivedState::Ignored)
            ),
            Openly::Invite | Openly::Disconnect => true,
        }
    }

    /// Does in private what this world does.
    async fn privately(&mut self, who: usize) {
        let (Some(invitation), act) = (&self.invitations[who], self.habit.choose(&mut self.random)) else {
            return;
        };
        let acts: &[Act] = match act {
            Privately::Nothing => &[],
            Privately::Ignore => &[Act::Ignore],
            Privately::Restore => &[Act::Restore],
            Privately::Decline => &[Act::Ignore, Act::Decline],
        };
        for act in acts {
            // It may be refused: then nothing happened, which is one of the four.
            let _ = self
                .clients
                .act(*act, &self.recipients[who].member_id, invitation)
                .await;
        }
    }

    async fn openly(&mut self, who: usize, act: Openly) -> String {
        let recipient = &self.recipients[who].member_id;
        let invitation = self.invitations[who].clone().unwrap_or_default();
        let inviter = &self.inviter.member_id;
        match act {
            Openly::Accept => drop(
                self.clients
                    .accept(recipient, &invitation)
                    .await
                    .expect("every world allows it"),
            ),
            Openly::Reply => {
                let answer = self.clients.reply(recipient, &invitation, "Who are you?").await;
                drop(answer.map_err(|status| assert_eq!(reason(&status), "REPLY_LIMIT_REACHED")));
            }
            Openly::Invite => {
                return self.clients.send(recipient, inviter).await.map_or_else(
                    |status| reason(&status),
                    |response| outcome_word(&response).to_owned(),
                );
            }
            Openly::Disconnect => self
                .clients
                .disconnect(recipient, inviter)
                .await
                .expect("always OK"),
        }
        String::new()
    }

    /// What the inviter gets for a move.
    async fn answer(&mut self, step: &Move) -> String {
        let inviter_id = self.inviter.member_id.clone();
        let invitation_of = |to: usize| self.invitations[to].clone().unwrap_or(inviter_id.clone());
        match step {
            Move::Send {
                to,
                note,
                address,
                reminders,
            } => {
                let recipient = &self.recipients[*to];
                let request = SendInvitationRequest {
                    inviter_id,
                    recipient_id: recipient.member_id.clone(),
                    note: note.clone(),
                    recipient_email: match address {
                        Address::None => String::new(),
                        Address::Right => recipient.email.clone(),
                        Address::Wrong => "wrong@example.com".to_owned(),
                    },
                    reminders: *reminders,
                    request_id: id(),
                };
                self.first(Request::Send(request)).await
            }
            Move::Withdraw { to } => {
                let invitation_id = invitation_of(*to);
                let request = WithdrawInvitationRequest {
                    inviter_id,
                    invitation_id,
                    request_id: id(),
                };
                self.first(Request::Withdraw(request)).await
            }
            Move::StopReminders { to } => {
                let invitation_id = invitation_of(*to);
                let request = StopRemindersRequest {
                    inviter_id,
                    invitation_id,
                    request_id: id(),
                };
                self.first(Request::StopReminders(request)).await
            }
            Move::Disconnect { from } => {
                let other_id = self.recipients[*from].member_id.clone();
                let request = RemoveConnectionRequest {
                    member_id: inviter_id,
                    other_id,
                    request_id: id(),
                };
                self.first(Request::Disconnect(request)).await
            }
            Move::Again { back } => match self.requests.iter().rev().nth(*back).cloned() {
                Some(request) => self.ask(request).await,
                None => String::new(),
            },
            Move::Get { to } => {
                let invitation_id = invitation_of(*to);
                let request = GetSentInvitationRequest {
                    inviter_id,
                    invitation_id,
                };
                shown(
                    &self
                        .clients
                        .invitations
                        .clone()
                        .get_sent_invitation(request)
                        .await,
                )
            }
            Move::List { size } => self.list(*size, String::new()).await,
            Move::NextPage { size } => match self.page.take() {
                Some(token) => self.list(*size, token).await,
                None => String::new(),
            },
            Move::Replies { to } => {
                let invitation_id = invitation_of(*to);
                let request = ListRepliesRequest {
                    member_id: inviter_id,
                    invitation_id,
                };
                shown(&self.clients.invitations.clone().list_replies(request).await)
            }
            Move::Connections { size } => {
                let request = ListConnectionsRequest {
                    member_id: inviter_id,
                    page_size: *size,
                    page_token: String::new(),
                };
                let mut answer = self.clients.connections.clone().list_connections(request).await;
                if let Ok(response) = &mut answer {
                    let token = &mut response.get_mut().next_page_token;
                    *token = self.names.of(token);
                }
                shown(&answer)
            }
            Move::Summary { of } => {
                let request = GetConnectionSummaryRequest {
                    viewer_id: inviter_id,
                    member_id: self.recipients[*of].member_id.clone(),
                };
                shown(
                    &self
                        .clients
                        .connections
                        .clone()
                        .get_connection_summary(request)
                        .await,
                )
            }
            Move::Inbox => {
                let request = ListReceivedInvitationsRequest {
                    recipient_id: inviter_id,
                    ..Default::default()
                };
                shown(
                    &self
                        .clients
                        .invitations
                        .clone()
                        .list_received_invitations(request)
                        .await,
                )
            }
            Move::AcceptNewest => {
                let inbox = self
                    .clients
                    .folder(&inviter_id, Folder::Inbox)
                    .await
                    .expect("listed");
                let Some(newest) = inbox.first() else {
                    return String::new();
                };
                let request = AcceptInvitationRequest {
                    recipient_id: inviter_id,
                    target: Some(Target::InvitationId(newest.invitation_id.clone())),
                    etag: newest.etag.clone(),
                    request_id: id(),
                };
                shown(&self.clients.invitations.clone().accept_invitation(request).await)
            }
        }
    }

    async fn list(&mut self, page_size: i32, page_token: String) -> String {
        let request = ListSentInvitationsRequest {
            inviter_id: self.inviter.member_id.clone(),
            page_size,
            page_token,
        };
        let mut answer = self
            .clients
            .invitations
            .clone()
            .list_sent_invitations(request)
            .await;
        if let Ok(response) = &mut answer {
            let token = &mut response.get_mut().next_page_token;
            self.page = (!token.is_empty()).then(|| token.clone());
            *token = self.names.of(token);
        }
        shown(&answer)
    }

    async fn first(&mut self, request: Request) -> String {
        self.requests.push(request.clone());
        self.ask(request).await
    }

    async fn ask(&mut self, request: Request) -> String {
        let mut client = self.clients.invitations.clone();
        match request {
            Request::Send(request) => {
                let to = self.place_of(&request.recipient_id);
                let answer = client.send_invitation(request).await;
                match &answer {
                    Ok(response) => {
                        if let Some(Outcome::Invitation(invitation)) = &response.get_ref().outcome {
                            self.invitations[to] = Some(invitation.invitation_id.clone());
                        }
                    }
                    Err(status) => self.refused |= reason(status) == "CANNOT_INVITE_MEMBER",
                }
                shown(&answer)
            }
            Request::Withdraw(request) => shown(&client.withdraw_invitation(request).await),
            Request::StopReminders(request) => shown(&client.stop_reminders(request).await),
            Request::Disconnect(request) => {
                shown(&self.clients.connections.clone().remove_connection(request).await)
            }
        }
    }

    fn place_of(&self, recipient: &str) -> usize {
        let place = self
            .recipients
            .iter()
            .position(|member| member.member_id == recipient);
        place.expect("it is one of them")
    }

    /// The emails that the inviter gets: of each invitation in the order of its transitions.
    fn emails(&mut self, local: &Local) -> String {
        let owed = local.texts(&format!(
            "SELECT event || ' ' || invitation_id || ' ' || recipient_id || ' ' || text || ' ' || \
             (extract(epoch FROM happened_at) * 1000)::bigint || ' ' || (extract(epoch FROM due_at) * 1000)::bigint AS text \
             FROM outbox WHERE inviter_id = '{}' AND event IN (2, 4) AND due_at IS NOT NULL ORDER BY happened_at, event",
            self.inviter.member_id
        ));
        self.names.without_ids(&owed.join("\n"))
    }
}

fn outcome_word(response: &SendInvitationResponse) -> &'static str {
    match &response.outcome {
        Some(Outcome::Invitation(invitation)) if invitation.state() == SentState::Pending => "invited",
        Some(Outcome::Invitation(_)) => "invited, and not pending",
        Some(Outcome::Connection(_)) => "connected",
        None => "nothing",
    }
}

/// What the inviter of one world saw of a program, step by step.
struct Seen {
    habit: Habit,
    steps: Vec<String>,
    emails: String,
    /// What they had spent at the end.
    spent: i64,
    /// Whether the last step met the one refusal that may tell worlds apart.
    refused: bool,
}

/// How much was written for each inviter so far: rows of their book, versions of their account and of their pairs, and
/// transitions that they caused.
fn written(local: &Local, worlds: &[World]) -> Vec<[i64; 4]> {
    let ids: Vec<String> = worlds
        .iter()
        .map(|world| format!("'{}'", world.inviter.member_id))
        .collect();
    let rows = local.texts(&format!(
        "SELECT (SELECT count(*) FROM sent WHERE inviter_id = id) || ' ' || \
         (SELECT version FROM account WHERE member_id = id) || ' ' || \
         (SELECT coalesce(sum(version), 0) FROM pair WHERE lo = id OR hi = id) || ' ' || \
         (SELECT count(*) FROM outbox WHERE inviter_id = id OR recipient_id = id) AS text \
         FROM unnest(ARRAY[{}]::uuid[]) WITH ORDINALITY AS k(id, ord) ORDER BY ord",
        ids.join(", ")
    ));
    let read = |row: &String| {
        let mut numbers = row
            .split(' ')
            .map(|number| number.parse::<i64>().expect("a number"));
        std::array::from_fn(|_| numbers.next().expect("four"))
    };
    rows.iter().map(read).collect()
}

/// Whether workers write beside the acts. Without them, what each act writes is compared, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workers {
    Idle,
    AtWork,
}

/// Runs one program in all worlds, each step everywhere before the next one anywhere. Ends where a world meets the one
/// refusal that may tell them apart.
async fn run(local: &Local, workers: Workers, seed: u64) -> Vec<Seen> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut worlds = Vec::new();
    for (habit, number) in HABITS.into_iter().zip(0..) {
        worlds.push(World::new(local, habit, seed * 100 + number).await);
    }
    let mut steps = vec![Vec::new(); worlds.len()];
    for (at, step) in program(&mut random).into_iter().enumerate() {
        local.time.step(SignedDuration::from_millis(1));
        let told = take(local, workers, &mut worlds, &step).await;
        for (steps, told) in steps.iter_mut().zip(told) {
            steps.push(format!("{at} {step:?}: {told}"));
        }
        if worlds.iter().any(|world| world.refused) {
            break;
        }
    }
    let seen = |(steps, mut world): (Vec<String>, World)| Seen {
        habit: world.habit,
        steps,
        emails: world.emails(local),
        spent: local.spent(&world.inviter.member_id),
        refused: world.refused,
    };
    steps.into_iter().zip(worlds).map(seen).collect()
}

/// Takes one step in all worlds. Answers what each inviter got to see of it.
async fn take(local: &Local, workers: Workers, worlds: &mut [World], step: &Step) -> Vec<String> {
    let mut told = vec![String::new(); worlds.len()];
    match step {
        Step::Wait(length) => local.time.step(*length),
        Step::Private { who } => {
            for world in worlds {
                world.privately(*who).await;
            }
        }
        Step::Open { who, act } => {
            let mut allowed = true;
            for world in &*worlds {
                allowed &= world.allows(*who, *act).await;
            }
            if allowed {
                for (world, told) in worlds.iter_mut().zip(&mut told) {
                    *told = world.openly(*who, *act).await;
                }
            }
        }
        Step::Inviter(step) => {
            let before = written(local, worlds);
            for (world, told) in worlds.iter_mut().zip(&mut told) {
                let answer = world.answer(step).await;
                *told = world.names.without_ids(&answer);
            }
            if workers == Workers::Idle {
                let after = written(local, worlds);
                for ((told, before), after) in told.iter_mut().zip(before).zip(after) {
                    let wrote: [i64; 4] = std::array::from_fn(|at| after[at] - before[at]);
                    write!(told, " wrote {wrote:?}").expect("a String takes it");
                }
            }
        }
    }
    told
}

/// All transcripts of a program are the same, up to the step that met the refusal.
async fn check(local: &Local, workers: Workers, seed: u64, may_refuse: bool) {
    let seen = run(local, workers, seed).await;
    let refused = seen.iter().any(|seen| seen.refused);
    assert!(may_refuse || !refused, "program {seed}: CANNOT_INVITE_MEMBER");
    let first = &seen[0];
    for other in &seen[1..] {
        let same = if refused {
            first.steps.len() - 1
        } else {
            first.steps.len()
        };
        for (one, two) in first.steps[..same].iter().zip(&other.steps[..same]) {
            assert_eq!(
                one, two,
                "program {seed}: {:?} beside {:?}",
                first.habit, other.habit
            );
        }
        assert_eq!(
            (&first.emails, first.spent),
            (&other.emails, other.spent),
            "program {seed}: {:?} beside {:?}",
            first.habit,
            other.habit
        );
    }
}

/// Small limits, so that programs meet them.
const LIMITS: [&str; 6] = [
    "--quota-day",
    "6",
    "--quota-outstanding",
    "3",
    "--pair-sends",
    "4",
];

/// Without workers, so that what each act writes can be counted.
async fn start(hint: &str, after_decline: &str) -> Local {
    let flags = [&LIMITS[..], &["--after-decline", after_decline]].concat();
    Local::start_idle(hint, &flags).await
}

/// The programs came to what they are about.
fn assert_reached(local: &Local, silent: bool) {
    let events = [
        ("resent", 3),
        ("replied", 4),
        ("ignored", 5),
        ("restored", 6),
        ("declined", 7),
        ("withdrawn", 8),
        ("expired", 9),
        ("disconnected", 11),
        ("accepted", 2),
    ];
    for (name, event) in events {
        let count = local.count(&format!("SELECT count(*) FROM outbox WHERE event = {event}"));
        assert!(count > 0, "nothing was {name}");
    }
    let barred = local.count("SELECT count(*) FROM received WHERE folder = 4");
    assert_eq!(barred > 0, silent, "{barred} only look sent");
}

const PROGRAMS: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn silence_tells_an_inviter_nothing_at_all() {
    let local = start("silent_worlds", "silent").await;
    for seed in 0..PROGRAMS {
        check(&local, Workers::Idle, seed, false).await;
    }
    assert_reached(&local, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_an_inviter_nothing_before_it() {
    let local = start("refusing_worlds", "refuse").await;
    for seed in 1_000..1_000 + PROGRAMS {
        check(&local, Workers::Idle, seed, true).await;
    }
    assert_reached(&local, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_tell_an_inviter_nothing_either() {
    let flags = [&LIMITS[..], &["--after-decline", "silent"]].concat();
    let local = Local::start("working_worlds", &flags).await;
    for seed in 2_000..2_010 {
        check(&local, Workers::AtWork, seed, false).await;
    }
    let reminded = local.count("SELECT count(*) FROM outbox WHERE event = 12");
    assert!(reminded > 0, "no reminder was due");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; for whoever changes what inviters see"]
async fn a_thousand_more_programs_tell_nothing_either() {
    let local = start("thousand_worlds", "silent").await;
    let first = rand::rng().random_range(10_000..1_000_000_000);
    for seed in first..first + 1_000 {
        check(&local, Workers::Idle, seed, false).await;
    }
}
