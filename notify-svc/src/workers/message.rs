//! One message on its way: judge its emails, hand it over, write down what became of each.

use std::time::Duration;

use shell::clock::after;

use super::courier::Courier;
use crate::{
    domain::{
        delivery::{self, Judgement, Move},
        reply::{Ending, Verdict, verdict},
        restraint::Company,
    },
    measure,
    smtp::{
        Envelope, NotOpen,
        message::{self, Part},
    },
    store::{Claimed, Finish, Unit},
};

/// The emails that may go out, and in which company. The others are closed or put off.
pub(super) async fn judged(courier: &Courier, emails: Vec<Claimed>) -> Vec<(Claimed, Company)> {
    let (now, policy) = (courier.duty.clock.now(), &courier.duty.policy);
    let mut sendable = Vec::with_capacity(emails.len());
    let mut others = Vec::new();
    for email in emails {
        let progress = email.case.progress;
        let to = match delivery::before_sending(&email.case, now, policy) {
            Judgement::Send(company) => {
                sendable.push((email, company));
                continue;
            }
            Judgement::Close(state) => Move::Close(state),
            Judgement::Restrain(run_at, why) => {
                measure::restrained(why);
                tracing::info!(email_id = %email.held.email_id, %run_at, ?why, "put off");
                Move::Wait { run_at, progress }
            }
        };
        others.push(untried(courier, &email, to));
    }
    courier.finish.submit_all(others).await;
    sendable
}

/// Hands emails of one reader over as one message.
pub(super) async fn send(courier: &Courier, mut emails: Vec<Claimed>, company: Company) {
    // In one order, so that the same emails give the same bytes.
    emails.sort_unstable_by_key(|email| email.held.email_id);
    let Some((envelope, bytes)) = compose(courier, &mut emails).await else {
        return;
    };
    // In turn: what waits at the mail servers themselves is woken with every email that ends there.
    let place = courier.places.acquire().await.expect("never closed");
    let open = match courier.duty.transport.open(&envelope).await {
        Ok(open) => open,
        Err(NotOpen::Ended(ending)) => return end(courier, &emails, &ending).await,
        Err(NotOpen::Paused(pause)) => return again(courier, &emails, pause).await,
    };
    let unit = Unit {
        held: emails.iter().map(|email| email.held).collect(),
        member_id: emails[0].member_id,
        company,
    };
    let marked = courier.mark.submit(unit).await.unwrap_or_default();
    let (mut begun, left): (Vec<_>, Vec<_>) =
        emails.into_iter().partition(|email| marked.contains(&email.held));
    left.iter().for_each(|_| measure::unmarked());
    // Whoever took one away from us has it; otherwise it is judged anew, and that says why it may not go out.
    again(courier, &left, Duration::ZERO).await;
    let bytes = if left.is_empty() {
        Some(bytes)
    } else {
        compose(courier, &mut begun).await.map(|(_, bytes)| bytes)
    };
    if let Some(bytes) = bytes {
        let ending = open.send(&bytes).await;
        drop(place);
        end(courier, &begun, &ending).await;
    }
}

/// Puts the message together. An email that cannot be part of it is closed and leaves; none where that is all.
async fn compose(courier: &Courier, emails: &mut Vec<Claimed>) -> Option<(Envelope, Vec<u8>)> {
    let head = &courier.duty.head;
    let whole = |parts: &[Part<'_>]| {
        let envelope = message::envelope(parts, head)?;
        message::compose(parts, head).map(|bytes| (envelope, bytes))
    };
    loop {
        let parts: Vec<Part<'_>> = emails.iter().map(Part::from).collect();
        let unfit = match whole(&parts) {
            Ok(whole) => return Some(whole),
            Err(unfit) => unfit,
        };
        let alone = |email: &Claimed| whole(&[email.into()]).is_ok();
        let (fit, rest): (Vec<_>, Vec<_>) = std::mem::take(emails).into_iter().partition(alone);
        // Where each is fit by itself, what is wrong is their company: all of them end, or this would go on for ever.
        let (fit, rest) = if rest.is_empty() { (rest, fit) } else { (fit, rest) };
        end(courier, &rest, &unfit).await;
        if fit.is_empty() {
            return None;
        }
        *emails = fit;
    }
}

/// Lets emails wait that were not tried.
async fn again(courier: &Courier, emails: &[Claimed], pause: Duration) {
    let run_at = after(courier.duty.clock.now(), pause);
    let wait = |email: &Claimed| {
        let progress = email.case.progress;
        untried(courier, email, Move::Wait { run_at, progress })
    };
    courier.finish.submit_all(emails.iter().map(wait).collect()).await;
}

/// Writes down what this end of an attempt means for each email of the message.
async fn end(courier: &Courier, emails: &[Claimed], ending: &Ending) {
    let verdict = verdict(ending);
    let finish = |email: &Claimed| {
        tracing::info!(
            email_id = %email.held.email_id, step = ?ending.step, code = ending.code, ?verdict, "attempt ended"
        );
        let to = delivery::after_attempt(
            email.kind(),
            email.case.progress,
            verdict,
            courier.duty.clock.now(),
            &courier.duty.policy,
        );
        Finish {
            held: email.held,
            worker: courier.worker,
            kind: email.kind(),
            to,
            ending: Some(delivery::in_history(ending.clone(), verdict, to)),
            suppress: verdict == Verdict::NoMailbox,
        }
    };
    courier
        .finish
        .submit_all(emails.iter().map(finish).collect())
        .await;
}

fn untried(courier: &Courier, email: &Claimed, to: Move) -> Finish {
    Finish {
        held: email.held,
        worker: courier.worker,
        kind: email.kind(),
        to,
        ending: None,
        suppress: false,
    }
}
