//! Signature Version 4: proves to a server of the S3 interface who asks, without sending the secret.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// Block length of SHA-256, in bytes.
const BLOCK_BYTES: usize = 64;
const DAY_S: u64 = 86_400;

/// Who asks. Shown nowhere.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) key: String,
    pub(super) secret: String,
    /// Of credentials that end by themselves.
    pub(super) token: Option<String>,
}

/// A request as it is signed. Header names are in lower case and, like query parameters, sorted; `host` is among them.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// Already encoded, as it is sent.
    pub(super) path: &'a str,
    /// Already encoded, as it is sent.
    pub(super) query: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Digest of the body.
    pub(super) payload: &'a str,
}

/// A time as signatures spell it: `20130524T000000Z`.
pub(super) fn timestamp(now: SystemTime) -> String {
    let since_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date(since_s / DAY_S);
    let second = since_s % DAY_S;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a number of days since 1970, by Hinnant's `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

/// The value of the `Authorization` header.
pub(super) fn authorization(by: &Credentials, region: &str, timestamp: &str, request: &Unsigned<'_>) -> String {
    let Unsigned { method, path, query, headers, payload } = request;
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let day = timestamp.get(..8).unwrap_or(timestamp);
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
    let first = format!("AWS4{}", by.secret).into_bytes();
    let key = [day, region, "s3", "aws4_request"].iter().fold(first, |key, part| hmac(&key, part.as_bytes()).to_vec());
    let signature = hex(&hmac(&key, text.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", by.key)
}

/// Text as it stands in a path or a query; in a path `/` stays.
pub(super) fn encode(text: &str, in_path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || (in_path && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Test case 2 of RFC 4231.
    #[test]
    fn hmac_is_that_of_the_standard() {
        let found = hex(&hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |since_s| timestamp(UNIX_EPOCH + Duration::from_secs(since_s));
        assert_eq!(at(0), "19700101T000000Z");
        // GNU date: `date -u -d @951782399`, and the second after it.
        assert_eq!(at(951_782_399), "20000228T235959Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_369_353_600), "20130524T000000Z");
        assert_eq!(at(4_107_542_399), "21000228T235959Z");
        assert_eq!(at(4_107_542_400), "21000301T000000Z");
    }

    /// The examples of the Amazon S3 documentation, "Signature Calculations for the Authorization Header".
    #[test]
    fn signatures_are_the_published_ones() {
        let by = Credentials {
            key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (host, date) = ("examplebucket.s3.amazonaws.com", "20130524T000000Z");
        let sign = |path: &str, query: &str, headers: &[(&str, &str)]| {
            let request = Unsigned { method: "GET", path, query, headers, payload: empty };
            let text = authorization(&by, "us-east-1", date, &request);
            text.rsplit_once('=').unwrap_or_default().1.to_owned()
        };
        let headers = [("host", host), ("range", "bytes=0-9"), ("x-amz-content-sha256", empty), ("x-amz-date", date)];
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(sign("/test.txt", "", &headers), expected);
        let headers = [("host", host), ("x-amz-content-sha256", empty), ("x-amz-date", date)];
        let expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert_eq!(sign("/", "max-keys=2&prefix=J", &headers), expected);
    }

    #[test]
    fn keys_are_encoded_byte_by_byte() {
        assert_eq!(encode("a/b=c%41", true), "a/b%3Dc%2541");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
