//! What operators may do to an email, as it stands.

use super::{delivery::Phase, email::State};

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Try it again, now.
    Retry,
    /// Stop it.
    Drop,
    /// The mail server took it.
    ResolveSent,
    /// Once more, whatever became of it before.
    ResolveResend,
    /// It never arrived, and nobody needs it any more.
    ResolveGiveUp,
}

/// How an email stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Open {
        /// How far the worker is that holds it; none where it waits.
        phase: Option<Phase>,
        /// The mail server may have it already.
        doubted: bool,
    },
    Closed {
        state: State,
        /// What it says is still there.
        readable: bool,
    },
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is so already.
    Nothing,
    /// It waits no longer.
    RunNow,
    /// It gets this outcome, also in place of another.
    Close(State),
    /// Its outcome is taken back: it is open, with all its attempts before it.
    Reopen { doubted: bool },
}

/// Why an operator is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no such email")]
    NotFound,
    #[error("request_id belongs to another request")]
    RequestIdReused,
    #[error("the mail server may have the email; ResolveUncertain says what is to become of it")]
    Uncertain,
    #[error("the email was sent or is not wanted any more; only dead and suppressed ones can be tried again")]
    NotRetryable,
    #[error("what the email said was erased")]
    Erased,
    #[error("the email's body is on its way to the mail server; ask again when that has ended")]
    InFlight,
    #[error("the email has another outcome already")]
    Closed,
    #[error("the email is not uncertain")]
    NotUncertain,
}

/// The table: each operation on each standing. What a reader chose, fences and deadlines are judged when an email that
/// was opened again is claimed, as for any other.
pub(crate) fn operate(operation: Operation, standing: Standing) -> Result<Effect, Refusal> {
    use {Operation as Op, State as S};
    match standing {
        Standing::Open { phase, doubted } => match (operation, phase) {
            (Op::Retry, None) => Ok(Effect::RunNow),
            (Op::Retry, Some(Phase::Claimed | Phase::Body)) => Ok(Effect::Nothing),
            (Op::Drop, None | Some(Phase::Claimed)) if doubted => Ok(Effect::Close(S::Uncertain)),
            (Op::Drop, None | Some(Phase::Claimed)) => Ok(Effect::Close(S::Cancelled)),
            (Op::Drop, Some(Phase::Body)) => Err(Refusal::InFlight),
            (Op::ResolveSent | Op::ResolveResend | Op::ResolveGiveUp, _) => Err(Refusal::NotUncertain),
        },
        Standing::Closed { state, readable } => match (operation, state) {
            (Op::Retry, S::Dead | S::Suppressed) if readable => Ok(Effect::Reopen { doubted: false }),
            (Op::Retry, S::Dead | S::Suppressed) => Err(Refusal::Erased),
            (Op::Retry, S::Uncertain) => Err(Refusal::Uncertain),
            (Op::Retry, S::Open | S::Sent | S::Cancelled | S::Expired | S::PreferenceOff) => {
                Err(Refusal::NotRetryable)
            }
            (Op::Drop, S::Cancelled) => Ok(Effect::Nothing),
            (
                Op::Drop,
                S::Open | S::Sent | S::Expired | S::Dead | S::Uncertain | S::PreferenceOff | S::Suppressed,
            ) => Err(Refusal::Closed),
            (Op::ResolveSent, S::Uncertain) => Ok(Effect::Close(S::Sent)),
            // Its second doubt is final, as for any email that is in doubt already.
            (Op::ResolveResend, S::Uncertain) if readable => Ok(Effect::Reopen { doubted: true }),
            (Op::ResolveResend, S::Uncertain) => Err(Refusal::Erased),
            (Op::ResolveGiveUp, S::Uncertain) => Ok(Effect::Close(S::Dead)),
            (
                Op::ResolveSent | Op::ResolveResend | Op::ResolveGiveUp,
                S::Open | S::Sent | S::Cancelled | S::Expired | S::Dead | S::PreferenceOff | S::Suppressed,
            ) => Err(Refusal::NotUncertain),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Standing = Standing::Open {
        phase: None,
        doubted: false,
    };

    fn closed(state: State, readable: bool) -> Standing {
        Standing::Closed { state, readable }
    }

    fn check(operation: Operation, standing: Standing, expected: Result<Effect, Refusal>) {
        assert_eq!(
            operate(operation, standing),
            expected,
            "{operation:?} {standing:?}"
        );
    }

    #[test]
    fn what_is_on_its_way_is_neither_dropped_nor_hurried() {
        let held = |phase, doubted| Standing::Open {
            phase: Some(phase),
            doubted,
        };
        for doubted in [false, true] {
            for phase in [Phase::Claimed, Phase::Body] {
                check(Operation::Retry, held(phase, doubted), Ok(Effect::Nothing));
            }
            check(
                Operation::Drop,
                held(Phase::Body, doubted),
                Err(Refusal::InFlight),
            );
        }
        check(
            Operation::Drop,
            held(Phase::Claimed, false),
            Ok(Effect::Close(State::Cancelled)),
        );
    }

    #[test]
    fn a_dropped_email_in_doubt_is_not_called_cancelled() {
        for phase in [None, Some(Phase::Claimed)] {
            let standing = Standing::Open { phase, doubted: true };
            check(Operation::Drop, standing, Ok(Effect::Close(State::Uncertain)));
        }
    }

    #[test]
    fn nothing_is_opened_again_whose_words_are_gone() {
        for state in [State::Dead, State::Suppressed] {
            check(Operation::Retry, closed(state, false), Err(Refusal::Erased));
        }
        let uncertain = closed(State::Uncertain, false);
        check(Operation::ResolveResend, uncertain, Err(Refusal::Erased));
        check(Operation::ResolveSent, uncertain, Ok(Effect::Close(State::Sent)));
        check(
            Operation::ResolveGiveUp,
            uncertain,
            Ok(Effect::Close(State::Dead)),
        );
    }

    #[test]
    fn only_what_is_uncertain_can_be_resolved() {
        use Operation::{ResolveGiveUp, ResolveResend, ResolveSent};
        for operation in [ResolveSent, ResolveResend, ResolveGiveUp] {
            check(operation, WAITING, Err(Refusal::NotUncertain));
            for state in State::ALL.into_iter().filter(|state| *state != State::Uncertain) {
                check(operation, closed(state, true), Err(Refusal::NotUncertain));
            }
        }
    }
}
