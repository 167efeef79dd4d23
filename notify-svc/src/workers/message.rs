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
        Envelope, NotOpen, Open,
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
    courier.finish(others).await;
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
    let Some(open) = open(courier, &emails, &envelope).await else {
        return;
    };
    let unit = Unit {
        held: emails.iter().map(|email| email.held).collect(),
        member_id: emails[0].member_id,
        company,
    };
    let marked = courier.mark.submit(unit).await.unwrap_or_default();
    let (begun, left): (Vec<_>, Vec<_>) = emails.into_iter().partition(|email| marked.contains(&email.held));
    left.iter().for_each(|_| measure::unmarked());
    let begin = async {
        if left.is_empty() {
            let ending = open.send(&bytes).await;
            drop(place);
            end(courier, &begun, &ending).await;
        } else {
            send_rest(courier, begun, &envelope, open).await;
        }
    };
    // Whoever took one away from us has it; otherwise it is judged anew, and that says why it may not go out. The mail
    // server does not wait for that to be written.
    tokio::join!(again(courier, &left, Duration::ZERO), begin);
}

/// Hands over what is left of a message whose emails were not all marked: other bytes, and where who sends it to whom has
/// changed with that, to a mail server that is told so.
async fn send_rest(courier: &Courier, mut begun: Vec<Claimed>, told: &Envelope, mut place: Open<'_>) {
    let Some((envelope, bytes)) = compose(courier, &mut begun).await else {
        return;
    };
    if (&envelope.from, &envelope.to) != (&told.from, &told.to) {
        drop(place);
        place = match open(courier, &begun, &envelope).await {
            Some(place) => place,
            None => return,
        };
    }
    let ending = place.send(&bytes).await;
    end(courier, &begun, &ending).await;
}

/// A place that waits for the body; none where the emails have ended or wait again.
async fn open<'a>(courier: &'a Courier, emails: &[Claimed], envelope: &Envelope) -> Option<Open<'a>> {
    match courier.duty.transport.open(envelope).await {
        Ok(open) => return Some(open),
        Err(NotOpen::Ended(ending)) => end(courier, emails, &ending).await,
        Err(NotOpen::Paused(pause)) => again(courier, emails, pause).await,
    }
    None
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
    courier.finish(emails.iter().map(wait).collect()).await;
}

/// Writes down what this end of an attempt means for each email of the message. It was offered to the newest one's
/// address: what it tells of a mailbox holds for that one only.
async fn end(courier: &Courier, emails: &[Claimed], ending: &Ending) {
    let verdict = verdict(ending);
    let pause = courier.duty.transport.paused_for();
    let offered = emails.last().and_then(address);
    let finish = |email: &Claimed| {
        let to = delivery::after_attempt(
            email.kind(),
            email.case.progress,
            verdict,
            pause,
            courier.duty.clock.now(),
            &courier.duty.policy,
        );
        // Of what ends here the finish tells.
        if let Move::Wait { run_at, .. } = to {
            tracing::info!(
                email_id = %email.held.email_id, step = ?ending.step, code = ending.code, ?verdict, %run_at,
                "attempt ended; will try again"
            );
        }
        Finish {
            held: email.held,
            worker: courier.worker,
            kind: email.kind(),
            to,
            ending: Some(delivery::in_history(ending.clone(), verdict, to)),
            suppress: verdict == Verdict::NoMailbox && address(email) == offered,
        }
    };
    courier.finish(emails.iter().map(finish).collect()).await;
}

fn address(email: &Claimed) -> Option<&str> {
    email.letter.as_ref().map(|letter| &*letter.recipient.address)
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
