//! Random programs of three members, step by step beside the contract as a small state machine of its own.

#[path = "model/contract.rs"]
mod contract;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use proto::invitations::v1::{
    Folder, InvitationPolicy, Member, ReceivedInvitation, SendInvitationRequest, SendInvitationResponse,
    send_invitation_response::Outcome,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tests::{
    clients::{Act, Invitations, id, member, reason},
    local::Local,
};
use tonic::Status;

use self::contract::{Address, Ask, Contract, DAY, LADDER, Limits, Policy, Seen, Told, Who};

const MEMBERS: usize = 3;
const STEPS: usize = 70;

/// Invitations that are looked at one by one after each step.
const NEWEST: usize = 4;

fn limits(silent: bool) -> Limits {
    Limits {
        day: 4,
        week: 7,
        lifetime: 25,
        outstanding: 1,
        connections: 1,
        pair: 3,
        pair_days: 20,
        open_days: 10,
        replies: 1,
        // Two where the ladder's first step is enough.
        strikes: if silent { 1 } else { 2 },
        strike_days: 30,
        silent,
    }
}

async fn start(limits: Limits) -> Local {
    let numbers = [
        ("--quota-day", limits.day),
        ("--quota-week", limits.week),
        ("--quota-lifetime", limits.lifetime),
        ("--quota-outstanding", limits.outstanding),
        ("--max-connections", limits.connections),
        ("--pair-sends", limits.pair),
        ("--pair-window-days", limits.pair_days as usize),
        ("--open-days", limits.open_days as usize),
        ("--max-replies", limits.replies),
        ("--strikes", limits.strikes),
        ("--strike-days", limits.strike_days as usize),
    ]
    .map(|(flag, number)| (flag, number.to_string()));
    let after_decline = if limits.silent { "silent" } else { "refuse" };
    let mut flags: Vec<&str> = numbers
        .iter()
        .flat_map(|(flag, number)| [*flag, number])
        .collect();
    flags.extend(["--after-decline", after_decline, "--restriction-ladder", LADDER]);
    Local::start("model", &flags).await
}

/// One step of a program.
#[derive(Debug)]
enum Step {
    Ask(Ask),
    /// An earlier request once more, this far back.
    Again(usize),
    SetPolicy(Who, Policy),
    Wait(SignedDuration),
}

fn step(random: &mut StdRng, contract: &Contract, now: Timestamp) -> Step {
    let invitations = contract.count();
    let by = random.random_range(0..MEMBERS);
    let other = (by + random.random_range(1..MEMBERS)) % MEMBERS;
    let policies = [
        Policy::Everyone,
        Policy::Everyone,
        Policy::KnowsMyEmail,
        Policy::Nobody,
    ];
    match random.random_range(0..100) {
        0..10 => {
            let hours = [1, 1, 1, 23, 24, 24, 25, 48, 24 * 7, 24 * 10, 24 * 30];
            return Step::Wait(SignedDuration::from_hours(*hours.choose(random).expect("eleven")));
        }
        10..13 => return Step::SetPolicy(by, *policies.choose(random).expect("four")),
        13..18 => return Step::Again(random.random_range(0..5)),
        18..24 => return Step::Ask(Ask::Disconnect { by, from: other }),
        _ if invitations > 0 && random.random_bool(0.7) => {}
        _ => {
            let addresses = [
                Address::Missing,
                Address::Right,
                Address::Right,
                Address::Right,
                Address::Wrong,
            ];
            return Step::Ask(Ask::Send {
                from: by,
                to: other,
                note: ["", "Hello", "Again"].choose(random).expect("three").to_string(),
                address: *addresses.choose(random).expect("five"),
            });
        }
    }
    // Mostly one that is open, and mostly by whose act it is.
    let newest = invitations - 1 - random.random_range(0..invitations.min(3));
    let open = contract.open_at(now);
    let invitation = match open.choose(random) {
        Some(open) if random.random_bool(0.85) => *open,
        Some(_) | None => newest,
    };
    let (from, to) = contract.sides(invitation);
    let (inviter, recipient) = if random.random_bool(0.95) {
        (from, to)
    } else {
        (to, from)
    };
    Step::Ask(match random.random_range(0..16) {
        0 => Ask::Accept {
            by: recipient,
            invitation,
        },
        1..=3 => Ask::Reply {
            by: recipient,
            invitation,
        },
        4..=7 => Ask::Ignore {
            by: recipient,
            invitation,
        },
        8 => Ask::Restore {
            by: recipient,
            invitation,
        },
        9..=12 => Ask::Decline {
            by: recipient,
            invitation,
        },
        13 | 14 => Ask::Withdraw {
            by: inviter,
            invitation,
        },
        _ => Ask::StopReminders {
            by: inviter,
            invitation,
        },
    })
}

/// The real service, seen as the model is.
struct Service<'a> {
    local: &'a Local,
    clients: Invitations,
    members: Vec<Member>,
    invitations: Vec<String>,
}

impl Service<'_> {
    async fn ask(&mut self, ask: &Ask, request_id: &str) -> Told {
        let (act, by, invitation) = match ask {
            Ask::Send {
                from,
                to,
                note,
                address,
            } => {
                let message = SendInvitationRequest {
                    inviter_id: self.members[*from].member_id.clone(),
                    recipient_id: self.members[*to].member_id.clone(),
                    note: note.clone(),
                    recipient_email: match address {
                        Address::Missing => String::new(),
                        Address::Right => self.members[*to].email.clone(),
                        Address::Wrong => "wrong@example.com".to_owned(),
                    },
                    reminders: None,
                    request_id: request_id.to_owned(),
                };
                let answer = self.clients.send_with(message).await;
                return self.sent(answer);
            }
            Ask::Disconnect { by, from } => {
                let (by, from) = (&self.members[*by].member_id, &self.members[*from].member_id);
                return done(self.clients.disconnect_with(by, from, request_id).await);
            }
            Ask::Accept { by, invitation } => (Act::Accept, by, invitation),
            Ask::Reply { by, invitation } => (Act::Reply, by, invitation),
            Ask::Ignore { by, invitation } => (Act::Ignore, by, invitation),
            Ask::Restore { by, invitation } => (Act::Restore, by, invitation),
            Ask::Decline { by, invitation } => (Act::Decline, by, invitation),
            Ask::Withdraw { by, invitation } => (Act::Withdraw, by, invitation),
            Ask::StopReminders { by, invitation } => (Act::StopReminders, by, invitation),
        };
        let (by, invitation) = (&self.members[*by].member_id, &self.invitations[*invitation]);
        done(self.clients.act_with(act, by, invitation, "", request_id).await)
    }

    fn sent(&mut self, answer: Result<SendInvitationResponse, Status>) -> Told {
        match answer.map(|response| response.outcome) {
            Ok(Some(Outcome::Invitation(invitation))) => {
                let id = invitation.invitation_id;
                let known = self.invitations.iter().position(|known| *known == id);
                Told::Sent(known.unwrap_or_else(|| {
                    self.invitations.push(id);
                    self.invitations.len() - 1
                }))
            }
            Ok(Some(Outcome::Connection(_))) => Told::Connected,
            Ok(None) => panic!("OK carries an outcome"),
            Err(status) => Told::Refused(reason(&status).leak()),
        }
    }

    async fn set_policy(&mut self, who: Who, policy: Policy) {
        let policy = match policy {
            Policy::Everyone => InvitationPolicy::Everyone,
            Policy::KnowsMyEmail => InvitationPolicy::KnowsMyEmail,
            Policy::Nobody => InvitationPolicy::Nobody,
        };
        self.members[who].invitation_policy = policy.into();
        self.clients
            .upsert(vec![self.members[who].clone()])
            .await
            .expect("taken");
    }

    fn place(&self, invitation: &str) -> usize {
        let place = self.invitations.iter().position(|known| known == invitation);
        place.expect("every invitation was answered once")
    }

    async fn sent_by(&self, who: Who) -> Vec<Seen> {
        let book = self
            .clients
            .outbox(&self.members[who].member_id)
            .await
            .expect("listed");
        let seen = book.into_iter().map(|it| {
            let state = it.state().as_str_name().trim_start_matches("SENT_STATE_");
            (self.place(&it.invitation_id), state, it.note)
        });
        seen.collect()
    }

    /// What a member sees of the newest invitations when they ask for each by its id as its recipient.
    async fn received_by(&self, who: Who) -> Vec<Seen> {
        let mut all = Vec::new();
        for invitation in self.invitations.iter().rev().take(NEWEST) {
            match self
                .clients
                .received(&self.members[who].member_id, invitation)
                .await
            {
                Ok(it) => all.push(self.seen(&it)),
                Err(status) => assert_eq!(reason(&status), "INVITATION_NOT_FOUND"),
            }
        }
        all
    }

    async fn folder_of(&self, who: Who, folder: Folder) -> Vec<Seen> {
        let listed = self
            .clients
            .folder(&self.members[who].member_id, folder)
            .await
            .expect("listed");
        listed.iter().map(|it| self.seen(it)).collect()
    }

    fn seen(&self, it: &ReceivedInvitation) -> Seen {
        let state = it.state().as_str_name().trim_start_matches("RECEIVED_STATE_");
        (
            self.place(&it.invitation_id),
            state,
            format!("{} {}", it.note, it.reply_count),
        )
    }

    async fn connected_to(&self, who: Who) -> Vec<Who> {
        let listed = self
            .clients
            .connections(&self.members[who].member_id)
            .await
            .expect("listed");
        let place = |id: &String| self.members.iter().position(|member| member.member_id == *id);
        let mut others: Vec<Who> = listed.iter().filter_map(|side| place(&side.other_id)).collect();
        others.sort_unstable();
        others
    }

    fn now(&self) -> Timestamp {
        self.local.time.now()
    }
}

fn done<T>(answer: Result<T, Status>) -> Told {
    answer.map_or_else(|status| Told::Refused(reason(&status).leak()), |_| Told::Ok)
}

/// Both show each member the same.
async fn assert_same_views(service: &Service<'_>, contract: &Contract, at: &str) {
    let now = service.now();
    for who in 0..MEMBERS {
        assert_eq!(
            service.sent_by(who).await,
            contract.sent(who, now),
            "{at}: sent by {who}"
        );
        let received = contract.received(who, now);
        let newest = contract.count().saturating_sub(NEWEST);
        let by_id: Vec<Seen> = received.iter().filter(|seen| seen.0 >= newest).cloned().collect();
        assert_eq!(service.received_by(who).await, by_id, "{at}: received by {who}");
        for (folder, state) in [
            (Folder::Inbox, "PENDING"),
            (Folder::Archived, "IGNORED"),
            (Folder::Declined, "DECLINED"),
        ] {
            let lies: Vec<Seen> = received.iter().filter(|seen| seen.1 == state).cloned().collect();
            assert_eq!(
                service.folder_of(who, folder).await,
                lies,
                "{at}: {folder:?} of {who}"
            );
        }
        assert_eq!(
            service.connected_to(who).await,
            contract.connected_to(who),
            "{at}: connections of {who}"
        );
    }
}

/// Runs one program. Counts what was told.
async fn check(local: &Local, limits: Limits, seed: u64, counts: &mut HashMap<String, usize>) {
    let mut random = StdRng::seed_from_u64(seed);
    let members: Vec<Member> = (0..MEMBERS)
        .map(|number| member(&format!("Member {number}")))
        .collect();
    let clients = local.clients();
    clients.upsert(members.clone()).await.expect("taken");
    let mut service = Service {
        local,
        clients,
        members,
        invitations: Vec::new(),
    };
    let mut contract = Contract::new(&[Policy::Everyone; MEMBERS], limits);
    let mut asked: Vec<(Ask, String, Timestamp, Told)> = Vec::new();
    for number in 0..STEPS {
        local.time.step(SignedDuration::from_millis(1));
        let step = step(&mut random, &contract, service.now());
        let at = format!("program {seed}, step {number} {step:?}");
        let ask = match step {
            Step::Wait(length) => {
                local.time.step(length);
                None
            }
            Step::SetPolicy(who, policy) => {
                contract.set_policy(who, policy);
                service.set_policy(who, policy).await;
                None
            }
            Step::Ask(ask) => Some((ask, id())),
            Step::Again(back) => asked
                .iter()
                .rev()
                .nth(back)
                .map(|(ask, id, ..)| (ask.clone(), id.clone())),
        };
        if let Some((ask, request_id)) = ask {
            let now = service.now();
            let first = asked
                .iter()
                .rev()
                .find(|(_, id, decided, _)| *id == request_id && *decided + DAY > now);
            let told = match first {
                Some((.., told)) => *told,
                None => {
                    let told = contract.ask(&ask, now);
                    asked.push((ask.clone(), request_id.clone(), now, told));
                    told
                }
            };
            assert_eq!(service.ask(&ask, &request_id).await, told, "{at}");
            let word = match told {
                Told::Refused(reason) => reason.to_owned(),
                Told::Sent(_) | Told::Connected | Told::Ok => format!("{told:?}")
                    .split('(')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            };
            *counts.entry(word).or_default() += 1;
        }
        assert_same_views(&service, &contract, &at).await;
    }
}

/// Every answer that the contract has was met, but those that need no state.
fn assert_reached(counts: &HashMap<String, usize>, silent: bool) {
    let all = [
        "Sent",
        "Connected",
        "Ok",
        "ALREADY_CONNECTED",
        "CONNECTION_LIMIT_REACHED",
        "EMAIL_REQUIRED",
        "IGNORE_FIRST",
        "INVITATION_ALREADY_SENT",
        "INVITATION_CLOSED",
        "INVITATION_DECLINED",
        "INVITATION_EXPIRED",
        "INVITATION_LIMIT_REACHED",
        "INVITATION_NOT_FOUND",
        "REPLY_LIMIT_REACHED",
    ];
    for word in all {
        assert!(counts.contains_key(word), "{word} was never told: {counts:?}");
    }
    assert_eq!(counts.contains_key("INVITING_RESTRICTED"), silent, "{counts:?}");
    assert_eq!(counts.contains_key("CANNOT_INVITE_MEMBER"), !silent, "{counts:?}");
}

async fn check_all(silent: bool, seeds: std::ops::Range<u64>) {
    let limits = limits(silent);
    let local = start(limits).await;
    let mut counts = HashMap::new();
    for seed in seeds {
        check(&local, limits, seed, &mut counts).await;
    }
    assert_reached(&counts, silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_what_the_contract_says() {
    check_all(false, 0..12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_what_the_contract_says_of_silence() {
    check_all(true, 1_000..1_012).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; for whoever changes the rules"]
async fn the_service_does_it_in_many_more_programs() {
    let first = rand::rng().random_range(10_000..1_000_000_000);
    check_all(true, first..first + 250).await;
    check_all(false, first..first + 250).await;
}
