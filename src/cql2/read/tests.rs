//! Both spellings: what they have in common, what is refused and how, and what hostile texts cost.

mod examples;
mod hostile;
mod mutated;
mod refused;
