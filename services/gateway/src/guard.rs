//! Who is served. Through the loopback address programs of this machine are, and a web page in its browser is none: it
//! could otherwise promote a model or publish events by a form, or by a name that resolves to it. Through the public
//! address whoever has a token that is good for what is asked.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::answer::{Answer, Problem};
use crate::tokens::{Role, Tokens};
use crate::{Limits, body};

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
    /// Whether its body is read; of others it is thrown away.
    pub takes_body: bool,
    pub limits: Limits,
}

/// Lets requests through that may be served, and for which there is room, with their bodies read in full.
pub(crate) async fn admit(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let (parts, mut incoming) = body::taken(request);
    let served = async {
        let _place = asked.place(&parts.headers)?;
        let bytes = if asked.takes_body { incoming.read().await? } else { Bytes::new() };
        Ok::<_, Problem>(next.run(Request::from_parts(parts, Body::from(bytes))).await)
    };
    let answer = served.await;
    incoming.discard(&asked.limits);
    answer.into_response()
}

impl Asked {
    /// A place for a request that may be served; none where it needs none.
    fn place(&self, headers: &HeaderMap) -> Answer<Option<SemaphorePermit<'_>>> {
        let Entered { door, places } = &self.entered;
        match (door, self.role) {
            (Door::Local, _) => local(headers)?,
            (Door::Public(tokens), Some(role)) => holds(tokens, role, headers)?,
            (Door::Public(_), None) => {}
        }
        let place = self.role.map(|_| places.try_acquire()).transpose();
        place.map_err(|_| Problem::busy(format!("{} requests are in work already", self.limits.requests_max)))
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
