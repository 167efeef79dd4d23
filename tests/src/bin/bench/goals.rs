//! What the speed is held to. A goal that is short is a finding, not a failure.

use serde::Serialize;

use crate::results::Results;

/// Which side of its bound a value belongs on.
#[derive(Debug, Clone, Copy)]
enum Side {
    AtLeast,
    AtMost,
}

use Side::{AtLeast, AtMost};

/// A value, or its ratio to another one, beside a bound.
struct Goal {
    name: &'static str,
    value: &'static str,
    to: Option<&'static str>,
    side: Side,
    bound: f64,
}

const fn ratio(name: &'static str, value: &'static str, to: &'static str, bound: f64) -> Goal {
    Goal {
        name,
        value,
        to: Some(to),
        side: AtLeast,
        bound,
    }
}

const fn plain(name: &'static str, value: &'static str, side: Side, bound: f64) -> Goal {
    Goal {
        name,
        value,
        to: None,
        side,
        bound,
    }
}

/// Memory of a service with all that overload can make it hold, in MiB.
const OVERLOAD_MIB: f64 = 256.0;

const GOALS: [Goal; 32] = [
    ratio("send_1_to_b", "send 1", "B 1", 0.6),
    ratio("send_8_to_b", "send 8", "B 8", 0.9),
    ratio("send_64_to_a", "send 64", "A", 9.0),
    ratio("send_64_to_b", "send 64", "B", 2.5),
    ratio("send_256_to_a", "send 256", "A", 12.0),
    ratio("send_256_to_b", "send 256", "B", 3.8),
    ratio("send_256_to_c1", "send 256", "C 1", 0.8),
    ratio("stream_to_c2", "stream", "C 2", 0.8),
    ratio("skewed_to_uniform", "skewed", "send 256", 0.9),
    ratio("accept_to_plain", "accept", "accept plain", 8.0),
    ratio("reply_to_plain", "reply", "reply plain", 6.0),
    ratio("ignore_to_plain", "ignore", "ignore plain", 6.0),
    ratio("decline_to_plain", "decline", "decline plain", 6.0),
    ratio("withdraw_to_plain", "withdraw", "withdraw plain", 6.0),
    ratio("inbox_to_select", "inbox", "inbox select", 1.5),
    ratio("chain_queued_to_a", "chain queued", "A", 5.0),
    ratio("chain_delivered_to_a", "chain delivered", "A", 2.5),
    plain("due_per_second", "due", AtLeast, 20_000.0),
    ratio("due_sends_meanwhile", "due sends", "due sends alone", 0.7),
    ratio("present_to_empty", "present send", "empty send", 0.75),
    plain("present_to_c_as_empty", "present to C as empty", AtLeast, 0.95),
    ratio("two_to_one", "two processes", "one process", 0.9),
    plain("two_errors", "two processes errors", AtMost, 0.0),
    plain("overload_refusal_p50_ms", "overload refusal ms", AtMost, 10.0),
    ratio(
        "overload_accepted_to_peak",
        "overload accepted",
        "overload peak",
        0.9,
    ),
    plain("overload_resident_mib", "overload MiB", AtMost, OVERLOAD_MIB),
    plain("soak_empty_seconds", "soak empty seconds", AtMost, 0.0),
    plain("soak_dead_rows_share", "soak dead rows share", AtMost, 0.5),
    plain("invitations_rest_mib", "invitations MiB at rest", AtMost, 64.0),
    plain("invitations_256_mib", "invitations MiB at 256", AtMost, 256.0),
    plain("notify_rest_mib", "notify MiB at rest", AtMost, 64.0),
    plain("notify_256_mib", "notify MiB at 256", AtMost, 256.0),
];

/// How a goal came out.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    name: &'static str,
    value: f64,
    relation: &'static str,
    bound: f64,
    is_met: bool,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            value,
            relation,
            bound,
            is_met,
        } = self;
        let verdict = if *is_met { "ok" } else { "short" };
        let digits = if *value >= 1_000.0 { 0 } else { 2 };
        write!(f, "goal {name} {value:.digits$} {relation} {bound} {verdict}")
    }
}

/// The goals whose loads ran.
pub(crate) fn outcomes(results: &Results) -> Vec<Outcome> {
    let outcome = |goal: &Goal| {
        let value = results.value(goal.value)?;
        let value = match goal.to {
            Some(to) => value / results.value(to)?,
            None => value,
        };
        let (relation, is_met) = match goal.side {
            AtLeast => (">=", value >= goal.bound),
            AtMost => ("<=", value <= goal.bound),
        };
        Some(Outcome {
            name: goal.name,
            value,
            relation,
            bound: goal.bound,
            is_met,
        })
    };
    GOALS.iter().filter_map(outcome).collect()
}
