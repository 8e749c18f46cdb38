//! HTTP/1.1 by hand, for clients that do what libraries do not: that send everything before they read, fall silent in the
//! middle, or never end.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer. A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that go out at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How a body says where it ends.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    Length,
    Chunked,
}

/// A connection.
pub struct Wire(BufReader<TcpStream>);

/// An answer; of one that says no length only the head.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// A head without its end.
    pub fn begin(&mut self, line: &str) -> io::Result<()> {
        self.send(&format!("{line} HTTP/1.1\r\nhost: localhost\r\n"))
    }

    pub fn get(&mut self, path: &str) -> io::Result<()> {
        self.begin(&format!("GET {path}"))?;
        self.send("\r\n")
    }

    /// A whole request with a body.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<()> {
        self.begin(&format!("POST {path}"))?;
        self.send(&format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// A whole request with a body of so many spaces, without a look at what is answered meanwhile.
    pub fn post_spaces(&mut self, path: &str, bytes: usize, framing: Framing, more: &str) -> io::Result<()> {
        self.begin(&format!("POST {path}"))?;
        let spaces = " ".repeat(PIECE_BYTES);
        match framing {
            Framing::Length => self.send(&format!("{more}content-length: {bytes}\r\n\r\n"))?,
            Framing::Chunked => self.send(&format!("{more}transfer-encoding: chunked\r\n\r\n"))?,
        }
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            match framing {
                Framing::Length => self.send(&spaces[..piece])?,
                Framing::Chunked => self.send(&format!("{piece:x}\r\n{}\r\n", &spaces[..piece]))?,
            }
            left -= piece;
        }
        match framing {
            Framing::Length => Ok(()),
            Framing::Chunked => self.send("0\r\n\r\n"),
        }
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{first:?} is no answer"));
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until the other side ends the connection, and gives what it said before.
    #[track_caller]
    pub fn closed(mut self) -> String {
        let mut said = Vec::new();
        match self.0.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "it ends the connection"),
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Whether nothing has come within a moment.
    pub fn is_silent(&mut self, moment: Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(moment)).unwrap();
        let silent = self.0.fill_buf().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }
}

impl Answer {
    /// Whether it says that there is no room now, and when to come again.
    pub fn is_busy(&self) -> bool {
        self.status == 429 && self.headers.get("retry-after").is_some_and(|seconds| seconds == "1")
    }
}
