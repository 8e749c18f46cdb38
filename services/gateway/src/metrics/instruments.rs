//! Instruments as they are made: each with its kind, its labels and what it means. Nothing else in the gateway can make
//! one, so the list of those made is the list of metrics that there are.

use opentelemetry::metrics::{AsyncInstrument, Counter, Meter};

/// How values of a metric move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They only rise.
    Counter,
    /// They may fall.
    Gauge,
}

/// A metric, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name on the page.
    pub name: String,
    /// How its values move.
    pub kind: Kind,
    /// What tells its series apart, sorted.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub what: &'static str,
}

/// Where values of a metric that is looked up at each reading go.
pub(super) type Seen<'a> = &'a dyn AsyncInstrument<u64>;

/// Makes instruments.
pub(super) struct Instruments {
    meter: Meter,
    made: Vec<Metric>,
}

impl Instruments {
    pub fn of(meter: Meter) -> Self {
        Self { meter, made: Vec::new() }
    }

    /// Everything that was made.
    pub fn made(self) -> Vec<Metric> {
        self.made
    }

    /// A counter that is told of each event.
    pub fn counter(&mut self, name: &str, labels: &'static [&'static str], what: &'static str) -> Counter<u64> {
        self.note(name, Kind::Counter, labels, what);
        self.meter.u64_counter(name.to_owned()).with_description(what).build()
    }

    /// An instrument whose values are looked up at each reading.
    pub fn observed(
        &mut self,
        (name, kind): (&str, Kind),
        labels: &'static [&'static str],
        what: &'static str,
        values: impl Fn(Seen<'_>) + Send + Sync + 'static,
    ) {
        self.note(name, kind, labels, what);
        let name = name.to_owned();
        match kind {
            Kind::Counter => {
                let counter = self.meter.u64_observable_counter(name).with_description(what);
                counter.with_callback(move |seen| values(seen)).build();
            }
            Kind::Gauge => {
                let gauge = self.meter.u64_observable_gauge(name).with_description(what);
                gauge.with_callback(move |seen| values(seen)).build();
            }
        }
    }

    fn note(&mut self, name: &str, kind: Kind, labels: &'static [&'static str], what: &'static str) {
        // As the page writes counters.
        let suffix = if kind == Kind::Counter { "_total" } else { "" };
        self.made.push(Metric { name: format!("{name}{suffix}"), kind, labels, what });
    }
}
