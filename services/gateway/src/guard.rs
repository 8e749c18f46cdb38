//! Only programs of this machine are served. A web page in its browser is none: it could otherwise promote a model or
//! publish events through the loopback address, by a form or by a name that resolves to it.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Problem;

/// Lets requests through that name this machine and come from no foreign page.
pub(crate) async fn local(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

pub(crate) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let refused = |what: &str, value: &str| {
        let error = format!("requests with {what} {value} are not served");
        Problem::new(
            StatusCode::FORBIDDEN,
            error,
            "call the gateway as 127.0.0.1 or localhost, and not from a web page",
        )
    };
    if let Some(host) = text(header::HOST).filter(|host| !is_local(host)) {
        return Err(refused("host", host));
    }
    let page = text(header::ORIGIN).map(|origin| (origin, origin.split_once("://").map_or("?", |(_, host)| host)));
    match page {
        Some((origin, host)) if !is_local(host) => Err(refused("origin", origin)),
        _ => Ok(()),
    }
}

/// Whether a host, with or without a port, is this machine's loopback.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
