//! The numbers that tell how the mail servers do.

/// Whether a mail server is left alone, or has not shown yet that it works again.
pub(super) fn paused(relay: &str, paused: bool) {
    let value = if paused { 1.0 } else { 0.0 };
    metrics::gauge!("smtp_relay_paused", "relay" => relay.to_owned()).set(value);
}

/// A mail server, or our account with it, was at fault, or a connection to it was lost.
pub(super) fn fault(relay: &str) {
    metrics::counter!("smtp_relay_faults_total", "relay" => relay.to_owned()).increment(1);
}

/// A connection is being opened.
pub(super) fn opened(relay: &str) {
    metrics::gauge!("smtp_connections_open", "relay" => relay.to_owned()).increment(1.0);
}

/// A connection was closed, or could not be opened.
pub(super) fn closed(relay: &str) {
    metrics::gauge!("smtp_connections_open", "relay" => relay.to_owned()).decrement(1.0);
}
