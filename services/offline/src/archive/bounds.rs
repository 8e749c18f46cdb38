//! Where the archive of a partition begins and ends.

use registry::store::{self, Store};

use super::generation::{self, Generation};
use super::{Error, FileInfo, Result, file_key, footer, partition_prefix, starts};

/// The last file of a partition: of those that were written since the newest generation, else of the generation itself.
pub(super) fn last_file(store: &Store, topic: &str, partition: i32) -> Result<Option<FileInfo>> {
    let starts = starts(store, topic, partition)?;
    let generation = generation::newest(store, topic, partition)?;
    let merged_to = generation.as_ref().map_or(i64::MIN, Generation::end);
    let (key, start) = match (starts.last(), &generation) {
        (Some(start), _) if *start >= merged_to => (file_key(topic, partition, *start), *start),
        (_, Some(generation)) => {
            let Some(held) = generation.files.last() else { return Ok(None) };
            (held.key.clone(), held.start)
        }
        _ => return Ok(None),
    };
    store.settle(&key)?;
    footer::read(store, &key, topic, partition, start).map(Some)
}

/// Where the archive of a partition begins: where its first writer ever found the log's start. Writers that open an
/// empty archive at different times may find different starts; files from both would overlap.
pub(super) fn first_start(store: &Store, topic: &str, partition: i32, log_start: i64) -> Result<i64> {
    let key = format!("{}/_start", partition_prefix(topic, partition));
    match store.put_create(&key, log_start.to_string().as_bytes()) {
        Ok(()) => return Ok(log_start),
        Err(store::Error::AlreadyExists { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let bytes = store.get(&key)?;
    let text = String::from_utf8_lossy(&bytes);
    text.parse().map_err(|_| Error::Foreign { key, place: store.place(), detail: format!("`{text}` is not an offset") })
}
