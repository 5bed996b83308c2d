//! Keeps the view fresh in the background.
