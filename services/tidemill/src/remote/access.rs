//! The token and the trusted certificates of the settings, for a gateway's public address.

use std::path::Path;
use std::sync::Arc;

use ureq::SendBody;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Request};
use ureq::middleware::MiddlewareNext;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{Remote, base, settings};
use crate::cli::Global;
use crate::error::Error;

impl Remote {
    /// The gateway that a user names, with the token and the trusted certificates of the settings for it.
    pub fn named(address: &str, global: &Global) -> Result<Self, Error> {
        let mut settings = settings();
        if let Some(token) = &global.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Error::Input("--token is no token: it has odd characters".to_owned()))?;
            settings = settings.middleware(move |mut request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                next.handle(request)
            });
        }
        if let Some(file) = &global.gateway_ca {
            settings = settings.tls_config(TlsConfig::builder().root_certs(trusted(file)?).build());
        }
        Ok(Self { base: base(address), agent: settings.build().into() })
    }
}

/// The certificates of a file.
fn trusted(file: &Path) -> Result<RootCerts, Error> {
    let wrong = |detail: &dyn std::fmt::Display| {
        let file = file.display();
        Error::Input(format!("--gateway-ca: {file} holds no certificates in PEM: {detail}"))
    };
    let text = std::fs::read(file).map_err(|error| wrong(&error))?;
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    let certificates: Vec<Certificate<'static>> =
        certificates.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    match certificates.is_empty() {
        true => Err(wrong(&"there is none in it")),
        false => Ok(RootCerts::Specific(Arc::new(certificates))),
    }
}
