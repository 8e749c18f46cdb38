//! What the system says of a process: CPU by thread, largest memory. Read from /proc, so on Linux only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// CPU time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In the program.
    pub user_us: u64,
    /// In the kernel on its behalf.
    pub system_us: u64,
}

impl Cpu {
    /// Both together.
    pub fn total_us(self) -> u64 {
        self.user_us + self.system_us
    }

    /// What came after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Cpu {
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
        }
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        Cpu { user_us: self.user_us + other.user_us, system_us: self.system_us + other.system_us }
    }
}

/// A process at one moment, counted from its start.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The process, ended threads included.
    pub whole: Cpu,
    /// Its living threads by name (the first 15 bytes of it); those of one name together.
    pub threads: BTreeMap<String, Cpu>,
    /// The most memory it had.
    pub peak_bytes: u64,
}

/// Looks at a process; nothing when it is gone.
pub fn take(pid: u32) -> Option<Sample> {
    let root = format!("/proc/{pid}");
    let root = Path::new(&root);
    let tick_us = tick_us();
    let (_, whole) = parse(&fs::read_to_string(root.join("stat")).ok()?, tick_us)?;
    let mut threads: BTreeMap<String, Cpu> = BTreeMap::new();
    for entry in fs::read_dir(root.join("task")).ok()?.filter_map(Result::ok) {
        // A thread may end between being listed and being looked at.
        let stat = fs::read_to_string(entry.path().join("stat")).ok();
        if let Some((name, cpu)) = stat.and_then(|stat| parse(&stat, tick_us)) {
            let sum = threads.entry(name).or_default();
            *sum = sum.plus(cpu);
        }
    }
    let status = fs::read_to_string(root.join("status")).unwrap_or_default();
    Some(Sample { at: Instant::now(), whole, threads, peak_bytes: peak_bytes(&status) })
}

/// Whether this system has what [`take`] reads.
pub fn is_possible() -> bool {
    take(std::process::id()).is_some()
}

/// Length of the clock tick that times are told in.
fn tick_us() -> u64 {
    // SAFETY: sysconf reads a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    1_000_000 / u64::try_from(per_second).unwrap_or(100).max(1)
}

/// Name and times out of a `stat` file, see proc(5): the name is in brackets and may hold brackets itself; after it come
/// the fields from the third on, of which 14 and 15 are the times.
fn parse(stat: &str, tick_us: u64) -> Option<(String, Cpu)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace().skip(14 - 3);
    let mut time_us = || Some(fields.next()?.parse::<u64>().ok()? * tick_us);
    let (user_us, system_us) = (time_us()?, time_us()?);
    Some((name.to_owned(), Cpu { user_us, system_us }))
}

fn peak_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Witness: proc(5), the fields of /proc/pid/stat.
    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 5 0 0 0 31 12 0 0 20 0 9 0 100 1 2 3";
        let cpu = Cpu { user_us: 310_000, system_us: 120_000 };
        assert_eq!(parse(stat, 10_000), Some(("a) b (c".to_owned(), cpu)));
        assert_eq!(parse("", 10_000), None);
    }

    #[test]
    fn the_peak_is_in_kibibytes() {
        assert_eq!(peak_bytes("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), 2_097_152);
    }
}
