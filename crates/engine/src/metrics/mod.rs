//! Metrics: what the engine counts of itself, and the text that Prometheus reads. The loop owns the [`Meters`] and calls
//! [`render`] when a door asks.

mod added;
mod alerts;
pub mod custom;
mod exposition;
mod gate;
mod histogram;
mod meters;
mod render;
mod thresholds;

pub use exposition::Format;
pub(crate) use exposition::whole;
pub use histogram::Histogram;
pub use meters::{HealthCheck, Meters};
pub use render::render;

#[cfg(test)]
mod tests;
