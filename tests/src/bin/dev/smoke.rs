//! `dev smoke`: what `dev run` starts, called from outside with grpcurl, by the very lines that it prints.

use std::{env, process::Command};

use anyhow::{Context, anyhow, ensure};
use tests::dev_run::{self, Addresses, DevRun};

use crate::people::{ADA, BEN, CLEO};

const SERVICE: &str = "invitations.v1.InvitationService";

pub(crate) fn smoke() -> anyhow::Result<()> {
    let directory = dev_run::home();
    let data = directory.path().join("run");
    let addresses = Addresses::free();
    let at = addresses.invitations_grpc;
    let mut run = DevRun::spawn(&env::current_exe()?, &data, addresses)?;
    run.until_up()
        .map_err(|output| anyhow!("`dev run` did not come up:\n{output}"))?;

    let notify = addresses.notify_grpc;
    let health = "grpc.health.v1.Health";
    expect(&format!("grpcurl -plaintext {at} list"), &[SERVICE, health])?;
    expect(
        &format!("grpcurl -plaintext {notify} list"),
        &["notify.v1.EmailService", "notify.v1.PreferenceService", health],
    )?;
    expect(&format!("grpcurl -plaintext {at} {health}/Check"), &["SERVING"])?;
    let described = format!("grpcurl -plaintext {at} describe invitations.v1.SendInvitationRequest");
    expect(&described, &["string inviter_id = 1", "string recipient_id = 2"])?;

    let printed = run.output();
    let mut lines = printed
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("grpcurl "));
    let send = lines.next().context("`dev run` prints no line to send")?;
    let accept = lines.next().context("`dev run` prints no line to accept")?;
    expect(send, &["SENT_STATE_PENDING", ADA.id, BEN.id])?;
    expect(accept, &["RECEIVED_STATE_ACCEPTED", "connectTime"])?;

    let call = format!(
        "grpcurl -plaintext -d '{{\"inviter_id\":\"{0}\",\"recipient_id\":\"{0}\"}}'",
        CLEO.id
    );
    refuse(
        &format!("{call} {at} {SERVICE}/SendInvitation"),
        &[
            "Code: InvalidArgument",
            "\"reason\": \"SELF_INVITATION\"",
            "\"domain\": \"invitations.v1\"",
        ],
    )?;
    let call = "grpcurl -plaintext -d '{\"inviter_id\":\"x\"}'";
    refuse(
        &format!("{call} {at} {SERVICE}/SendInvitation"),
        &[
            "Code: InvalidArgument",
            "\"field\": \"inviter_id\"",
            "\"field\": \"recipient_id\"",
        ],
    )?;

    whole_life(&at.to_string(), &notify.to_string())?;
    operators_walk(&notify.to_string())?;

    let status = run.interrupt().context("Ctrl-C did not end `dev run`")?;
    ensure!(
        status.success(),
        "`dev run` ended with {status} after Ctrl-C:\n{}",
        run.output()
    );
    let mut again = DevRun::spawn(&env::current_exe()?, &data, addresses)?;
    again
        .until_up()
        .map_err(|output| anyhow!("`dev run` did not come up again:\n{output}"))?;
    let sent = format!(
        "grpcurl -plaintext -d '{{\"inviter_id\":\"{}\"}}' {at} {SERVICE}/ListSentInvitations",
        ADA.id
    );
    expect(&sent, &["SENT_STATE_ACCEPTED"])?;
    again.interrupt();
    println!("Seen: all calls, and the data again after a restart.");
    Ok(())
}

/// Runs the README's walk through an invitation's life, as it stands there, at another address. Its stream lives longer
/// than there, for machines on which two seconds are too short to connect and to read it.
fn whole_life(at: &str, notify: &str) -> anyhow::Result<()> {
    let readme = include_str!("../../../../README.md");
    let lines = block(readme, "### A whole life")?;
    let short = "-max-time 2 ";
    ensure!(lines.contains(short), "the README's walk has no {short:?}");
    let lines = lines
        .replace(short, "-max-time 10 ")
        .replace("127.0.0.1:50051", at)
        .replace("127.0.0.1:50052", notify);
    expect(
        &format!("set -e\n{lines}"),
        &[
            "Have we met?",
            "RECEIVED_STATE_IGNORED",
            "RECEIVED_STATE_DECLINED",
            "SENT_STATE_PENDING",
            "SEND_CHECK_HIDDEN",
            "CANNOT_INVITE_MEMBER",
            "SENT_STATE_WITHDRAWN",
            "RECEIVED_STATE_ACCEPTED",
            "\"acceptances\": true",
            "TRANSITION_KIND_DISCONNECTED",
            "\"strikeLimit\": 5",
        ],
    )
}

/// Runs the walk of the operator's guide, as it stands there, at another address.
fn operators_walk(at: &str) -> anyhow::Result<()> {
    let guide = include_str!("../../../../docs/operating-notify.md");
    let lines = block(guide, "## A walk")?.replace("127.0.0.1:50052", at);
    expect(
        &format!("set -e\n{lines}"),
        &[
            "\"state\": \"EMAIL_STATE_CANCELLED\"",
            "\"kind\": \"EMAIL_KIND_REPLY\"",
            "\"sequence\": \"3\"",
            "\"subject\": \"Ada Adler replied to your invitation\"",
            "EMAIL_NOT_RETRYABLE",
            "refused, as it should be",
        ],
    )
}

/// The block of shell under a heading.
fn block<'a>(text: &'a str, heading: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = text
        .split_once(heading)
        .with_context(|| format!("there is no {heading:?}"))?;
    let (_, rest) = rest
        .split_once("```sh\n")
        .with_context(|| format!("no block under {heading:?}"))?;
    let (lines, _) = rest.split_once("```").context("the block has an end")?;
    Ok(lines)
}

/// Runs `line` in a shell; it succeeds and prints each of `parts`.
fn expect(line: &str, parts: &[&str]) -> anyhow::Result<()> {
    check(line, true, parts)
}

/// Runs `line` in a shell; it fails and prints each of `parts`.
fn refuse(line: &str, parts: &[&str]) -> anyhow::Result<()> {
    check(line, false, parts)
}

fn check(line: &str, succeeds: bool, parts: &[&str]) -> anyhow::Result<()> {
    println!("$ {line}");
    let output = Command::new("sh").args(["-c", line]).output()?;
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    println!("{text}");
    ensure!(
        output.status.success() == succeeds,
        "it ended with {}",
        output.status
    );
    for part in parts {
        ensure!(text.contains(part), "the output has no {part:?}");
    }
    Ok(())
}
