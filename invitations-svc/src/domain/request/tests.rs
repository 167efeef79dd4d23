use uuid::Uuid;

use super::*;
use crate::domain::{
    command::{Operation, Recalled},
    transition::Answer,
    world::{ADA, Address, BEN, World},
};

fn request(fingerprint: u8) -> Option<RequestKey> {
    Some(RequestKey {
        request_id: Uuid::from_u128(5),
        client: "shop".into(),
        fingerprint: [fingerprint; 16],
    })
}

/// Does an act under a request id, then everything else, then the same again.
fn check(
    world: &mut World,
    act: Act,
    id: Option<Uuid>,
    meanwhile: impl Fn(&mut World),
) -> Result<Answer, Refusal> {
    let command = Command {
        request: request(1),
        act,
    };
    let first = world.act(command.act.clone());
    let stored = StoredAnswer {
        key: request(1).expect("given"),
        outcome: Outcome::of(&command, &first),
        decided_at: world.now,
    };
    meanwhile(world);
    let named = id.and_then(|id| world.invitation(id));
    let account = world.accounts.get(&command.actor());
    let again = stored.replay(&command, named.as_ref(), account);
    assert_eq!(again.clone().map(shown), first.map(shown));
    let other = Command {
        request: request(2),
        ..command
    };
    let reused = stored.replay(&other, named.as_ref(), account);
    assert_eq!(reused, Err(Refusal::RequestIdReused));
    again
}

/// Without what no answer shows.
fn shown(answer: Answer) -> Answer {
    let shown = |received| Received {
        reminders_left: 0,
        due_at: None,
        ..received
    };
    match answer {
        Answer::Received(received) => Answer::Received(shown(received)),
        Answer::Replied(received, reply) => Answer::Replied(shown(received), reply),
        Answer::Sent(_) | Answer::Connected(_) | Answer::Upserted(_) | Answer::Account(_) | Answer::Done => {
            answer
        }
    }
}

fn withdraw(world: &mut World, id: Uuid) {
    world.recall(id, Recalled::Invitation).expect("granted");
}

#[test]
fn a_repeated_send_gets_its_first_answer_whatever_became_of_the_invitation() {
    let mut world = World::new();
    let send = world.a_send(ADA, BEN, Address::Missing);
    let answer = check(&mut world, Act::Send(send), None, |world| {
        let id = world.pair(ADA, BEN).open.expect("sent").id;
        world.wait_days(1);
        world.answer(id, How::Accept).expect("granted");
    });
    assert!(matches!(answer, Ok(Answer::Sent(_))));
}

#[test]
fn a_repeated_mutual_send_gets_its_connection_again() {
    let mut world = World::new();
    world.sent_by(BEN, ADA);
    let send = world.a_send(ADA, BEN, Address::Missing);
    let answer = check(&mut world, Act::Send(send), None, |world| {
        world.disconnect(BEN, ADA).expect("parted");
    });
    assert!(matches!(answer, Ok(Answer::Connected(_))));
}

#[test]
fn a_repeated_refusal_is_the_first_one() {
    let mut world = World::new();
    let send = world.a_send(ADA, Uuid::from_u128(77), Address::Missing);
    let answer = check(&mut world, Act::Send(send), None, |world| world.wait_days(1));
    assert_eq!(answer, Err(Refusal::MemberNotFound));
}

#[test]
fn a_repeated_answer_shows_the_invitation_as_it_was() {
    for act in [
        How::Accept,
        How::Reply("hm".to_owned()),
        How::Ignore,
        How::Restore,
        How::Decline,
    ] {
        let mut world = World::new();
        let id = world.invited();
        let answering = world.answering(id, act, None);
        drop(check(&mut world, answering, Some(id), |world| {
            world.wait_days(1);
            let _ = world.answer(id, How::Reply("more".to_owned()));
            let _ = world.recall(id, Recalled::Invitation);
        }));
    }
}

#[test]
fn a_repeated_recall_shows_the_invitation_as_it_was() {
    for what in [Recalled::Reminders, Recalled::Invitation] {
        let mut world = World::new();
        let id = world.invited();
        let recall = world.recalling(id, what);
        let answer = check(&mut world, recall, Some(id), |world| withdraw(world, id));
        assert!(answer.is_ok());
    }
}

#[test]
fn what_is_kept_has_no_text() {
    let mut world = World::new();
    let id = world.invited();
    let command = Command {
        request: request(1),
        act: world.answering(id, How::Reply("a secret".to_owned()), None),
    };
    let answer = world.act(command.act.clone());
    let outcome = Outcome::of(&command, &answer);
    let shown = format!("{outcome:?}");
    assert!(!shown.contains("secret") && !shown.contains("note"), "{shown}");
}

#[test]
fn a_repeated_operation_grants_once() {
    let mut world = World::new();
    let grant = Operation {
        member_id: ADA,
        by: "desk".into(),
        note: String::new(),
        entropy: [3; 10],
        what: Operate::Grant { count: 5 },
    };
    let answer = check(&mut world, Act::Operate(grant), None, |_| {});
    assert!(matches!(answer, Ok(Answer::Account(account)) if account.granted == 5));
}
