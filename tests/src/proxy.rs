//! A proxy on loopback between clients and a broker. Everything passes but what it was told to hold back: produce requests
//! to one partition, which then get no answer, as if the network had lost them; or the end of one transaction, which
//! reaches the broker when it is released, however late that is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Kafka's number of the produce request.
const PRODUCE: i16 = 0;
/// From this version on produce requests have compact lists.
const PRODUCE_COMPACT: i16 = 9;
/// Kafka's number of the request that ends a transaction.
const END_TXN: i16 = 26;
/// Largest request that is taken; beyond it something else is wrong.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// Produce requests to one partition, for good.
    Produce(String, i32),
    /// The next end of a transaction, until it is released.
    End,
}

#[derive(Debug, Default)]
struct Rules {
    rule: Mutex<Option<Rule>>,
    held: AtomicU64,
    /// Ends of transactions that passed.
    ended: AtomicU64,
    /// Ends that were held back, with their way to the broker.
    parked: Mutex<Vec<(TcpStream, Vec<u8>)>>,
}

/// A running proxy. Its threads end with their connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    rules: Arc<Rules>,
}

impl Proxy {
    /// Listens on a free port; who connects gets to whatever `to` says then.
    pub fn start(to: Arc<Mutex<Option<SocketAddr>>>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let rules = Arc::new(Rules::default());
        let own = rules.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = *lock(&to);
                let Some(Ok(server)) = to.map(TcpStream::connect) else { continue };
                let _ = serve(client, server, own.clone());
            }
        });
        Ok(Proxy { port, rules })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Loses produce requests to this partition from now on.
    pub fn lose(&self, topic: &str, partition: i32) {
        *lock(&self.rules.rule) = Some(Rule::Produce(topic.to_owned(), partition));
    }

    /// Holds back the next end of a transaction.
    pub fn hold_end(&self) {
        *lock(&self.rules.rule) = Some(Rule::End);
    }

    /// Lets everything pass again; produce requests that were lost stay so.
    pub fn pass(&self) {
        *lock(&self.rules.rule) = None;
    }

    /// Hands on what was held back of transactions, as a slow network would; says how many there were.
    pub fn release(&self) -> usize {
        let parked = std::mem::take(&mut *lock(&self.rules.parked));
        parked.into_iter().filter_map(|(mut server, frame)| server.write_all(&frame).ok()).count()
    }

    /// How many requests were held back.
    pub fn held(&self) -> u64 {
        self.rules.held.load(Ordering::Relaxed)
    }

    /// How many ends of transactions passed.
    pub fn ended(&self) -> u64 {
        self.rules.ended.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rules {
    /// Hands a request on or holds it back; says whether its connection must stay open for it.
    fn take(&self, frame: Vec<u8>, server: &mut TcpStream) -> io::Result<bool> {
        let request = &frame[4..];
        let mut rule = lock(&self.rule);
        match &*rule {
            Some(Rule::Produce(topic, partition)) if is_produce(request, topic, *partition) => {
                self.held.fetch_add(1, Ordering::Relaxed);
                return Ok(false);
            }
            Some(Rule::End) if number(request, 0) == Some(END_TXN) => {
                self.held.fetch_add(1, Ordering::Relaxed);
                *rule = None;
                lock(&self.parked).push((server.try_clone()?, frame));
                return Ok(true);
            }
            _ => {}
        }
        drop(rule);
        if number(request, 0) == Some(END_TXN) {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        server.write_all(&frame)?;
        Ok(false)
    }
}

/// Both directions of a connection, a thread each.
fn serve(client: TcpStream, server: TcpStream, rules: Arc<Rules>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let (mut client, mut server, mut stays) = (client, server, false);
        let _ = requests(&mut client, &mut server, &rules, &mut stays);
        if !stays {
            let _ = server.shutdown(Shutdown::Both);
        }
    });
    Ok(())
}

/// Takes requests frame by frame.
fn requests(client: &mut TcpStream, server: &mut TcpStream, rules: &Rules, stays: &mut bool) -> io::Result<()> {
    loop {
        let mut size = [0; 4];
        client.read_exact(&mut size)?;
        let bytes = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if bytes > REQUEST_BYTES_MAX {
            return Err(io::Error::other("a request is no request"));
        }
        let mut frame = vec![0; 4 + bytes];
        frame[..4].copy_from_slice(&size);
        client.read_exact(&mut frame[4..])?;
        *stays |= rules.take(frame, server)?;
    }
}

fn number(request: &[u8], at: usize) -> Option<i16> {
    request.get(at..at + 2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Whether a request is a produce request to that partition. librdkafka's have one topic with one partition each; the
/// name stands in front of a list with one partition.
fn is_produce(request: &[u8], topic: &str, partition: i32) -> bool {
    if number(request, 0) != Some(PRODUCE) {
        return false;
    }
    let name = topic.as_bytes();
    let Some(at) = request.windows(name.len()).position(|window| window == name) else { return false };
    let list = at + name.len();
    // A compact list says its length in one byte here, others in four.
    let first = if number(request, 2) >= Some(PRODUCE_COMPACT) { list + 1 } else { list + 4 };
    request.get(first..first + 4).is_some_and(|bytes| bytes == partition.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn produce_requests_to_one_partition_are_told_from_all_others() {
        let request = |api: i16, version: i16, list: &[u8], partition: i32| {
            let head = [&api.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 7], b"..log"].concat();
            [&head[..], list, &partition.to_be_bytes(), b"records"].concat()
        };
        assert!(is_produce(&request(0, 7, &[0, 0, 0, 1], 3), "log", 3));
        assert!(is_produce(&request(0, 10, &[2], 3), "log", 3));
        assert!(!is_produce(&request(0, 10, &[2], 2), "log", 3), "another partition");
        assert!(!is_produce(&request(1, 10, &[2], 3), "log", 3), "another request");
        assert!(!is_produce(b"", "log", 3));
    }
}
