//! Is it gRPC at all? tonic runs handlers whatever the method and the content type; a browser could use that.

use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header::CONTENT_TYPE};

/// The HTTP status that refuses a request which is not a gRPC call; none for one that is.
pub(super) fn refusal<T>(request: &Request<T>) -> Option<StatusCode> {
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    match kind.strip_prefix(b"application/grpc") {
        Some(rest) if rest.is_empty() || rest[0] == b'+' || rest[0] == b';' => None,
        _ => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// The caller's `grpc-timeout`: up to eight digits and a unit. None where there is none or it is malformed.
pub(super) fn timeout<T>(request: &Request<T>) -> Option<Duration> {
    let text = request.headers().get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The trace id of a W3C `traceparent`, so that our log lines can be found from the caller's trace; else empty.
pub(super) fn trace_id<T>(request: &Request<T>) -> &str {
    let Some(parent) = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
    else {
        return "";
    };
    let mut parts = parent.split('-');
    match (parts.next(), parts.next()) {
        (Some(version), Some(id))
            if version.len() == 2 && id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            id
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, kind: Option<&str>) -> Request<()> {
        let builder = Request::builder().method(method).uri("/x.Y/Z");
        kind.into_iter()
            .fold(builder, |b, kind| b.header("content-type", kind))
            .body(())
            .expect("well formed")
    }

    #[test]
    fn only_grpc_posts_pass() {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=x",
        ] {
            assert!(refusal(&request("POST", Some(kind))).is_none(), "{kind}");
        }
        for (method, kind) in [
            ("GET", Some("application/grpc")),
            ("PUT", Some("application/grpc")),
            ("POST", Some("text/plain")),
            ("POST", Some("application/json")),
            ("POST", Some("application/grpcx")),
            ("POST", None),
        ] {
            assert!(refusal(&request(method, kind)).is_some(), "{method} {kind:?}");
        }
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        let timeout_of = |value: &str| {
            let mut request = request("POST", None);
            request
                .headers_mut()
                .insert("grpc-timeout", value.parse().expect("a header value"));
            timeout(&request)
        };
        assert_eq!(timeout_of("150m"), Some(Duration::from_millis(150)));
        assert_eq!(timeout_of("0n"), Some(Duration::ZERO));
        for wrong in ["", "m", "+5m", "5", "123456789S", "5x", "garbage", "5é"] {
            let mut request = request("POST", None);
            if let Ok(value) = HeaderValue::from_bytes(wrong.as_bytes()) {
                request.headers_mut().insert("grpc-timeout", value);
                assert_eq!(timeout(&request), None, "{wrong}");
            }
        }
    }
}
