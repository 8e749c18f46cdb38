//! How events, labels and predictions of one id meet, in whatever order they come.

use crate::keys::Keys;
use flow::config::LabelPolicy;
use flow::ledger::Spot;
use flow::wire::Origin;
use schemas::reject::Code;

/// An event as far as the journal needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// Event time.
    pub(crate) time_us: i64,
    /// Hash of what copies must agree on.
    pub(crate) fingerprint: u64,
    /// Keys of the entities that want labelled events.
    pub(crate) keys: Keys,
    /// Where the ledger counts it.
    pub(crate) spot: Spot,
}

/// A label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Label {
    /// When it became known.
    pub(crate) known_us: i64,
    /// When the last label that said the same became known.
    pub(crate) confirmed_us: i64,
    /// Its value.
    pub(crate) value: f64,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// What a further label does to the one that stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Contest {
    /// It says the same.
    Same(Label),
    /// It takes its place.
    Wins,
    /// It does not count.
    Loses(Reason),
}

impl Label {
    /// Lets a further label of the same event contest this one. With [`LabelPolicy::Last`] the one that became known last
    /// stands in the end, in whatever order they came; of those known at once, the one that came last.
    fn contest(self, label: &Label, policy: LabelPolicy) -> Contest {
        if self.value == label.value {
            return Contest::Same(Label { confirmed_us: self.confirmed_us.max(label.known_us), ..self });
        }
        match policy {
            LabelPolicy::First => Contest::Loses(Reason::Conflict),
            LabelPolicy::Last if label.known_us < self.confirmed_us => Contest::Loses(Reason::Superseded),
            LabelPolicy::Last => Contest::Wins,
        }
    }

    /// Where the ledger counts it: its parent is the validator of the partition that it came from.
    pub(crate) fn spot(&self) -> Spot {
        Spot::of(self.origin.place.topic, self.origin)
    }
}

/// What a scorer said about an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prediction {
    /// Event time.
    pub(crate) time_us: i64,
    /// The effective score.
    pub(crate) score: f64,
    /// The threshold in force; NaN where nothing was decided.
    pub(crate) threshold: f64,
    /// Whether the score was an alert.
    pub(crate) decision: bool,
    /// The class that it names, by number; none of a model without classes.
    pub(crate) class: Option<u8>,
    /// Number of the model and route, see [`crate::predictions::Routes`].
    pub(crate) route: u32,
    /// Where the ledger counts it.
    pub(crate) spot: Spot,
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    /// An event that waits for its label, perhaps already scored.
    Event(Event, Option<Prediction>),
    /// A label whose event was not seen, the id that it names, and perhaps a prediction.
    Label(Label, Box<str>, Option<Prediction>),
    /// A prediction alone.
    Prediction(Prediction),
    /// Event and label were there, and that is final. Copies and further labels are still recognised.
    Done {
        /// The time it is remembered by.
        time_us: i64,
        /// Hash of what copies must agree on.
        fingerprint: u64,
        /// The label's value.
        value: f64,
    },
    /// Event and label were there, and another label may correct the outcome, which has been so many times.
    Outcome(Event, Label, Option<Prediction>, i32),
}

impl Known {
    /// The time from which the horizon counts.
    pub(crate) fn time_us(&self) -> i64 {
        match self {
            Known::Event(event, _) | Known::Outcome(event, ..) => event.time_us,
            Known::Label(label, ..) => label.known_us,
            Known::Prediction(prediction) => prediction.time_us,
            Known::Done { time_us, .. } => *time_us,
        }
    }

    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = match self {
            Known::Event(event, _) | Known::Outcome(event, ..) => event.keys.heap_bytes(),
            Known::Label(_, id, _) => id.len(),
            _ => 0,
        };
        size_of::<Known>() + texts
    }

    /// The prediction in it.
    pub(crate) fn prediction(&self) -> Option<&Prediction> {
        match self {
            Known::Event(_, prediction) | Known::Label(_, _, prediction) => prediction.as_ref(),
            Known::Outcome(_, _, prediction, _) => prediction.as_ref(),
            Known::Prediction(prediction) => Some(prediction),
            Known::Done { .. } => None,
        }
    }

    /// The items that wait in it, where the ledger counts them.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Spot> + use<> {
        let first = match self {
            Known::Event(event, _) => Some(event.spot),
            Known::Label(label, ..) => Some(label.spot()),
            Known::Prediction(_) | Known::Done { .. } | Known::Outcome(..) => None,
        };
        let prediction = self.prediction().filter(|_| !matches!(self, Known::Outcome(..)));
        first.into_iter().chain(prediction.map(|prediction| prediction.spot))
    }

    /// Whether a label waits in it.
    pub(crate) fn is_label(&self) -> bool {
        matches!(self, Known::Label(..))
    }
}

/// An item of the journal's log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// An event from the validator.
    Event(Event),
    /// A label from the validator.
    Label(Label),
    /// A prediction from a scorer.
    Prediction(Prediction),
}

/// Why a label came to nothing. The text is part of the wire contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The event has another label, and the first one counts.
    Conflict,
    /// The event has another label that became known later, and the last one counts.
    Superseded,
    /// Within the horizon nobody heard of the event.
    UnknownEvent,
}

impl Reason {
    /// The code in `schemas/rejects.md`.
    pub(crate) fn code(self) -> Code {
        match self {
            Reason::Conflict => Code::LabelConflict,
            Reason::Superseded => Code::LabelSuperseded,
            Reason::UnknownEvent => Code::LabelUnknownEvent,
        }
    }
}

/// A label that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refused {
    /// The label.
    pub(crate) label: Label,
    /// Why.
    pub(crate) reason: Reason,
    /// The value that counts instead, if the event has one.
    pub(crate) standing: Option<f64>,
}

/// What came of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Met {
    /// It is kept and waits.
    Waits,
    /// Another copy of an event or prediction came first; `conflict` says that the copies disagree.
    Copy {
        /// Whether keys or event time differ.
        conflict: bool,
    },
    /// The event has a label already, and it says the same.
    SameLabel,
    /// The event has a label already, and this one, which may be the one that came first, comes to nothing.
    Refused(Refused),
    /// The outcome was written without this prediction.
    AfterOutcome,
    /// Event and label are both there now.
    Pair(Event, Label, Option<Prediction>),
    /// The outcome has another label now, which is so many labels after the first.
    Corrected(Event, Label, Option<Prediction>, i32),
}

/// Lets an item meet what is known of its id. A pair never waits for a prediction: in live operation that comes long
/// before any label, and before there is a model it never comes.
pub(crate) fn meet(known: Option<Known>, input: Input, (id, policy): (&str, LabelPolicy)) -> (Known, Met) {
    match (known, input) {
        (None, Input::Event(event)) => (Known::Event(event, None), Met::Waits),
        (None, Input::Label(label)) => (Known::Label(label, id.into(), None), Met::Waits),
        (None, Input::Prediction(prediction)) => (Known::Prediction(prediction), Met::Waits),
        (Some(known), Input::Event(event)) => meet_event(known, event, policy),
        (Some(known), Input::Label(label)) => meet_label(known, label, (id, policy)),
        (Some(known), Input::Prediction(prediction)) => meet_prediction(known, prediction),
    }
}

fn meet_event(known: Known, event: Event, policy: LabelPolicy) -> (Known, Met) {
    let fingerprint = event.fingerprint;
    match known {
        Known::Prediction(prediction) => (Known::Event(event, Some(prediction)), Met::Waits),
        Known::Label(label, _, prediction) => pair(event, label, prediction, policy),
        Known::Event(Event { fingerprint: first, .. }, _)
        | Known::Outcome(Event { fingerprint: first, .. }, ..)
        | Known::Done { fingerprint: first, .. } => (known, Met::Copy { conflict: first != fingerprint }),
    }
}

fn meet_label(known: Known, label: Label, (id, policy): (&str, LabelPolicy)) -> (Known, Met) {
    let refused = |label, reason, standing| Met::Refused(Refused { label, reason, standing: Some(standing) });
    match known {
        Known::Prediction(prediction) => (Known::Label(label, id.into(), Some(prediction)), Met::Waits),
        Known::Event(event, prediction) => pair(event, label, prediction, policy),
        Known::Done { value, .. } if value == label.value => (known, Met::SameLabel),
        Known::Done { value, .. } => (known, refused(label, Reason::Conflict, value)),
        Known::Label(standing, id, prediction) => match standing.contest(&label, policy) {
            Contest::Same(standing) => (Known::Label(standing, id, prediction), Met::SameLabel),
            Contest::Wins => (Known::Label(label, id, prediction), refused(standing, Reason::Superseded, label.value)),
            Contest::Loses(reason) => (Known::Label(standing, id, prediction), refused(label, reason, standing.value)),
        },
        Known::Outcome(event, standing, prediction, revision) => match standing.contest(&label, policy) {
            Contest::Same(standing) => (Known::Outcome(event, standing, prediction, revision), Met::SameLabel),
            Contest::Wins => {
                let revision = revision.saturating_add(1);
                let corrected = Met::Corrected(event.clone(), label, prediction, revision);
                (Known::Outcome(event, label, prediction, revision), corrected)
            }
            Contest::Loses(reason) => {
                let lost = refused(label, reason, standing.value);
                (Known::Outcome(event, standing, prediction, revision), lost)
            }
        },
    }
}

fn meet_prediction(known: Known, prediction: Prediction) -> (Known, Met) {
    match known {
        Known::Event(event, None) => (Known::Event(event, Some(prediction)), Met::Waits),
        Known::Label(label, id, None) => (Known::Label(label, id, Some(prediction)), Met::Waits),
        known @ (Known::Done { .. } | Known::Outcome(..)) => (known, Met::AfterOutcome),
        known => (known, Met::Copy { conflict: false }),
    }
}

/// Event and label found each other. What is kept is what further labels need.
fn pair(event: Event, label: Label, prediction: Option<Prediction>, policy: LabelPolicy) -> (Known, Met) {
    let known = match policy {
        LabelPolicy::First => {
            Known::Done { time_us: event.time_us, fingerprint: event.fingerprint, value: label.value }
        }
        LabelPolicy::Last => Known::Outcome(event.clone(), label, prediction, 0),
    };
    (known, Met::Pair(event, label, prediction))
}
