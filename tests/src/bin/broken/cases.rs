//! The broken builds, each with the test that sees it.

/// One place in the code, what to put there, and the test that must fail then.
pub(crate) struct Case {
    /// What is broken.
    pub(crate) name: &'static str,
    /// Where, from the workspace's root.
    pub(crate) file: &'static str,
    /// The place; it is there once.
    pub(crate) find: &'static str,
    /// What is put there.
    pub(crate) replace: &'static str,
    /// The package of the test.
    pub(crate) package: &'static str,
    /// Which of its test programs, as `cargo test` takes it.
    pub(crate) target: &'static [&'static str],
    /// The test.
    pub(crate) test: &'static str,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "count, then insert: an account is replaced whatever its version",
        file: "invitations-svc/src/store/write/accounts.rs",
        find: " WHERE account.member_id = w.member_id AND account.version = w.version RETURNING 1)",
        replace: " WHERE account.member_id = w.member_id RETURNING 1)",
        package: "tests",
        target: &["--test", "races"],
        test: "a_quota_of_10_lets_exactly_10_of_32_through_two_processes",
    },
    Case {
        name: "a pair is replaced whatever its version",
        file: "invitations-svc/src/store/write/pairs.rs",
        find: " AND pair.version = w.version RETURNING 1)",
        replace: " RETURNING 1)",
        package: "tests",
        target: &["--test", "act_races"],
        test: "crossing_sends_of_two_who_had_something_before_connect_them_too",
    },
    Case {
        name: "answers go out whether or not their commit succeeds",
        file: "invitations-svc/src/ledger/batch.rs",
        find: "        write(db, &rows, terms.of_write()).map_err(during)?;\n",
        replace: "        let _ = write(db, &rows, terms.of_write()).map_err(during);\n",
        package: "tests",
        target: &["--test", "races"],
        test: "a_command_that_the_database_refuses_fails_alone",
    },
    Case {
        name: "answers to repetitions are stored outside the transaction",
        file: "invitations-svc/src/ledger/batch.rs",
        find: "    let (rows, committed) = decide(commands, facts, terms);\n    if !rows.is_empty() {\n",
        replace: "    let (mut rows, committed) = decide(commands, facts, terms);\n    if !rows.is_empty() {\n        \
                  let answers = std::mem::take(&mut rows.answers);\n        let later = Rows { answers, ..Rows::default() };\n        \
                  write(db, &rows, terms.of_write()).map_err(during)?;\n        let rows = later;\n",
        package: "tests",
        target: &["--test", "races"],
        test: "one_request",
    },
    Case {
        name: "a resend of an ignored invitation is refused",
        file: "invitations-svc/src/domain/send.rs",
        find: "    if side.sends.count(policy.pair_window, now) >= policy.pair_sends {\n",
        replace: "    if side.sends.count(policy.pair_window, now) >= policy.pair_sends\n        \
                  || open.is_some_and(|open| open.received.folder == Folder::Archived)\n    {\n",
        package: "tests",
        target: &["--test", "worlds"],
        test: "",
    },
    Case {
        name: "what the recipient does in private shows in the sent view",
        file: "invitations-svc/src/domain/answer.rs",
        find: "        received: vec![received.clone()],\n        pair: Some(facts.pair.clone()),\n",
        replace: "        received: vec![received.clone()],\n        \
                  sent: vec![super::invitation::Sent { sent_at: moment.now, ..facts.invitation.sent.clone() }],\n        \
                  pair: Some(facts.pair.clone()),\n",
        package: "tests",
        target: &["--test", "worlds"],
        test: "",
    },
    Case {
        name: "an ignore leaves the reminders",
        file: "invitations-svc/src/domain/answer.rs",
        find: "        folder,\n        ..facts.invitation.received.clone()\n    }\n    .without_reminders();\n",
        replace: "        folder,\n        ..facts.invitation.received.clone()\n    };\n",
        package: "tests",
        target: &["--test", "timers"],
        test: "what_ends_the_waiting_ends_the_reminders",
    },
    Case {
        name: "an ignore cancels no email",
        file: "invitations-svc/src/workers/relay/commands.rs",
        find: "        EventKind::Ignored => vec![cancel(event, Invitation)],\n",
        replace: "        EventKind::Ignored => Vec::new(),\n",
        package: "tests",
        target: &["--test", "journey"],
        test: "an_invitation_ignored_before_its_email_left_sends_none",
    },
    Case {
        name: "a reply on its way is cancelled with an ignore, which tells the inviter of it",
        file: "invitations-svc/src/workers/relay/commands.rs",
        find: "        EventKind::Ignored => vec![cancel(event, Invitation)],\n",
        replace: "        EventKind::Ignored => vec![cancel(event, All)],\n",
        package: "tests",
        target: &["--test", "journey"],
        test: "an_invitation_ignored_before_its_email_left_sends_none",
    },
    Case {
        name: "a wrong address costs nothing",
        file: "invitations-svc/src/domain/send.rs",
        find: "        Verdict::AddressWrong(account) => refused_and_charged(account, None, Refusal::EmailRequired),\n",
        replace: "        Verdict::AddressWrong(_) => Decision::refused(Refusal::EmailRequired),\n",
        package: "invitations-svc",
        target: &["--lib"],
        test: "a_wrong_address_costs_a_unit_and_a_missing_one_does_not",
    },
    Case {
        name: "overdue invitations take a place",
        file: "invitations-svc/src/domain/account.rs",
        find: "        self.outstanding.saturating_sub(self.overdue)\n",
        replace: "        self.outstanding\n",
        package: "invitations-svc",
        target: &["--lib"],
        test: "an_expired_invitation_takes_no_place_before_a_worker_noted_it",
    },
    Case {
        name: "an operator drops an email without locking it",
        file: "notify-svc/src/store/acts.rs",
        find: "FROM due WHERE email_id = \" email_id \" FOR UPDATE\"",
        replace: "FROM due WHERE email_id = \" email_id",
        package: "tests",
        target: &["--test", "notify_deliveries"],
        test: "a_drop_that_answered_cancelled_is_a_promise",
    },
    Case {
        name: "fencing tokens begin anew when an email is opened again",
        file: "notify-svc/src/store/acts.rs",
        find: ", greatest(claims, (SELECT max(n) FROM attempt WHERE attempt.email_id = opened.id)) FROM opened",
        replace: ", 0 FROM opened",
        package: "tests",
        target: &["--test", "notify_deliveries"],
        test: "the_history_tells_everything_in_the_order_in_which_it_happened",
    },
    Case {
        name: "an end does not name the worker of its claim",
        file: "notify-svc/src/store/finish.rs",
        find: " AND due.leased_by = told.worker",
        replace: "",
        package: "tests",
        target: &["--test", "notify_chaos"],
        test: "a_claim_that_the_database_forgot_ends_nothing_for_whoever_made_it_again",
    },
    Case {
        name: "a claim that comes again is worked on twice",
        file: "notify-svc/src/workers/courier.rs",
        find: "        claimed.retain(|email| !held.contains(&email.held));\n",
        replace: "        claimed.retain(|email| email.held.epoch > 0 || !held.contains(&email.held));\n",
        package: "tests",
        target: &["--test", "notify_chaos"],
        test: "a_claim_that_the_database_forgot_is_made_again_by_its_worker_and_sent_once",
    },
    Case {
        name: "bodies begin without a mark",
        file: "notify-svc/src/workers/message.rs",
        find: "courier.mark.submit(unit).await.unwrap_or_default();",
        replace: "unit.held.clone();",
        package: "tests",
        target: &["--test", "notify_model"],
        test: "",
    },
    Case {
        name: "a dead worker's body is tried again like a claim",
        file: "notify-svc/src/domain/delivery.rs",
        find: "        Phase::Body => in_doubt(kind, progress, now),\n",
        replace: "        Phase::Body => Move::Wait { run_at: now, progress },\n",
        package: "tests",
        target: &["--test", "notify_model"],
        test: "",
    },
];
