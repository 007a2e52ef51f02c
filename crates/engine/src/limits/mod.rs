//! Resource limits. So far: the samples that limits, status and metrics are judged from.

pub mod sampling;
