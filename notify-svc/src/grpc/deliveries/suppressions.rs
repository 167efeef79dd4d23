//! Addresses that get no email any more.

use jiff::Timestamp;
use proto::notify::v1 as wire;
use shell::{
    errors,
    fields::Violations,
    gate,
    paging::{Pages, cut},
    signing::Purpose,
};
use tonic::{Request, Response, Status};

use super::{
    super::{DOMAIN, print, refusals},
    Deliveries,
    acts::{Said, read_act},
};
use crate::{
    domain::address::AddressHash,
    store::{self, Suppression},
};

pub(super) async fn list(
    deliveries: &Deliveries,
    request: Request<wire::ListSuppressionsRequest>,
) -> Result<Response<wire::ListSuppressionsResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let address = match request.address.as_str() {
        "" => None,
        given => Some(AddressHash::of(&violations.email("address", given))),
    };
    let size = violations.page_size("page_size", request.page_size);
    let pages = Pages {
        keys: &deliveries.head.links.keys,
        list: Purpose("page of ListSuppressions"),
        asked: address.map_or([0; 32], |hash| hash.0).to_vec(),
    };
    let before = pages.open(&mut violations, &request.page_token, read_place);
    violations.into_result(DOMAIN, ())?;
    let before = before.unwrap_or((Timestamp::MAX, AddressHash([u8::MAX; 32])));
    let limit = size as i64 + 1;
    let rows = deliveries
        .database
        .run(deadline, move |connection| {
            store::suppressions(connection, address, before, limit)
        })
        .await;
    let (rows, more) = cut(rows.map_err(|error| errors::from_database(DOMAIN, &error))?, size);
    let last = rows.last().filter(|_| more);
    Ok(Response::new(wire::ListSuppressionsResponse {
        next_page_token: last.map(|row| pages.token(&place(row))).unwrap_or_default(),
        suppressions: rows.into_iter().map(print::suppression).collect(),
    }))
}

pub(super) async fn remove(
    deliveries: &Deliveries,
    request: Request<wire::RemoveSuppressionRequest>,
) -> Result<Response<wire::RemoveSuppressionResponse>, Status> {
    let (caller, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let address = which(&mut violations, request.which.as_ref());
    let said = Said {
        rpc: "RemoveSuppression",
        note: &request.note,
        request_id: &request.request_id,
    };
    let act = read_act(&mut violations, &caller, &request, &said);
    violations.into_result(DOMAIN, ())?;
    let now = deliveries.clock.now();
    let removed = deliveries
        .database
        .run(deadline, move |connection| {
            store::lift(connection, &act, address, now)
        })
        .await;
    let removed = removed.map_err(|error| errors::from_database(DOMAIN, &error))?;
    let removed = removed.map_err(refusals::not_done)?;
    Ok(Response::new(wire::RemoveSuppressionResponse { removed }))
}

fn which(
    violations: &mut Violations,
    which: Option<&wire::remove_suppression_request::Which>,
) -> AddressHash {
    use wire::remove_suppression_request::Which;
    match which {
        Some(Which::Address(address)) => AddressHash::of(&violations.email("address", address)),
        Some(Which::AddressSha256(hex)) => read_hex(hex).unwrap_or_else(|| {
            violations.add(
                "address_sha256",
                "must be a SHA-256 in hex, as ListSuppressions tells it",
            );
            AddressHash([0; 32])
        }),
        None => {
            violations.add("which", "must be an address or an address_sha256");
            AddressHash([0; 32])
        }
    }
}

fn read_hex(hex: &str) -> Option<AddressHash> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(AddressHash(hash))
}

/// Where a row stands in the list, as bytes of a token.
fn place(row: &Suppression) -> Vec<u8> {
    [&row.created_at.as_millisecond().to_be_bytes()[..], &row.address.0].concat()
}

fn read_place(bytes: &[u8]) -> Option<(Timestamp, AddressHash)> {
    let (millis, hash) = bytes.split_first_chunk::<8>()?;
    let at = Timestamp::from_millisecond(i64::from_be_bytes(*millis)).ok()?;
    Some((at, AddressHash(hash.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_told() {
        let hash = AddressHash::of("ada@example.com");
        assert_eq!(read_hex(&print::hex(hash)), Some(hash));
        assert_eq!(read_hex(&print::hex(hash).to_uppercase()), Some(hash));
        let wrong = format!("+{}", &print::hex(hash)[1..]);
        for wrong in ["", "0", &wrong, &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(read_hex(wrong), None, "{wrong}");
        }
    }
}
