//! Which drafts become one record.

use super::Draft;
use crate::emit::Fill;
use crate::names::Place;

/// Most parents of a record that is made of several drafts: their numbers in its items then take a byte.
const PARENTS_MAX: usize = 64;

/// The drafts of one record, in order.
#[derive(Debug)]
pub(super) struct Group {
    pub place: Place,
    pub drafts: Vec<Draft>,
}

/// Puts drafts for the same partition together, in their order, as far as a record takes them. Where records are cut changes
/// no item and no number; and a mark that comes after more items than it was made after still holds.
pub(super) fn groups(mut drafts: Vec<(Place, Draft)>) -> Vec<Group> {
    drafts.sort_by_key(|(place, _)| *place);
    let mut groups: Vec<Group> = Vec::new();
    let mut open = Open::default();
    for (place, draft) in drafts {
        match groups.last_mut() {
            Some(group) if group.place == place && open.takes(&draft) => group.drafts.push(draft),
            _ => {
                open = Open::default();
                open.takes(&draft);
                groups.push(Group { place, drafts: vec![draft] });
            }
        }
    }
    groups
}

/// What is known of the drafts that a record has so far.
#[derive(Debug, Default)]
struct Open {
    drafts: usize,
    fill: Fill,
    parents: usize,
    fenced: bool,
    /// Source topic of encoded items, or none for rows; none at all while there are no items.
    source: Option<Option<u16>>,
}

impl Open {
    /// Counts a draft in; false where it begins another record.
    fn takes(&mut self, draft: &Draft) -> bool {
        let encoded = draft.encoded.as_ref().map(|items| items.source);
        let source = (encoded.is_some() || !draft.rows.is_empty()).then_some(encoded);
        let is_other = self.source.is_some() && source.is_some() && self.source != source;
        let is_apart = self.drafts > 0 && (self.fenced || draft.fence.is_some());
        if is_other || is_apart || self.parents + draft.parents.len() > PARENTS_MAX || !self.fill.joins(draft.fill) {
            return false;
        }
        self.drafts += 1;
        self.parents += draft.parents.len();
        self.fenced = draft.fence.is_some();
        self.source = self.source.or(source);
        true
    }
}
