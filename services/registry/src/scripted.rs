//! A server for tests whose answers are written down before.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// Answers one request with each status and body. Returns its URL, and the requests as they come, head and body.
pub(crate) fn serve(answers: Vec<(u16, &'static str)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head += &line;
            }
            let mut sent = vec![0; length];
            reader.read_exact(&mut sent).unwrap();
            sender.send(head + &String::from_utf8(sent).unwrap()).unwrap();
            let size = body.len();
            let headers = format!("ETag: \"x\"\r\nContent-Length: {size}\r\nConnection: close");
            write!(stream, "HTTP/1.1 {status} X\r\n{headers}\r\n\r\n{body}").unwrap();
        }
    });
    (url, receiver)
}
