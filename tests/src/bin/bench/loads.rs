//! The loads, in the order in which they run.

mod acts;
mod chain;
mod due;
mod forget;
mod inbox;
mod overload;
mod present;
mod sends;
mod soak;
mod two;

use futures_util::future::LocalBoxFuture;

use crate::Bench;

/// A load, with a database of its own.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Whether `--quick` measures it, too.
    pub(crate) is_quick: bool,
    pub(crate) run: fn(&Bench) -> LocalBoxFuture<'_, anyhow::Result<()>>,
}

/// All of them. `chain` compares with what `send` measures.
pub(crate) const LOADS: [Load; 10] = [
    Load {
        name: "send",
        is_quick: true,
        run: |bench| Box::pin(sends::run(bench)),
    },
    Load {
        name: "acts",
        is_quick: true,
        run: |bench| Box::pin(acts::run(bench)),
    },
    Load {
        name: "inbox",
        is_quick: true,
        run: |bench| Box::pin(inbox::run(bench)),
    },
    Load {
        name: "chain",
        is_quick: true,
        run: |bench| Box::pin(chain::run(bench)),
    },
    Load {
        name: "due",
        is_quick: false,
        run: |bench| Box::pin(due::run(bench)),
    },
    Load {
        name: "forget",
        is_quick: false,
        run: |bench| Box::pin(forget::run(bench)),
    },
    Load {
        name: "present",
        is_quick: false,
        run: |bench| Box::pin(present::run(bench)),
    },
    Load {
        name: "two",
        is_quick: false,
        run: |bench| Box::pin(two::run(bench)),
    },
    Load {
        name: "overload",
        is_quick: false,
        run: |bench| Box::pin(overload::run(bench)),
    },
    Load {
        name: "soak",
        is_quick: false,
        run: |bench| Box::pin(soak::run(bench)),
    },
];
