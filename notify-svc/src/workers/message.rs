//! One message on its way: judge its emails, hand it over, write down what became of each.

use super::courier::Courier;
use crate::{
    domain::{
        delivery::{self, Judgement, Move},
        reply::{Ending, Verdict, verdict},
        restraint::Company,
    },
    measure,
    smtp::message::{self, Message},
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
        others.push(untried(&email, to));
    }
    courier.finish.submit_all(others).await;
    sendable
}

/// Hands emails of one reader over as one message.
pub(super) async fn send(courier: &Courier, mut emails: Vec<Claimed>, company: Company) {
    // In one order, so that the same emails give the same bytes.
    emails.sort_unstable_by_key(|email| email.held.email_id);
    let composed = compose(courier, &mut emails).await;
    let Some((first, message)) = emails.first().zip(composed) else {
        return;
    };
    let unit = Unit {
        held: emails.iter().map(|email| email.held).collect(),
        member_id: first.member_id,
        company,
    };
    let place = courier.places.acquire().await.expect("never closed");
    let open = match courier.duty.transport.open(&message).await {
        Ok(open) => open,
        Err(ending) => {
            drop(place);
            return end(courier, &emails, &ending).await;
        }
    };
    let marked = courier.mark.submit(unit).await.unwrap_or_default();
    let (mut begun, left): (Vec<_>, Vec<_>) =
        emails.into_iter().partition(|email| marked.contains(&email.held));
    let given_back = left.iter().map(|email| {
        measure::unmarked();
        // Whoever took it away from us has it; otherwise it is judged again, and says then why it may not go out.
        let again = Move::Wait {
            run_at: courier.duty.clock.now(),
            progress: email.case.progress,
        };
        untried(email, again)
    });
    courier.finish.submit_all(given_back.collect()).await;
    let message = if left.is_empty() {
        Some(message)
    } else {
        compose(courier, &mut begun).await
    };
    if let Some(message) = message {
        let ending = open.send(&message).await;
        drop(place);
        end(courier, &begun, &ending).await;
    }
}

/// Puts the message together. An email that cannot be part of it is closed and leaves; none where that is all.
async fn compose(courier: &Courier, emails: &mut Vec<Claimed>) -> Option<Message> {
    let head = &courier.duty.head;
    loop {
        let parts: Vec<&Claimed> = emails.iter().collect();
        let unfit = match message::compose(&parts, head) {
            Ok(message) => return Some(message),
            Err(unfit) => unfit,
        };
        let alone = |email: &Claimed| message::compose(&[email], head).is_ok();
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

fn untried(email: &Claimed, to: Move) -> Finish {
    Finish {
        held: email.held,
        kind: email.kind(),
        to,
        ending: None,
        suppress: false,
    }
}
