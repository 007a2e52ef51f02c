//! failstop-client
