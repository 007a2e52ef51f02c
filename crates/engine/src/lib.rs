//! failstop-engine
