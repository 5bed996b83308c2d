//! The merge: a state machine that asks for input and gives Items in the total order, each once (`paging.md` section 4).
