//! `dev demo`: one invitation from sending to the acceptance email, each step looked at.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use proto::invitations::v1::{Folder, SendInvitationRequest, SentState, send_invitation_response::Outcome};
use tests::{
    clients::{Invitations, id},
    cluster::Cluster,
    forms, http,
    mail::{self, Email},
    ports,
};

use crate::{
    packages,
    people::{self, ADA, BEN},
    settings::Addresses,
    stack::{self, Databases, Stack},
};

/// Longest wait for an email.
const PATIENCE: Duration = Duration::from_secs(20);

const NOTE: &str = "We met at the harbour. Shall we stay in touch?";

pub(crate) async fn demo() -> anyhow::Result<()> {
    packages::for_run()?;
    let cluster = Cluster::temporary()?;
    let databases = Databases {
        invitations: cluster.database("invitations")?.url,
        notify: cluster.database("notify")?.url,
    };
    let addresses = Addresses {
        invitations_grpc: ports::free(),
        invitations_http: ports::free(),
        notify_grpc: ports::free(),
        notify_http: ports::free(),
    };
    let directory = tempfile::tempdir()?;
    let mut stack = Stack::start(directory.path(), &databases, &addresses).await?;
    let walked = walk(&stack, directory.path()).await;
    if walked.is_err() {
        for service in [&stack.invitations, &stack.notify] {
            eprintln!(
                "the end of {}'s log:\n{}\n",
                service.launch().binary,
                service.log_tail(20)
            );
        }
    }
    stack.stop().await;
    walked
}

async fn walk(stack: &Stack, directory: &Path) -> anyhow::Result<()> {
    let clients = stack.clients();
    let mail = stack::mail(directory);

    people::seed(&clients).await?;
    step(1, "Three members are known: Ada, Ben and Cleo.");

    let invitation_id = send(&clients).await?;
    step(
        2,
        &format!("Ada invites Ben: invitation {invitation_id} is pending."),
    );

    let invitation = one_email(&mail, BEN.email).await?;
    for expected in [ADA.name, NOTE] {
        ensure!(
            invitation.text.contains(expected),
            "Ben's email does not say {expected:?}:\n{}",
            invitation.text
        );
    }
    step(3, "Ben gets an email:");
    show(&invitation);

    let link = invitation
        .link(&stack.invitations.page("/"))
        .context("the email has no accept link")?;
    let page = http::get(link).await?;
    ensure!(page.status == 200, "the accept page answers {}", page.status);
    ensure!(
        state(&clients, &invitation_id).await? == SentState::Pending,
        "opening the page changed the invitation"
    );
    step(
        4,
        "Ben opens the link. Looking changes nothing: the invitation is still pending.",
    );

    let (form, button) = forms::button(&page.body, "Accept")
        .with_context(|| format!("the page has no button to accept:\n{}", page.body))?;
    let target = if form.action.is_empty() {
        link.to_owned()
    } else {
        stack.invitations.page(&form.action)
    };
    let pressed = http::post(&target, &form.fields(&button)).await?;
    ensure!(
        pressed.status < 400,
        "the button answers {}:\n{}",
        pressed.status,
        pressed.body
    );
    ensure!(
        state(&clients, &invitation_id).await? == SentState::Accepted,
        "the button did not accept the invitation"
    );
    let connections = clients.connections(ADA.id).await?;
    ensure!(
        connections.iter().any(|c| c.other_id == BEN.id),
        "Ada and Ben are not connected"
    );
    ensure!(
        clients.folder(BEN.id, Folder::Inbox).await?.is_empty(),
        "Ben's inbox is not empty"
    );
    step(
        5,
        &format!("He presses {:?}. The two are connected.", button.label),
    );

    let acceptance = one_email(&mail, ADA.email).await?;
    for expected in [BEN.name, BEN.email] {
        ensure!(
            acceptance.text.contains(expected),
            "Ada's email does not say {expected:?}:\n{}",
            acceptance.text
        );
    }
    step(6, "Ada gets an email:");
    show(&acceptance);

    let count = mail::all(&mail).len();
    ensure!(count == 2, "there are {count} emails, not the two shown");
    println!("Seen: 6 of 6 steps, 2 emails.");
    Ok(())
}

/// Ada invites Ben; answers the invitation's id.
async fn send(clients: &Invitations) -> anyhow::Result<String> {
    let sent = clients.send_with(SendInvitationRequest {
        inviter_id: ADA.id.to_owned(),
        recipient_id: BEN.id.to_owned(),
        note: NOTE.to_owned(),
        request_id: id(),
        ..SendInvitationRequest::default()
    });
    match sent.await?.outcome {
        Some(Outcome::Invitation(invitation)) if invitation.state() == SentState::Pending => {
            Ok(invitation.invitation_id)
        }
        other => bail!("sending led to {other:?}"),
    }
}

async fn state(clients: &Invitations, invitation_id: &str) -> anyhow::Result<SentState> {
    Ok(clients.sent(ADA.id, invitation_id).await?.state())
}

async fn one_email(directory: &Path, address: &str) -> anyhow::Result<Email> {
    mail::wait_for(directory, address, PATIENCE)
        .await
        .with_context(|| format!("no email to {address} within {} s", PATIENCE.as_secs()))
}

fn step(number: u32, what: &str) {
    println!("{number}. {what}\n");
}

fn show(email: &Email) {
    println!("   | To: {}\n   | Subject: {}\n   |", email.to, email.subject);
    for line in email.text.trim_end().lines() {
        println!("   | {line}");
    }
    println!();
}
