//! How events, labels and predictions of one id meet, in whatever order they come.

use crate::keys::Keys;
use flow::ledger::Spot;
use flow::wire::Origin;

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
    /// Its value.
    pub(crate) value: f64,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl Label {
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
    /// A label whose event was not seen, and perhaps a prediction.
    Label(Label, Option<Prediction>),
    /// A prediction alone.
    Prediction(Prediction),
    /// Event and label were there. Copies and further labels are still recognised.
    Done {
        /// The time it is remembered by.
        time_us: i64,
        /// Hash of what copies must agree on.
        fingerprint: u64,
    },
}

impl Known {
    /// The time from which the horizon counts.
    pub(crate) fn time_us(&self) -> i64 {
        match self {
            Known::Event(event, _) => event.time_us,
            Known::Label(label, _) => label.known_us,
            Known::Prediction(prediction) => prediction.time_us,
            Known::Done { time_us, .. } => *time_us,
        }
    }

    /// Memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let keys = match self {
            Known::Event(event, _) => event.keys.heap_bytes(),
            _ => 0,
        };
        size_of::<Known>() + keys
    }

    /// The prediction in it.
    pub(crate) fn prediction(&self) -> Option<&Prediction> {
        match self {
            Known::Event(_, prediction) | Known::Label(_, prediction) => prediction.as_ref(),
            Known::Prediction(prediction) => Some(prediction),
            Known::Done { .. } => None,
        }
    }

    /// The items that wait in it, where the ledger counts them.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Spot> + use<> {
        let first = match self {
            Known::Event(event, _) => Some(event.spot),
            Known::Label(label, _) => Some(label.spot()),
            Known::Prediction(_) | Known::Done { .. } => None,
        };
        first.into_iter().chain(self.prediction().map(|prediction| prediction.spot))
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
    /// The event has a label already, and the first one counts.
    SecondLabel,
    /// The outcome was written without this prediction.
    AfterOutcome,
    /// Event and label are both there now.
    Pair(Event, Label, Option<Prediction>),
}

/// Lets an item meet what is known of its id. A pair never waits for a prediction: in live operation that comes long
/// before any label, and before there is a model it never comes.
pub(crate) fn meet(known: Option<Known>, input: Input) -> (Known, Met) {
    match (known, input) {
        (None, Input::Event(event)) => (Known::Event(event, None), Met::Waits),
        (None, Input::Label(label)) => (Known::Label(label, None), Met::Waits),
        (None, Input::Prediction(prediction)) => (Known::Prediction(prediction), Met::Waits),

        (Some(Known::Prediction(prediction)), Input::Event(event)) => {
            (Known::Event(event, Some(prediction)), Met::Waits)
        }
        (Some(Known::Prediction(prediction)), Input::Label(label)) => {
            (Known::Label(label, Some(prediction)), Met::Waits)
        }
        (Some(Known::Event(event, None)), Input::Prediction(prediction)) => {
            (Known::Event(event, Some(prediction)), Met::Waits)
        }
        (Some(Known::Label(label, None)), Input::Prediction(prediction)) => {
            (Known::Label(label, Some(prediction)), Met::Waits)
        }

        (Some(Known::Event(event, prediction)), Input::Label(label)) => {
            let done = Known::Done { time_us: event.time_us, fingerprint: event.fingerprint };
            (done, Met::Pair(event, label, prediction))
        }
        (Some(Known::Label(label, prediction)), Input::Event(event)) => {
            let done = Known::Done { time_us: event.time_us, fingerprint: event.fingerprint };
            (done, Met::Pair(event, label, prediction))
        }

        (Some(known @ Known::Event(..)), Input::Event(copy)) => {
            let conflict = matches!(&known, Known::Event(first, _) if first.fingerprint != copy.fingerprint);
            (known, Met::Copy { conflict })
        }
        (Some(known @ Known::Done { fingerprint, .. }), Input::Event(copy)) => {
            (known, Met::Copy { conflict: fingerprint != copy.fingerprint })
        }
        (Some(known @ (Known::Label(..) | Known::Done { .. })), Input::Label(_)) => (known, Met::SecondLabel),
        (Some(known @ Known::Done { .. }), Input::Prediction(_)) => (known, Met::AfterOutcome),
        (Some(known), Input::Prediction(_)) => (known, Met::Copy { conflict: false }),
    }
}
