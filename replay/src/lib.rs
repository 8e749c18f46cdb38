//! Replays of archived ranges. Nothing is here yet; ARCHITECTURE.md lists it among the gaps.
