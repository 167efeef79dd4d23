//! Every refusal, as clients get it.

use invitations_svc::domain::refusal::Refusal;

use crate::{notes::refusal_cells, table};

pub(crate) fn section() -> String {
    let mut rows: Vec<[String; 3]> = Refusal::ALL.into_iter().map(refusal_cells).collect();
    rows.sort_unstable();
    format!(
        "## Refusals
The reason is that of google.rpc.ErrorInfo, domain `invitations.v1`. It is stable; the text is for people.

{}",
        table(["reason", "code", "text"], rows)
    )
}
