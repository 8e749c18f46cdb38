//! One frame of the write-ahead log: what is written by one append, and stands or falls as a whole.
//!
//! A frame is a fixed header, a table of contents (_meta_), and the bodies of its runs. A _run_ is the records of one
//! partition within the frame, so that reading a partition needs no look at its neighbours. The meta has a checksum in
//! the header; each run has its own in the meta. All integers are little-endian.

use bytes::Buf;

/// First bytes of every frame.
const MAGIC: [u8; 4] = *b"TDM2";
/// Magic, length of meta, length of bodies, checksum of the two lengths and meta.
pub(super) const HEADER_BYTES: usize = 16;
/// Longest meta that is believed; more is damage.
pub(super) const META_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// A topic that the frame creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicEntry {
    pub name: String,
    pub partitions: i32,
    pub compacted: bool,
    pub public: bool,
}

/// Where a run belongs and what it holds; its body follows the meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunEntry {
    pub topic: u32,
    pub partition: i32,
    pub base: i64,
    pub count: u32,
    pub len: u32,
    pub crc: u32,
}

/// A committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommitEntry {
    pub group: String,
    pub topic: u32,
    pub partition: i32,
    pub offset: i64,
    pub metadata: String,
}

/// Where a partition begins from then on: records before are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StartEntry {
    pub topic: u32,
    pub partition: i32,
    /// The first offset that is kept.
    pub start: i64,
    /// In the first frame of a segment that was written anew: the offset of the first run that is still there.
    pub next: i64,
}

/// The table of contents of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub append_time_ms: i64,
    pub topics: Vec<TopicEntry>,
    pub runs: Vec<RunEntry>,
    pub commits: Vec<CommitEntry>,
    pub starts: Vec<StartEntry>,
    /// Whether it is the first frame of a segment that stands for all before it: it names every topic, every commit, and
    /// where every partition begins and goes on.
    pub base: bool,
}

/// What a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub meta_bytes: u32,
    pub bodies_bytes: u32,
    crc: u32,
}

impl FrameHeader {
    /// Reads a header; `None` when these are not the first bytes of a frame.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(..HEADER_BYTES)?;
        if rest[..4] != MAGIC {
            return None;
        }
        rest.advance(4);
        let header = Self { meta_bytes: rest.get_u32_le(), bodies_bytes: rest.get_u32_le(), crc: rest.get_u32_le() };
        (header.meta_bytes <= META_BYTES_MAX).then_some(header)
    }

    /// The length of the whole frame.
    pub fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.meta_bytes) + u64::from(self.bodies_bytes)
    }

    /// Checks and reads the meta that follows the header.
    pub fn meta(&self, bytes: &[u8]) -> Option<Meta> {
        if checksum(self.meta_bytes, self.bodies_bytes, bytes) != self.crc {
            return None;
        }
        let meta = Meta::parse(bytes)?;
        let bodies: u64 = meta.runs.iter().map(|run| u64::from(run.len)).sum();
        (bodies == u64::from(self.bodies_bytes)).then_some(meta)
    }
}

/// Whether a frame could begin in `bytes` at some place: used to tell a torn tail from damage in the middle.
pub(super) fn find_magic(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC).map(|(at, _)| at)
}

fn checksum(meta_bytes: u32, bodies_bytes: u32, meta: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&meta_bytes.to_le_bytes());
    hasher.update(&bodies_bytes.to_le_bytes());
    hasher.update(meta);
    hasher.finalize()
}

impl Meta {
    /// Header and meta as bytes; the runs' bodies follow them in the file, in the order of `runs`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; HEADER_BYTES];
        out.extend_from_slice(&self.append_time_ms.to_le_bytes());
        put_len(&mut out, self.topics.len());
        for topic in &self.topics {
            put_text(&mut out, &topic.name);
            out.extend_from_slice(&topic.partitions.to_le_bytes());
            out.push(u8::from(topic.compacted) | u8::from(topic.public) << 1);
        }
        put_len(&mut out, self.runs.len());
        let mut bodies_bytes = 0_u32;
        for run in &self.runs {
            out.extend_from_slice(&run.topic.to_le_bytes());
            out.extend_from_slice(&run.partition.to_le_bytes());
            out.extend_from_slice(&run.base.to_le_bytes());
            out.extend_from_slice(&run.count.to_le_bytes());
            out.extend_from_slice(&run.len.to_le_bytes());
            out.extend_from_slice(&run.crc.to_le_bytes());
            bodies_bytes += run.len;
        }
        put_len(&mut out, self.commits.len());
        for commit in &self.commits {
            put_text(&mut out, &commit.group);
            out.extend_from_slice(&commit.topic.to_le_bytes());
            out.extend_from_slice(&commit.partition.to_le_bytes());
            out.extend_from_slice(&commit.offset.to_le_bytes());
            put_text(&mut out, &commit.metadata);
        }
        // Frames without deletions end here, as they did before there were any.
        if self.base || !self.starts.is_empty() {
            out.push(u8::from(self.base));
            put_len(&mut out, self.starts.len());
            for entry in &self.starts {
                out.extend_from_slice(&entry.topic.to_le_bytes());
                out.extend_from_slice(&entry.partition.to_le_bytes());
                out.extend_from_slice(&entry.start.to_le_bytes());
                out.extend_from_slice(&entry.next.to_le_bytes());
            }
        }
        let meta_bytes = (out.len() - HEADER_BYTES) as u32;
        let crc = checksum(meta_bytes, bodies_bytes, &out[HEADER_BYTES..]);
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&meta_bytes.to_le_bytes());
        out[8..12].copy_from_slice(&bodies_bytes.to_le_bytes());
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut meta = Self { append_time_ms: rest.try_get_i64_le().ok()?, ..Self::default() };
        for _ in 0..rest.try_get_u32_le().ok()? {
            let name = text(&mut rest)?;
            let partitions = rest.try_get_i32_le().ok()?;
            let flags = rest.try_get_u8().ok()?;
            meta.topics.push(TopicEntry { name, partitions, compacted: flags & 1 != 0, public: flags & 2 != 0 });
        }
        for _ in 0..rest.try_get_u32_le().ok()? {
            meta.runs.push(RunEntry {
                topic: rest.try_get_u32_le().ok()?,
                partition: rest.try_get_i32_le().ok()?,
                base: rest.try_get_i64_le().ok()?,
                count: rest.try_get_u32_le().ok()?,
                len: rest.try_get_u32_le().ok()?,
                crc: rest.try_get_u32_le().ok()?,
            });
        }
        for _ in 0..rest.try_get_u32_le().ok()? {
            let group = text(&mut rest)?;
            let topic = rest.try_get_u32_le().ok()?;
            let partition = rest.try_get_i32_le().ok()?;
            let offset = rest.try_get_i64_le().ok()?;
            meta.commits.push(CommitEntry { group, topic, partition, offset, metadata: text(&mut rest)? });
        }
        if rest.is_empty() {
            return Some(meta);
        }
        meta.base = rest.try_get_u8().ok()? == 1;
        for _ in 0..rest.try_get_u32_le().ok()? {
            meta.starts.push(StartEntry {
                topic: rest.try_get_u32_le().ok()?,
                partition: rest.try_get_i32_le().ok()?,
                start: rest.try_get_i64_le().ok()?,
                next: rest.try_get_i64_le().ok()?,
            });
        }
        rest.is_empty().then_some(meta)
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let len = rest.try_get_u32_le().ok()? as usize;
    let (text, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).ok()
}
