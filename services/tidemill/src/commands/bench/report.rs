//! What a measured run says: a table by service for people, the same with all facts for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::counts::{Counts, Sent};
use super::machine::{IS_DEBUG, Machine};
use super::sample::Cpu;
use super::subscriber::Waits;
use super::usage::Usage;
use crate::error::Error;
use crate::output::{Output, table};

/// What the services had to do in the measured part.
pub struct Load {
    measured: Sent,
    clocked: Option<Clocked>,
}

/// Events by the clock.
struct Clocked {
    rate: f64,
    seconds: f64,
    /// From the time at which an event was due to its prediction's.
    waits: Waits,
}

/// Everything that a run says.
pub struct Report {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Whether it ran on Kafka.
    pub brokers: bool,
    /// The file with events; none where they were simulated.
    pub source: Option<String>,
    /// The machine.
    pub machine: Machine,
    /// What was to be done.
    pub load: Load,
    /// What came of it.
    pub counts: Counts,
    /// Log records that each service had to read, in their order.
    pub records: Vec<u64>,
    /// CPU and memory.
    pub usage: Usage,
}

impl Load {
    /// All events at full speed.
    pub fn replay(measured: Sent) -> Self {
        Load { measured, clocked: None }
    }

    /// Events by the clock: the wanted rate, what was published in which time, and how long predictions took.
    pub fn live(rate: f64, measured: Sent, took: Duration, waits: Waits) -> Self {
        Load { measured, clocked: Some(Clocked { rate, seconds: took.as_secs_f64(), waits }) }
    }
}

impl Clocked {
    /// Quantiles of the waits in milliseconds, the last one the longest.
    fn quantiles_ms(&self) -> [f64; 4] {
        [0.5, 0.99, 0.999, 1.0].map(|share| self.waits.quantile_ms(share))
    }

    fn offered_per_s(&self, events: u64) -> f64 {
        events as f64 / self.seconds.max(1e-3)
    }
}

impl Report {
    /// Writes the report.
    pub fn show(&self, output: Output) -> Result<(), Error> {
        if self.usage.total == Cpu::default() || self.load.measured.events == 0 {
            return Err(Error::Failed("too little was done to be measured; take more transactions".to_owned()));
        }
        output.show(|| self.text(), || self.value())
    }

    /// Microseconds for each measured event.
    fn each(&self, us: u64) -> f64 {
        us as f64 / self.load.measured.events as f64
    }

    fn share(&self, cpu: Cpu) -> f64 {
        cpu.total_us() as f64 / self.usage.total.total_us() as f64
    }

    fn text(&self) -> String {
        let Sent { events, labels } = self.load.measured;
        let place = if self.brokers { "Kafka, a process per service" } else { "the embedded log, one process" };
        let source = self.source.as_deref().unwrap_or("simulated");
        let how = match &self.load.clocked {
            None => "at full speed".to_owned(),
            Some(clocked) => format!("at {:.0} a second", clocked.offered_per_s(events)),
        };
        let mut text = format!("pipeline {} on {place}\n", self.pipeline);
        text += &format!("{events} transactions and {labels} labels ({source}) {how}\n");
        text += &format!("{}\n", self.machine.text());
        if IS_DEBUG {
            text += "NOT A MEASUREMENT: debug build\n";
        }
        text += &format!("\n{}\n", self.table());
        text += &format!("{:.2} µs of CPU a transaction", self.each(self.usage.total.total_us()));
        match &self.load.clocked {
            None => text += &format!("; {:.0} transactions/s\n", self.counts.per_second()),
            Some(clocked) => {
                let [p50, p99, p999, max] = clocked.quantiles_ms();
                text += &format!(
                    "\nfrom an event's time to its prediction read: p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, max {max:.1} ms\n"
                );
            }
        }
        let peak = |(name, bytes): &(String, u64)| format!("{:.0} MiB ({name})", *bytes as f64 / f64::from(1 << 20));
        text += &format!("peak memory {}\n", self.usage.peaks.iter().map(peak).collect::<Vec<_>>().join(", "));
        text + &self.counts.text()
    }

    fn table(&self) -> String {
        let cells = |name: &str, cpu: Cpu, records: String| {
            vec![
                name.to_owned(),
                format!("{:.3}", self.each(cpu.total_us())),
                format!("{:.3}", self.each(cpu.user_us)),
                format!("{:.3}", self.each(cpu.system_us)),
                format!("{:.1} %", self.share(cpu) * 100.0),
                records,
            ]
        };
        let records = |at: usize| self.records.get(at).map_or_else(|| "-".to_owned(), u64::to_string);
        let rows = self.usage.rows.iter().enumerate();
        let mut rows: Vec<_> = rows.map(|(at, row)| cells(&row.name, row.cpu, records(at))).collect();
        rows.push(cells("total", self.usage.total, String::new()));
        table(&["SERVICE", "CPU µs/tx", "USER", "SYSTEM", "SHARE", "RECORDS"], &rows)
    }

    fn value(&self) -> Value {
        let cpu = |cpu: Cpu| {
            json!({
                "cpu_us_per_transaction": self.each(cpu.total_us()),
                "user_us_per_transaction": self.each(cpu.user_us),
                "system_us_per_transaction": self.each(cpu.system_us),
                "share": self.share(cpu),
            })
        };
        let services = self.usage.rows.iter().enumerate().map(|(at, row)| {
            let mut value = cpu(row.cpu);
            value["service"] = json!(row.name);
            value["records"] = json!(self.records.get(at));
            value["threads"] = row.threads.iter().map(|(name, part)| (name.clone(), cpu(*part))).collect();
            value
        });
        let peaks = self.usage.peaks.iter();
        let peaks = peaks.map(|(name, bytes)| json!({ "services": name, "peak_memory_bytes": bytes }));
        let mut value = json!({
            "measurement": !IS_DEBUG,
            "mode": if self.load.clocked.is_some() { "live" } else { "replay" },
            "pipeline": self.pipeline,
            "log": if self.brokers { "kafka" } else { "embedded" },
            "source": self.source.as_deref().unwrap_or("simulated"),
            "machine": self.machine.value(),
            "transactions": self.load.measured.events,
            "labels": self.load.measured.labels,
            "counts": self.counts.value(),
            "services": services.collect::<Vec<_>>(),
            "total": cpu(self.usage.total),
            "processes": peaks.collect::<Vec<_>>(),
        });
        match &self.load.clocked {
            None => value["transactions_per_s"] = json!(self.counts.per_second()),
            Some(clocked) => {
                value["rate_wanted_per_s"] = json!(clocked.rate);
                value["rate_published_per_s"] = json!(clocked.offered_per_s(self.load.measured.events));
                let [p50, p99, p999, max] = clocked.quantiles_ms();
                value["latency_ms"] = json!({ "p50": p50, "p99": p99, "p99_9": p999, "max": max });
            }
        }
        value
    }
}
