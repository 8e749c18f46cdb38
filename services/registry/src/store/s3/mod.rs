//! The store behind the S3 interface: Amazon's, or that of another server.
//!
//! A client of our own over the HTTP client that is there anyway. The crate `object_store` could speak it too, but only
//! with a second HTTP client, a second TLS setup and an executor below calls that block.
//!
//! What exactly one may create is put with `If-None-Match: *`. Before the first such put the server is asked whether it
//! honours that; a put whose answer was lost is not made again, for the second answer would not say who created it.

mod http;
mod place;
mod sign;
mod xml;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::{Error, Result, S3Settings, key};
use http::{Answer, Asked, Client};
use place::Place;

/// An object that only says whether the server replaces what must not be replaced.
const PROBE: &str = "probe/created-once";

pub(super) struct S3 {
    place: Place,
    client: Client,
    /// Whether the server was seen to refuse a second creation.
    trusted: AtomicBool,
}

impl fmt::Debug for S3 {
    /// Says nothing of the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.place.shown).finish()
    }
}

impl S3 {
    /// Whether a text is the URL of such a store.
    pub(super) fn is_url(text: &str) -> bool {
        text.starts_with(place::SCHEME)
    }

    pub(super) fn open(url: &str, settings: &S3Settings) -> Result<Self> {
        let place = Place::read(url, settings)?;
        Ok(Self { place, client: Client::new(), trusted: AtomicBool::new(false) })
    }

    pub(super) fn place(&self) -> String {
        self.place.shown.clone()
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Bytes>> {
        let answer = self.ask("read", self.asked("GET", key))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 if answer.code() == Some("NoSuchKey") => Ok(None),
            _ => Err(self.failed("read", key, &answer)),
        }
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = self.ask("read", Asked { header: Some(("range", &range)), ..self.asked("GET", key) })?;
        match answer.status {
            206 if answer.body.len() as u64 == wanted => Ok(answer.body),
            _ => Err(self.failed("read", key, &answer)),
        }
    }

    pub(super) fn size(&self, key: &str) -> Result<u64> {
        let answer = self.ask("look up", self.asked("HEAD", key))?;
        if answer.status == 200 { Ok(answer.bytes) } else { Err(self.failed("look up", key, &answer)) }
    }

    pub(super) fn put_create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        if !self.trusted.load(Ordering::Relaxed) {
            self.probe()?;
            self.trusted.store(true, Ordering::Relaxed);
        }
        match self.create(key, bytes)? {
            true => Ok(()),
            false => Err(Error::AlreadyExists { key: key.to_owned(), place: self.place() }),
        }
    }

    /// Whether the object was created and not there before.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<bool> {
        let asked =
            Asked { header: Some(("if-none-match", "*")), body: bytes, repeats: false, ..self.asked("PUT", key) };
        let answer = self.ask("write", asked)?;
        match answer.status {
            200 => Ok(true),
            412 => Ok(false),
            _ => Err(self.failed("write", key, &answer)),
        }
    }

    /// The first creation may succeed, the second must not.
    fn probe(&self) -> Result<()> {
        if self.create(PROBE, b"")? && self.create(PROBE, b"")? {
            let detail = "the server replaces objects that exist (it ignores If-None-Match), so two processes could decide \
                          differently; use another server, or a newer version of it";
            return Err(self.unavailable("write", PROBE, detail.to_owned()));
        }
        Ok(())
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let answer = self.ask("write", Asked { body: bytes, ..self.asked("PUT", key) })?;
        if answer.status == 200 { Ok(()) } else { Err(self.failed("write", key, &answer)) }
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        self.pages(prefix, false, |own, xml| {
            let found = xml::all(xml, "Key").map(xml::plain);
            // What others put there is none of ours.
            keys.extend(found.filter_map(|key| own(&key)).filter(|key| key::check(key).is_ok()));
        })?;
        Ok(keys)
    }

    pub(super) fn children(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.pages(prefix, true, |own, xml| {
            let folders = xml::all(xml, "CommonPrefixes").filter_map(|one| xml::first(one, "Prefix"));
            let found = xml::all(xml, "Key").chain(folders).map(xml::plain);
            let keys = found.filter_map(|key| own(key.trim_end_matches('/'))).filter(|key| key::check(key).is_ok());
            names.extend(keys.filter_map(|key| key.rsplit('/').next().map(str::to_owned)));
        })?;
        Ok(names)
    }

    /// Hands over the pages of a listing, and what makes our key of the server's.
    fn pages(
        &self,
        prefix: &str,
        one_level: bool,
        mut page: impl FnMut(&dyn Fn(&str) -> Option<String>, &str),
    ) -> Result<()> {
        let full = self.place.full(prefix);
        let full = if full.is_empty() { full } else { format!("{full}/") };
        let before = if self.place.prefix.is_empty() { 0 } else { self.place.prefix.len() + 1 };
        let own = |key: &str| key.get(before..).filter(|own| !own.is_empty()).map(str::to_owned);
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("list-type", "2"), ("prefix", &*full)];
            query.extend(one_level.then_some(("delimiter", "/")));
            query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            query.sort_unstable();
            let answer = self.ask("list", Asked { query: &query, ..self.asked("GET", "") })?;
            let xml = std::str::from_utf8(&answer.body).ok().filter(|_| answer.status == 200);
            let xml = xml.ok_or_else(|| self.failed("list", prefix, &answer))?;
            page(&own, xml);
            if xml::first(xml, "IsTruncated") != Some("true") {
                return Ok(());
            }
            let next = xml::first(xml, "NextContinuationToken").map(xml::plain);
            token = Some(next.ok_or_else(|| self.unavailable("list", prefix, "the listing breaks off".to_owned()))?);
        }
    }

    pub(super) fn delete(&self, key: &str) -> Result<()> {
        let answer = self.ask("delete", self.asked("DELETE", key))?;
        match answer.status {
            200 | 204 => Ok(()),
            404 if answer.code() == Some("NoSuchKey") => Ok(()),
            _ => Err(self.failed("delete", key, &answer)),
        }
    }

    fn asked<'a>(&self, method: &'static str, key: &'a str) -> Asked<'a> {
        Asked { method, key, query: &[], header: None, body: &[], repeats: true }
    }

    fn ask(&self, action: &'static str, asked: Asked<'_>) -> Result<Answer> {
        self.client.ask(&self.place, asked).map_err(|detail| self.unavailable(action, asked.key, detail))
    }

    fn failed(&self, action: &'static str, key: &str, answer: &Answer) -> Error {
        // A request for the head alone is answered without a word.
        let is_missing = answer.status == 404 && answer.code().is_none_or(|code| code == "NoSuchKey");
        if is_missing {
            return Error::NotFound { key: key.to_owned(), place: self.place() };
        }
        self.unavailable(action, key, answer.failure())
    }

    fn unavailable(&self, action: &'static str, key: &str, detail: String) -> Error {
        Error::Unavailable { action, key: key.to_owned(), place: self.place(), detail }
    }
}
