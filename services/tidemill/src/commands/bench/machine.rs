//! What a figure was measured on.

use std::fs;

use serde_json::{Value, json};

/// Whether this program was built for debugging, which makes it many times slower.
pub const IS_DEBUG: bool = cfg!(debug_assertions);

/// The machine, and the program on it.
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_bytes: u64,
    system: String,
    load: String,
}

impl Machine {
    /// Looks around; what the system does not tell is left empty.
    pub fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0);
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_bytes: kib * 1024,
            system: format!(
                "{} {} {}",
                std::env::consts::OS,
                read("/proc/sys/kernel/osrelease").trim(),
                std::env::consts::ARCH
            ),
            load: read("/proc/loadavg").split_whitespace().next().unwrap_or_default().to_owned(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let Machine { cpu, cores, memory_bytes, system, load } = self;
        let gib = *memory_bytes as f64 / f64::from(1_u32 << 30);
        format!("{cpu}, {cores} cores, {gib:.0} GiB, {system}; load before {load}; {} build", profile())
    }

    /// For programs.
    pub fn value(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "system": self.system,
            "load_average_before": self.load.parse::<f64>().ok(),
            "build_profile": profile(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

fn profile() -> &'static str {
    if IS_DEBUG { "debug" } else { "release" }
}
