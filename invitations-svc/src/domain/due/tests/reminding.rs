use jiff::SignedDuration;
use uuid::Uuid;

use crate::domain::{
    account::RestrictionKind,
    command::{Act, Answer as How, Operate, Recalled},
    transition::EventKind,
    world::{ADA, Address, BEN, World},
};

const NONE: [i64; 0] = [];

/// The days after the first send on which reminders went, when workers look once an hour and `act` happens on `day`.
fn reminded(act: impl Fn(&mut World, Uuid), day: i64) -> Vec<i64> {
    let mut world = World::new();
    let id = world.invited();
    let first = world.now;
    for hour in 0..60 * 24 {
        if hour == day * 24 {
            act(&mut world, id);
        }
        world.look_at_all();
        world.wait(SignedDuration::from_hours(1));
    }
    let reminders = world
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Reminded);
    let numbers: Vec<usize> = reminders.clone().map(|event| event.number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    reminders
        .map(|event| event.happened_at.duration_since(first).as_hours() / 24)
        .collect()
}

fn answer(answer: How) -> impl Fn(&mut World, Uuid) {
    move |world, id| drop(world.answer(id, answer.clone()).expect("granted"))
}

fn recall(what: Recalled) -> impl Fn(&mut World, Uuid) {
    move |world, id| drop(world.recall(id, what).expect("granted"))
}

fn resend(world: &mut World, _: Uuid) {
    world.invited();
}

fn restrict(kind: RestrictionKind, days: u64) -> impl Fn(&mut World, Uuid) {
    move |world, _| {
        let length = (days > 0).then(|| std::time::Duration::from_secs(days * 24 * 60 * 60));
        world
            .operate(ADA, Operate::Impose { kind, length })
            .expect("granted");
    }
}

#[test]
fn two_reminders_go_a_week_and_three_weeks_after_the_first_send() {
    assert_eq!(reminded(|_, _| {}, 0), [7, 21]);
}

#[test]
fn a_reminder_is_due_exactly_seven_days_after_the_first_send() {
    let mut world = World::new();
    let id = world.invited();
    world.wait(SignedDuration::from_hours(7 * 24) - SignedDuration::from_millis(1));
    assert_eq!(world.look(id), []);
    world.wait(SignedDuration::from_millis(1));
    let [event] = &world.look(id)[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.kind, event.number, event.mails),
        (EventKind::Reminded, 1, true)
    );
    assert_eq!(event.text, world.received[&id].note);
    assert_eq!(world.look(id), [], "looking twice reminds once");
}

#[test]
fn a_resend_adds_no_reminder_and_moves_none() {
    for (day, expected) in [
        (1, vec![7, 21]),
        (10, vec![7, 21]),
        // What a resend's own email comes before is not caught up with.
        (7, vec![21]),
        (30, vec![7, 21]),
    ] {
        assert_eq!(reminded(resend, day), expected, "day {day}");
    }
}

#[test]
fn a_resend_leaves_a_reminder_that_a_late_one_put_off_where_it_is() {
    // The first one goes on day 12, so the second one on day 26 in the place of day 21.
    for day in [14, 20, 22, 25] {
        let both = move |world: &mut World, id| {
            restrict(RestrictionKind::Suspended, 7)(world, id);
        };
        let mut world = World::new();
        let id = world.invited();
        let first = world.now;
        let mut reminders = Vec::new();
        for passed in 0..60 {
            match passed {
                5 => both(&mut world, id),
                _ if passed == day => drop(world.invited()),
                _ => {}
            }
            let events = world.look(id);
            reminders.extend(
                events
                    .iter()
                    .map(|event| event.happened_at.duration_since(first).as_hours() / 24),
            );
            world.wait_days(1);
        }
        assert_eq!(reminders, [12, 26], "resent on day {day}");
    }
}

#[test]
fn settings_with_fewer_reminders_hold_for_what_was_not_reminded_of_yet() {
    for (lengths, expected) in [(&[7][..], 1), (&[], 0)] {
        let mut world = World::new();
        let id = world.invited();
        world.wait_days(3);
        world.policy.reminders_after = lengths
            .iter()
            .map(|days| std::time::Duration::from_secs(days * 24 * 60 * 60))
            .collect();
        let mut reminders = 0;
        for _ in 0..60 {
            world.wait_days(1);
            while let Some(event) = world.look(id).first() {
                assert_eq!((event.kind, event.number), (EventKind::Reminded, 1));
                reminders += 1;
            }
        }
        assert_eq!(reminders, expected, "{lengths:?}");
    }
}

#[test]
fn a_send_tells_how_many_reminders_may_follow() {
    let told = |world: &World| world.events.last().expect("it was sent").number;
    let mut world = World::new();
    let id = world.invited();
    assert_eq!(told(&world), 2);
    world.wait_days(10);
    world.look(id);
    world.invited();
    assert_eq!(told(&world), 1);
    world.answer(id, How::Ignore).expect("granted");
    world.invited();
    assert_eq!(told(&world), 0, "an ignore ends them for good");
}

#[test]
fn a_reminder_goes_only_while_it_lies_in_the_inbox() {
    for (day, expected) in [(1, vec![]), (10, vec![7]), (30, vec![7, 21])] {
        assert_eq!(reminded(answer(How::Ignore), day), expected, "day {day}");
        assert_eq!(reminded(answer(How::Accept), day), expected, "day {day}");
        assert_eq!(reminded(recall(Recalled::Invitation), day), expected, "day {day}");
        assert_eq!(reminded(|world, id| world.void(id), day), expected, "day {day}");
    }
}

#[test]
fn an_ignore_ends_the_reminders_for_good() {
    let and_restored = |world: &mut World, id| {
        world.answer(id, How::Ignore).expect("granted");
        world.answer(id, How::Restore).expect("granted");
    };
    assert_eq!(reminded(and_restored, 10), [7]);
    let and_resent = |world: &mut World, id| {
        world.answer(id, How::Ignore).expect("granted");
        world.invited();
    };
    assert_eq!(reminded(and_resent, 1), NONE);
}

#[test]
fn a_reply_ends_the_reminders_for_good() {
    assert_eq!(reminded(answer(How::Reply("hm".to_owned())), 10), [7]);
    let and_resent = |world: &mut World, id| {
        let reply = How::Reply("hm".to_owned());
        world.answer(id, reply).expect("granted");
        world.invited();
    };
    assert_eq!(reminded(and_resent, 1), NONE);
}

#[test]
fn an_inviter_who_stops_reminders_is_heard() {
    assert_eq!(reminded(recall(Recalled::Reminders), 1), NONE);
    assert_eq!(reminded(recall(Recalled::Reminders), 10), [7]);
}

#[test]
fn a_resend_says_anew_whether_there_are_reminders() {
    let resent = |world: &mut World, reminders| {
        let mut send = world.a_send(ADA, BEN, Address::Missing);
        send.reminders = reminders;
        world.act(Act::Send(send)).expect("resent");
    };
    assert_eq!(reminded(|world, _| resent(world, false), 10), [7]);
    let stopped_and_resent = |world: &mut World, id| {
        world.recall(id, Recalled::Reminders).expect("granted");
        resent(world, true);
    };
    assert_eq!(reminded(stopped_and_resent, 10), [7, 21]);
}

#[test]
fn a_restriction_of_the_inviter_puts_reminders_off_and_keeps_their_distance() {
    for kind in [RestrictionKind::EmailRequired, RestrictionKind::Suspended] {
        assert_eq!(reminded(restrict(kind, 7), 5), [12, 26], "{kind:?}");
        assert_eq!(reminded(restrict(kind, 3), 1), [7, 21], "{kind:?}");
        assert_eq!(reminded(restrict(kind, 0), 10), [7], "{kind:?}");
    }
}

#[test]
fn reminders_go_within_a_day_after_an_operator_lifts_a_restriction_without_an_end() {
    let mut world = World::new();
    let id = world.invited();
    restrict(RestrictionKind::Suspended, 0)(&mut world, id);
    world.wait_days(40);
    assert_eq!(world.look(id), []);
    let lift = Operate::Lift {
        forget_strikes: false,
    };
    world.operate(ADA, lift).expect("granted");
    world.wait_days(1);
    assert_eq!(world.look(id).len(), 1);
}

#[test]
fn a_worker_that_is_five_weeks_late_reminds_once_and_the_next_one_keeps_its_distance() {
    let mut world = World::new();
    let id = world.invited();
    world.wait_days(42);
    assert_eq!(world.look(id).len(), 1);
    assert_eq!(world.look(id), []);
    world.wait(SignedDuration::from_hours(14 * 24) - SignedDuration::from_millis(1));
    assert_eq!(world.look(id), []);
    world.wait(SignedDuration::from_millis(1));
    assert_eq!(world.look(id)[0].number, 2);
    world.wait_days(60);
    assert_eq!(world.look(id), [], "two ever");
}
