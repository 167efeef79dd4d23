//! Outbox → feed.

/// Whether transitions are kept for those who follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FeedSwitch {
    /// They are.
    On,
    /// They are not.
    Off,
}
