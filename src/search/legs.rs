//! Asks the members, concurrently; the only part of the pipeline that waits.
