//! Topics and tasks derived from a pipeline.
