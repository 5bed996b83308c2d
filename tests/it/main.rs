//! One integration binary; a module per subject (one link instead of many).

mod house;
mod rooms;
mod view;
