use crate::domain::{
    command::Answer as How,
    invitation::Folder,
    refusal::Refusal,
    transition::{Answer, EventKind, Reply},
    world::{ADA, World},
};

fn reply(text: &str) -> How {
    How::Reply(text.to_owned())
}

#[test]
fn a_reply_leaves_the_invitation_open_where_it_lies() {
    for (act, folder) in [(How::Restore, Folder::Inbox), (How::Ignore, Folder::Archived)] {
        let mut world = World::new();
        let id = world.invited();
        let sent = world.sent[&id].clone();
        world.answer(id, act).expect("granted");
        world.answer(id, reply("who are you?")).expect("granted");
        assert_eq!(world.received[&id].folder, folder);
        assert_eq!(world.sent[&id], sent, "the inviter learns of it by email only");
        world.answer(id, How::Accept).expect("still open");
    }
}

#[test]
fn a_reply_is_stored_for_its_reader_and_emailed_with_its_text() {
    let mut world = World::new();
    let id = world.invited();
    for (number, text) in [(1, "who are you?"), (2, "still there?")] {
        let answer = world.answer(id, reply(text));
        let expected = Reply {
            inviter_id: ADA,
            invitation_id: id,
            number,
            text: text.to_owned(),
            at: world.now,
        };
        assert_eq!(world.replies.last(), Some(&expected));
        assert!(matches!(answer, Ok(Answer::Replied(_, reply)) if reply == expected));
        let event = world.events.last().expect("replied");
        assert_eq!(
            (event.kind, event.text.as_str(), event.mails),
            (EventKind::Replied, text, true)
        );
    }
}

#[test]
fn an_invitation_bears_ten_replies_resends_included() {
    let mut world = World::new();
    let id = world.invited();
    for _ in 0..10 {
        world.answer(id, reply("hm")).expect("granted");
    }
    world.invited();
    assert_eq!(world.answer(id, reply("hm")), Err(Refusal::ReplyLimitReached));
    assert_eq!(world.replies.len(), 10);
    world.answer(id, How::Accept).expect("answering is never limited");
}
