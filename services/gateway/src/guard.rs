//! Who is served. Through the loopback address programs of this machine are, and a web page in its browser is none: it
//! could otherwise promote a model or publish events by a form, or by a name that resolves to it. Through the public
//! address whoever has a token that is good for what is asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::answer::Problem;
use crate::tokens::{Role, Tokens};

/// Requests that may be in work at once; with the limit on bodies this bounds their memory.
pub(crate) const REQUESTS_MAX: usize = 256;

/// The way by which requests come in.
#[derive(Clone)]
pub(crate) enum Door {
    /// The loopback address.
    Local,
    /// An address that others reach.
    Public(Arc<Tokens>),
}

/// A door, and how many may be inside.
#[derive(Clone)]
pub(crate) struct Entered {
    pub door: Door,
    /// Places for requests in work.
    pub places: Arc<Semaphore>,
}

/// An operation as asked for through a door.
#[derive(Clone)]
pub(crate) struct Asked {
    pub entered: Entered,
    /// What a token must be good for. Without any, the operation is for everybody and needs no place, so that health is
    /// told under load, too.
    pub role: Option<Role>,
}

/// Lets requests through that may be served, and for which there is room.
pub(crate) async fn admit(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let Entered { door, places } = &asked.entered;
    let admitted = match (door, asked.role) {
        (Door::Local, _) => local(request.headers()),
        (Door::Public(tokens), Some(role)) => holds(tokens, role, request.headers()),
        (Door::Public(_), None) => Ok(()),
    };
    if let Err(problem) = admitted {
        return problem.into_response();
    }
    let place = asked.role.map(|_| places.try_acquire());
    match place.transpose() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::busy(format!("{REQUESTS_MAX} requests are in work already")).into_response(),
    }
}

/// Whether a request names this machine and comes from no foreign page.
pub(crate) fn local(headers: &HeaderMap) -> Result<(), Problem> {
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

/// Whether a request brings a token that is good for it.
pub(crate) fn holds(tokens: &Tokens, role: Role, headers: &HeaderMap) -> Result<(), Problem> {
    let help =
        "send the header `Authorization: Bearer TOKEN`; whoever runs the gateway makes one with `tidemill token`";
    let unknown = |error: &str| Problem::new(StatusCode::UNAUTHORIZED, error, help);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| unknown("this needs a token"))?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown("this needs a token of the kind Bearer"));
    }
    let holder = tokens.holder(token.trim()).ok_or_else(|| unknown("this token is not known here"))?;
    if holder.roles.contains(&role) {
        return Ok(());
    }
    let roles: Vec<&str> = holder.roles.iter().map(|role| role.name()).collect();
    let error =
        format!("the token of `{}` is good for {}, and this needs {}", holder.name, roles.join(", "), role.name());
    Err(Problem::new(StatusCode::FORBIDDEN, error, "use another token, or have the role added to this one"))
}

/// Whether a host, with or without a port, is this machine's loopback.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
