//! The segment files: their names, reading them again after a start, and cutting what a crash left half-written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flow::flaw::{Flaw, made};

use super::frame::{FrameHeader, HEADER_BYTES, Meta, find_magic};
use crate::log::{Error, Result};

/// How segment files end.
const EXTENSION: &str = "wal";
/// Bytes read at once while scanning a segment.
const SCAN_BYTES: usize = 1024 * 1024;

/// One file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub file: File,
}

/// A segment as it was found on opening.
pub(super) struct Found {
    pub number: usize,
    pub segment: Arc<Segment>,
    pub bytes: u64,
}

pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::Full { doing, path, detail: source.to_string() }
        }
        _ => Error::Io { doing, path, source },
    }
}

impl Segment {
    /// Creates segment `number` in the log's directory and makes its name durable.
    pub fn create(dir: &Path, number: usize) -> Result<Self> {
        let path = dir.join(format!("{number:020}.{EXTENSION}"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(io_error("creating", &path))?;
        sync_dir(dir)?;
        Ok(Self { path, file })
    }

    /// Opens segment `number` of the log's directory.
    fn open(dir: &Path, number: usize) -> Result<Self> {
        let path = dir.join(format!("{number:020}.{EXTENSION}"));
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(io_error("opening", &path))?;
        Ok(Self { path, file })
    }

    /// Reads exactly these bytes.
    pub fn read_at(&self, position: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_into(position, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` with what is written at `position`.
    pub fn read_into(&self, position: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, position).map_err(io_error("reading", &self.path))
    }

    /// The error for bytes that are not what was written.
    pub fn corrupt(&self, position: u64, detail: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), position, detail: detail.into() }
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("syncing", dir))
}

/// Opens the segments of a directory in order, and hands each frame's meta to `frame` with its segment number and the
/// position of its bodies. The torn tail of the last segment is cut.
pub(super) fn open_all(
    dir: &Path,
    mut frame: impl FnMut(usize, u64, Meta) -> std::result::Result<(), String>,
) -> Result<Vec<Found>> {
    let numbers = numbers(dir)?;
    let mut segments = numbers.iter().map(|number| Segment::open(dir, *number)).collect::<Result<Vec<_>>>()?;
    // The newest segment that stands for those before it is where the log begins.
    let mut begins = 0;
    for at in (1..segments.len()).rev() {
        if first_meta(&segments[at])?.is_some_and(|meta| meta.base) {
            begins = at;
            break;
        }
    }
    let expected = numbers.get(begins).copied().unwrap_or(0);
    let is_base = match segments.get(begins) {
        Some(first) => expected == 0 || first_meta(first)?.is_some_and(|meta| meta.base),
        None => true,
    };
    for old in segments.drain(..begins) {
        fs::remove_file(&old.path).map_err(io_error("deleting", &old.path))?;
    }
    let mut found = Vec::with_capacity(segments.len());
    let count = segments.len();
    for (index, (segment, number)) in segments.into_iter().zip(&numbers[begins..]).enumerate() {
        let missing = match index {
            0 if is_base => None,
            0 => Some(0),
            _ => Some(expected + index).filter(|expected| expected != number),
        };
        if let Some(missing) = missing {
            return Err(segment.corrupt(0, format!("segment {missing} before it is missing")));
        }
        let segment = Arc::new(segment);
        let bytes = scan(&segment, index + 1 == count, |position, meta| frame(*number, position, meta))?;
        found.push(Found { number: *number, segment, bytes });
    }
    Ok(found)
}

/// What the first frame of a segment says, if there is a whole one.
fn first_meta(segment: &Segment) -> Result<Option<Meta>> {
    let end = segment.file.metadata().map_err(io_error("reading", &segment.path))?.len();
    let mut window = Window { segment, bytes: Vec::new(), at: 0, end };
    Ok(read_frame(&mut window, 0, false)?.map(|(meta, _)| meta))
}

fn numbers(dir: &Path) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_error("listing", dir))? {
        let path = entry.map_err(io_error("listing", dir))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            numbers.push(number.ok_or_else(|| Error::Corrupt {
                path: path.clone(),
                position: 0,
                detail: "its name is not a segment's number".into(),
            })?);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A window over a segment that reads ahead, and skips the bodies it need not see.
struct Window<'a> {
    segment: &'a Segment,
    bytes: Vec<u8>,
    at: u64,
    end: u64,
}

impl Window<'_> {
    /// The bytes at `position`; fewer than `len` only at the segment's end.
    fn get(&mut self, position: u64, len: usize) -> Result<&[u8]> {
        let len = len.min(self.end.saturating_sub(position) as usize);
        if position < self.at || position + len as u64 > self.at + self.bytes.len() as u64 {
            let want = len.max(SCAN_BYTES).min(self.end.saturating_sub(position) as usize);
            self.bytes = self.segment.read_at(position, want)?;
            self.at = position;
        }
        let from = (position - self.at) as usize;
        Ok(&self.bytes[from..from + len])
    }
}

/// Walks over a segment's frames and returns its good length. Bodies are checked in the last segment only: earlier
/// ones were synced before the next was begun, and every read checks again.
pub(super) fn scan(
    segment: &Segment,
    last: bool,
    mut frame: impl FnMut(u64, Meta) -> std::result::Result<(), String>,
) -> Result<u64> {
    let end = segment.file.metadata().map_err(io_error("reading", &segment.path))?.len();
    let mut window = Window { segment, bytes: Vec::new(), at: 0, end };
    let mut position = 0;
    while position < end {
        let Some((meta, frame_bytes)) = read_frame(&mut window, position, last)? else {
            if !last {
                return Err(segment.corrupt(position, "no whole frame begins here, and later segments follow"));
            }
            cut(segment, position, end)?;
            return Ok(position);
        };
        let bodies: u64 = meta.runs.iter().map(|run| u64::from(run.len)).sum();
        frame(position + frame_bytes - bodies, meta).map_err(|detail| segment.corrupt(position, detail))?;
        position += frame_bytes;
    }
    Ok(end)
}

fn read_frame(window: &mut Window<'_>, position: u64, check_bodies: bool) -> Result<Option<(Meta, u64)>> {
    let Some(header) = FrameHeader::parse(window.get(position, HEADER_BYTES)?) else { return Ok(None) };
    if position + header.frame_bytes() > window.end {
        return Ok(None);
    }
    let body_at = position + HEADER_BYTES as u64 + u64::from(header.meta_bytes);
    let Some(meta) = header.meta(window.get(position + HEADER_BYTES as u64, header.meta_bytes as usize)?) else {
        return Ok(None);
    };
    if check_bodies {
        let mut at = body_at;
        for run in &meta.runs {
            if crc32fast::hash(window.get(at, run.len as usize)?) != run.crc && !made(Flaw::ChecksumIgnored) {
                return Ok(None);
            }
            at += u64::from(run.len);
        }
    }
    Ok(Some((meta, header.frame_bytes())))
}

/// Cuts the tail that a crash left behind. When a whole frame lies behind the bad place this is no torn tail but
/// damage, and nothing is cut.
fn cut(segment: &Segment, position: u64, end: u64) -> Result<()> {
    let mut tail = Vec::new();
    let mut file = &segment.file;
    file.seek(SeekFrom::Start(position)).map_err(io_error("reading", &segment.path))?;
    file.take(end - position).read_to_end(&mut tail).map_err(io_error("reading", &segment.path))?;
    let mut window = Window { segment, bytes: Vec::new(), at: 0, end };
    for at in find_magic(&tail).filter(|at| *at > 0) {
        if read_frame(&mut window, position + at as u64, true)?.is_some() {
            return Err(segment.corrupt(position, "no whole frame begins here, but one follows"));
        }
    }
    tracing::warn!(
        path = %segment.path.display(),
        position,
        bytes = end - position,
        "cut the torn tail of the log; the process was stopped in the middle of a write"
    );
    segment.file.set_len(position).map_err(io_error("cutting", &segment.path))?;
    segment.file.sync_all().map_err(io_error("syncing", &segment.path))
}
