//! failstop-watchdog: watches failstop systems from another machine, restarts them within strict limits, and tells people.
//!
//! [`heart`] decides and does nothing else; everything around it carries out what it orders.

pub mod heart;
