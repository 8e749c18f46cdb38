//! What a gateway takes at once, and how long it waits for those who are slow or silent.

/// Limits of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that may be open at once, for each door; further ones wait to be accepted.
    pub connections_max: usize,
    /// Longest TLS handshake.
    pub handshake_ms_max: u64,
    /// A connection on which nothing comes or goes for so long is closed. Taps say every 15 seconds that they live.
    pub silence_ms_max: u64,
    /// Requests that may be in work at once; with the limit on bodies this bounds their memory.
    pub requests_max: usize,
    /// Taps that may be open at once; each has a thread and a session.
    pub taps_max: usize,
    /// Bytes of a refused body that are read on and thrown away, so that its sender finds the answer.
    pub discarded_bytes_max: usize,
    /// How long a refused body is read on.
    pub discard_ms_max: u64,
}

impl Limits {
    /// Those of every gateway that is not being tested.
    pub const USUAL: Limits = Limits {
        connections_max: 512,
        handshake_ms_max: 10_000,
        silence_ms_max: 60_000,
        requests_max: 256,
        taps_max: 16,
        discarded_bytes_max: 64 * 1024 * 1024,
        discard_ms_max: 30_000,
    };
}
