//! Replays of archived ranges. Nothing is here yet; CHANGELOG.md lists it among what is to come.
