//! Bad input: each field gets INVALID_ARGUMENT that names it, and nothing is done.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proto::invitations::v1::{
    AcceptInvitationRequest, Folder, GetConnectionSummaryRequest, GetMemberRequest,
    GetReceivedInvitationRequest, GetSentInvitationRequest, ListConnectionsRequest,
    ListReceivedInvitationsRequest, ListSentInvitationsRequest, Member, SendInvitationRequest,
    SendInvitationStreamResponse, accept_invitation_request::Target,
};
use tests::{
    clients::{Act, Invitations, channel, id, member, reason, refusal, send_request},
    local::Local,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The fields that the refusal names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    assert_eq!(
        details.error_info().map(|info| info.domain.as_str()),
        Some("invitations.v1")
    );
    let request = details.bad_request().expect("it names fields");
    request
        .field_violations
        .iter()
        .map(|violation| violation.field.clone())
        .collect()
}

const WRONG_IDS: [&str; 9] = [
    "",
    "0",
    "-1",
    "9223372036854775807",
    "not-a-uuid",
    "00000000-0000-0000-0000-000000000000",
    "{0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f}",
    "0190a8a05f1c7cc398c4dc0c0c07398f",
    "0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f\0",
];

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ids_are_named_in_every_rpc() {
    let local = Local::start("ids", &[]).await;
    let clients = local.clients();
    let Invitations {
        mut invitations,
        mut connections,
        mut members,
    } = clients.clone();
    let long = "0".repeat(20_000);
    for wrong in WRONG_IDS.into_iter().chain([long.as_str()]) {
        let wrong = || wrong.to_owned();
        let refusal = invitations
            .send_invitation(SendInvitationRequest {
                inviter_id: wrong(),
                recipient_id: wrong(),
                request_id: "x".to_owned(),
                ..SendInvitationRequest::default()
            })
            .await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["inviter_id", "recipient_id", "request_id"]
        );
        let refusal = invitations
            .get_sent_invitation(GetSentInvitationRequest {
                inviter_id: wrong(),
                invitation_id: wrong(),
            })
            .await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["inviter_id", "invitation_id"]
        );
        let refusal = invitations
            .get_received_invitation(GetReceivedInvitationRequest {
                recipient_id: wrong(),
                invitation_id: wrong(),
            })
            .await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["recipient_id", "invitation_id"]
        );
        let refusal = invitations
            .list_sent_invitations(ListSentInvitationsRequest {
                inviter_id: wrong(),
                ..Default::default()
            })
            .await;
        assert_eq!(fields(&refusal.expect_err("wrong")), ["inviter_id"]);
        let refusal = invitations
            .list_received_invitations(ListReceivedInvitationsRequest {
                recipient_id: wrong(),
                ..Default::default()
            })
            .await;
        assert_eq!(fields(&refusal.expect_err("wrong")), ["recipient_id"]);
        let refusal = invitations
            .accept_invitation(AcceptInvitationRequest {
                recipient_id: wrong(),
                target: Some(Target::InvitationId(wrong())),
                ..Default::default()
            })
            .await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["recipient_id", "invitation_id"]
        );
        for act in Act::ALL {
            let refusal = clients.act_with(act, &wrong(), &wrong(), "", "x").await;
            let member = act.of("inviter_id", "recipient_id");
            let named: BTreeSet<String> = fields(&refusal.expect_err("wrong")).into_iter().collect();
            let expected = [member, "invitation_id", "request_id"].map(str::to_owned);
            assert_eq!(named, expected.into(), "{act:?}");
        }
        let refusal = clients.replies(&wrong(), &wrong()).await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["member_id", "invitation_id"]
        );
        let refusal = clients.disconnect_with(&wrong(), &wrong(), "x").await;
        assert_eq!(
            fields(&refusal.expect_err("wrong")),
            ["member_id", "other_id", "request_id"]
        );
        let refusal = connections
            .list_connections(ListConnectionsRequest {
                member_id: wrong(),
                ..Default::default()
            })
            .await;
        assert_eq!(fields(&refusal.expect_err("wrong")), ["member_id"]);
        let refusal = connections
            .get_connection_summary(GetConnectionSummaryRequest {
                viewer_id: wrong(),
                member_id: wrong(),
            })
            .await;
        assert_eq!(fields(&refusal.expect_err("wrong")), ["viewer_id", "member_id"]);
        let refusal = members.get_member(GetMemberRequest { member_id: wrong() }).await;
        assert_eq!(fields(&refusal.expect_err("wrong")), ["member_id"]);
    }
    let refusal = invitations.accept_invitation(AcceptInvitationRequest {
        recipient_id: id(),
        ..Default::default()
    });
    assert_eq!(fields(&refusal.await.expect_err("no target")), ["target"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_members_are_named_and_none_of_their_call_is_stored() {
    let local = Local::start("members", &[]).await;
    let clients = local.clients();
    let long = "x".repeat(100_000);
    let change = |change: &dyn Fn(&mut Member)| {
        let mut changed = member("Ada");
        change(&mut changed);
        changed
    };
    let mut cases: Vec<(&str, Member)> = Vec::new();
    for name in [
        "",
        " ",
        "Eve\r\nBcc: x@example.com",
        "a\0b",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "a\u{2028}b",
        &long,
    ] {
        cases.push(("name", change(&|member| member.name = name.to_owned())));
    }
    for email in [
        "",
        "ada",
        "a@b@example.com",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@[127.0.0.1]",
        "a b@example.com",
        "ada@example.com\r\nBcc: x@example.com",
        " ada@example.com",
        "ada@exa_mple.com",
        &long,
    ] {
        cases.push(("email", change(&|member| member.email = email.to_owned())));
    }
    for locale in ["english please", "../../etc", "e", "de_DE", &long] {
        cases.push(("locale", change(&|member| member.locale = locale.to_owned())));
    }
    for time_zone in ["Mars/Olympus", "../UTC", "UTC+25", &long] {
        cases.push((
            "time_zone",
            change(&|member| member.time_zone = time_zone.to_owned()),
        ));
    }
    for policy in [-1, 4, i32::MAX] {
        cases.push((
            "invitation_policy",
            change(&|member| member.invitation_policy = policy),
        ));
    }
    for (field, wrong) in cases {
        let good = member("Good");
        let status = clients
            .upsert(vec![good.clone(), wrong.clone()])
            .await
            .expect_err("one is wrong");
        assert_eq!(fields(&status), [format!("members[1].{field}")], "{wrong:.60?}");
        let found = clients
            .members
            .clone()
            .get_member(GetMemberRequest {
                member_id: good.member_id,
            })
            .await;
        assert_eq!(found.expect_err("none is stored").code(), Code::NotFound);
    }
    let twice = member("Twice");
    let status = clients
        .upsert(vec![twice.clone(), twice])
        .await
        .expect_err("named twice");
    assert_eq!(fields(&status), ["members[1].member_id"]);
    for count in [0, 101] {
        let status = clients
            .upsert((0..count).map(|_| member("Ada")).collect())
            .await
            .expect_err("too few or many");
        assert_eq!(fields(&status), ["members"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_stored_as_they_are_meant() {
    let local = Local::start("meant", &[]).await;
    let clients = local.clients();
    let given = Member {
        name: "  Zoe\u{308} \"Zo\" O'Neil 🙂 ".to_owned(),
        email: "zoe+x@BÜCHER.example".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        locale: "pt-BR".to_owned(),
        ..member("")
    };
    let stored = clients
        .upsert(vec![given.clone()])
        .await
        .expect("taken")
        .pop()
        .expect("one");
    assert_eq!(stored.name, "Zoë \"Zo\" O'Neil 🙂");
    assert_eq!(stored.email, "zoe+x@xn--bcher-kva.example");
    let found = clients
        .members
        .clone()
        .get_member(GetMemberRequest {
            member_id: given.member_id,
        })
        .await;
    assert_eq!(found.expect("found").into_inner().member, Some(stored));
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_addresses_are_checked_before_anything_is_charged() {
    let local = Local::start("notes", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let message = SendInvitationRequest {
        inviter_id: ada.clone(),
        recipient_id: ben,
        ..Default::default()
    };
    for note in [
        "x".repeat(301),
        "é".repeat(301),
        "a\0b".to_owned(),
        "\u{7}".to_owned(),
        "\u{202e}".to_owned(),
        "x".repeat(50_000),
    ] {
        let status = clients
            .send_with(SendInvitationRequest {
                note,
                ..message.clone()
            })
            .await
            .expect_err("wrong");
        assert_eq!(fields(&status), ["note"]);
    }
    for recipient_email in ["x", "a@b@c.example", "a@example.com\r\nx"] {
        let wrong = SendInvitationRequest {
            recipient_email: recipient_email.to_owned(),
            ..message.clone()
        };
        assert_eq!(
            fields(&clients.send_with(wrong).await.expect_err("wrong")),
            ["recipient_email"]
        );
    }
    assert_eq!(local.spent(&ada), 0);
    let note = "e\u{301}\n".repeat(150);
    clients
        .send_with(SendInvitationRequest { note, ..message })
        .await
        .expect("300 characters in NFC");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_checked_before_anything_is_stored() {
    let local = Local::start("texts", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await.invitation_id;
    for text in [
        String::new(),
        " \n ".to_owned(),
        "x".repeat(1_901),
        "é".repeat(1_901),
        "a\0b".to_owned(),
        "\u{7}".to_owned(),
        "\u{202e}".to_owned(),
        "a\tb".to_owned(),
        "x".repeat(1 << 20),
    ] {
        let status = clients.reply(&ben, &invitation, &text).await.expect_err("wrong");
        assert_eq!(fields(&status), ["text"], "{text:.20?}");
    }
    assert!(clients.replies(&ada, &invitation).await.expect("read").is_empty());
    let text = "e\u{301}\r\n".repeat(950);
    clients
        .reply(&ben, &invitation, &text)
        .await
        .expect("1 900 characters in NFC");
    let replies = clients.replies(&ada, &invitation).await.expect("read");
    assert_eq!(replies[0].text, "é\n".repeat(950), "as it is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_etag_is_named() {
    let local = Local::start("etag", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await.invitation_id;
    let long = "v".repeat(10_000);
    for etag in ["x", "1", "v", "v1.5", "v99999999999999999999", "\0", "*", &long] {
        for act in [Act::Accept, Act::Reply, Act::Ignore, Act::Restore, Act::Decline] {
            let status = clients.act_with(act, &ben, &invitation, etag, &id()).await;
            assert_eq!(
                fields(&status.expect_err("wrong")),
                ["etag"],
                "{act:?} {etag:.20}"
            );
        }
    }
    for etag in ["v0", "v-1", "v2"] {
        let status = clients
            .act_with(Act::Accept, &ben, &invitation, etag, &id())
            .await;
        assert_eq!(
            refusal(&status.expect_err("not this one")),
            (Code::Aborted, "ETAG_MISMATCH".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_too_many_or_none_is_named_and_none_is_sent() {
    let local = Local::start("batches", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    for count in [0, 101, 1_000] {
        let status = clients
            .batch(vec![send_request(&ada, &ben); count])
            .await
            .expect_err("wrong");
        assert_eq!(fields(&status), ["requests"]);
    }
    assert_eq!(local.spent(&ada), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_connected_to_oneself() {
    let local = Local::start("oneself", &[]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let status = clients.disconnect(&ada, &ada).await.expect_err("one is not two");
    assert_eq!(fields(&status), ["other_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_and_their_tokens_fit_nowhere_else() {
    let local = Local::start("pages", &[]).await;
    let clients = local.clients();
    let people = clients.new_members(["A", "B", "C", "D", "E", "F", "G"]).await;
    for recipient in &people[1..6] {
        clients.invite(&people[0], recipient).await;
        local.time.step(SignedDuration::from_millis(1));
    }
    let list = |inviter: &str, page_size: i32, page_token: String| {
        let (mut client, inviter_id) = (clients.invitations.clone(), inviter.to_owned());
        async move {
            let request = ListSentInvitationsRequest {
                inviter_id,
                page_size,
                page_token,
            };
            client
                .list_sent_invitations(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let mut seen = Vec::new();
    let mut token = String::new();
    for expected in [2, 2, 1] {
        let page = list(&people[0], 2, token).await.expect("a page");
        assert_eq!(page.invitations.len(), expected);
        seen.extend(
            page.invitations
                .into_iter()
                .map(|invitation| invitation.recipient_id),
        );
        token = page.next_page_token;
    }
    assert_eq!(token, "", "the last page");
    assert_eq!(
        seen,
        people[1..6].iter().rev().cloned().collect::<Vec<_>>(),
        "newest first, each once"
    );

    let token = list(&people[0], 2, String::new())
        .await
        .expect("a page")
        .next_page_token;
    let mut altered = token.clone().into_bytes();
    altered[3] ^= 1;
    let altered = String::from_utf8_lossy(&altered).into_owned();
    for wrong in ["x", &altered, &token[1..], &"A".repeat(5_000)] {
        assert_eq!(
            fields(&list(&people[0], 2, wrong.to_owned()).await.expect_err("forged")),
            ["page_token"]
        );
    }
    assert_eq!(
        fields(
            &list(&people[1], 2, token.clone())
                .await
                .expect_err("another owner")
        ),
        ["page_token"]
    );
    for size in [-1, i32::MIN] {
        assert_eq!(
            fields(&list(&people[0], size, String::new()).await.expect_err("negative")),
            ["page_size"]
        );
    }
    assert_eq!(
        list(&people[0], i32::MAX, String::new())
            .await
            .expect("clamped")
            .invitations
            .len(),
        5
    );

    let received = |folder: i32, page_token: String| {
        let (mut client, recipient_id) = (clients.invitations.clone(), people[6].clone());
        async move {
            let request = ListReceivedInvitationsRequest {
                recipient_id,
                folder,
                page_size: 1,
                page_token,
            };
            client
                .list_received_invitations(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    for inviter in &people[..2] {
        clients.invite(inviter, &people[6]).await;
        local.time.step(SignedDuration::from_millis(1));
    }
    let inbox = received(Folder::Inbox.into(), String::new())
        .await
        .expect("a page");
    assert_eq!(inbox.invitations[0].inviter_id, people[1]);
    for folder in [Folder::Archived, Folder::Declined] {
        let other_filter = received(folder.into(), inbox.next_page_token.clone()).await;
        assert_eq!(fields(&other_filter.expect_err("another filter")), ["page_token"]);
    }
    let other_list = list(&people[6], 1, inbox.next_page_token).await;
    assert_eq!(fields(&other_list.expect_err("another list")), ["page_token"]);
    for folder in [-1, 4, i32::MAX] {
        assert_eq!(
            fields(&received(folder, String::new()).await.expect_err("no such folder")),
            ["folder"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_invitation_is_not_found_like_one_that_does_not_exist() {
    let local = Local::start("foreign", &[]).await;
    let clients = local.clients();
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    let invitation = clients.invite(&ada, &ben).await.invitation_id;
    let own = clients.invite(&ben, &cleo).await.invitation_id;
    let mut refusals = Vec::new();
    for (member, id) in [
        (&cleo, invitation.clone()),
        (&ada, invitation.clone()),
        (&ben, own.clone()),
        (&ben, id()),
    ] {
        refusals.push(clients.received(member, &id).await.expect_err("not theirs"));
        for act in [Act::Accept, Act::Reply, Act::Ignore, Act::Restore, Act::Decline] {
            refusals.push(clients.act(act, member, &id).await.expect_err("not theirs"));
        }
    }
    for (member, id) in [
        (&cleo, invitation.clone()),
        (&ben, invitation.clone()),
        (&cleo, own.clone()),
        (&ada, id()),
    ] {
        refusals.push(clients.sent(member, &id).await.expect_err("not theirs"));
        for act in [Act::Withdraw, Act::StopReminders] {
            refusals.push(clients.act(act, member, &id).await.expect_err("not theirs"));
        }
    }
    refusals.push(clients.replies(&cleo, &invitation).await.expect_err("not theirs"));
    refusals.push(clients.replies(&ada, &id()).await.expect_err("nobody's"));
    for refusal in &refusals {
        assert_eq!(
            (refusal.code(), &*reason(refusal)),
            (Code::NotFound, "INVITATION_NOT_FOUND")
        );
        assert_eq!(
            (refusal.message(), refusal.details()),
            (refusals[0].message(), refusals[0].details())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_is_refused_and_the_connection_goes_on() {
    let local = Local::start("oversized", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let message = |bytes: usize| SendInvitationRequest {
        note: "x".repeat(bytes),
        ..send_request(&ada, &ben)
    };
    let status = clients.send_with(message(1 << 20)).await.expect_err("a megabyte");
    assert_eq!(fields(&status), ["note"]);
    let status = clients
        .send_with(message(5 << 20))
        .await
        .expect_err("more than a batch");
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::OutOfRange, "REQUEST_TOO_LARGE")
    );
    assert_eq!(local.spent(&ada), 0);
    clients.invite(&ada, &ben).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_grpc_posts_reach_a_handler() {
    let local = Local::start("not_grpc", &[]).await;
    let url = format!("http://{}/invitations.v1.MemberService/GetMember", local.grpc());
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("it builds");
    let answer = client
        .get(&url)
        .header("content-type", "application/grpc")
        .send()
        .await
        .expect("it answers");
    assert_eq!(answer.status(), 405);
    for kind in [
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
    ] {
        let answer = client
            .post(&url)
            .header("content-type", kind)
            .body("x")
            .send()
            .await
            .expect("it answers");
        assert_eq!(answer.status(), 415, "{kind}");
        assert!(answer.headers().get("grpc-status").is_none());
    }
}

/// Posts `body` as a call of GetMember and answers gRPC status and reason.
async fn raw(local: &Local, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> (String, String) {
    call(local, "invitations.v1.MemberService/GetMember", headers, body).await
}

async fn call(
    local: &Local,
    rpc: &str,
    headers: &[(&'static str, &'static str)],
    body: Vec<u8>,
) -> (String, String) {
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("it builds");
    let url = format!("http://{}/{rpc}", local.grpc());
    let call = client
        .post(url)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body);
    let call = headers
        .iter()
        .fold(call, |call, (name, value)| call.header(*name, *value));
    let answer = call.send().await.expect("it answers");
    let status = Status::from_header_map(answer.headers()).expect("an error in the headers");
    (i32::from(status.code()).to_string(), reason(&status))
}

/// Somebody's stubs are newer than this service.
#[tokio::test(flavor = "multi_thread")]
async fn an_rpc_that_is_none_is_refused_with_its_reason() {
    let local = Local::start("no_such_rpc", &[]).await;
    for rpc in ["invitations.v1.MemberService/Nope", "x.v1.Nobody/Call", "x"] {
        let (code, reason) = call(&local, rpc, &[], b"\0\0\0\0\0".to_vec()).await;
        assert_eq!((&*code, &*reason), ("12", "NO_SUCH_RPC"), "{rpc}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_told_from_a_fault_of_ours() {
    let local = Local::start("noise", &[]).await;
    let bodies: [&[u8]; 6] = [
        b"",
        b"\0\0\0\0\x05\xff\xff\xff\xff\xff",
        b"\0\0\0\0\x02\x0a\x7f",
        b"\x07\0\0\0\0",
        b"\0\0\0\0\x09half",
        b"\x01\0\0\0\x01x",
    ];
    for body in bodies {
        let (code, reason) = raw(&local, &[], body.to_vec()).await;
        assert_eq!((&*code, &*reason), ("3", "MALFORMED_REQUEST"), "{body:?}");
    }
    let huge = [&[0, 0xff, 0xff, 0xff, 0xff][..], b"x"].concat();
    assert_eq!(
        raw(&local, &[], huge).await,
        ("11".to_owned(), "REQUEST_TOO_LARGE".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_stream_that_is_none_is_told_from_a_fault_of_ours() {
    let local = Local::start("stream_noise", &[]).await;
    let mut client = tonic::client::Grpc::new(channel(local.grpc()));
    client.ready().await.expect("it connects");
    // Field 2 of both is what an item asks for: here it breaks off.
    let noise = prost_types::Any {
        type_url: "1".to_owned(),
        value: vec![0x0a, 0x7f],
    };
    let codec = tonic_prost::ProstCodec::<prost_types::Any, SendInvitationStreamResponse>::default();
    let path = "/invitations.v1.InvitationService/SendInvitationStream";
    let answers = client
        .streaming(
            tonic::Request::new(futures_util::stream::iter([noise])),
            path.parse().expect("a path"),
            codec,
        )
        .await
        .expect("it opens");
    let end = answers.into_inner().message().await.expect_err("it is no item");
    assert_eq!(
        refusal(&end),
        (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_deadline_says_so_on_the_wire() {
    let local = Local::start("late", &[]).await;
    let answer = raw(&local, &[("grpc-timeout", "0n")], vec![0; 5]).await;
    assert_eq!(answer, ("4".to_owned(), "DEADLINE_EXCEEDED".to_owned()));
}
