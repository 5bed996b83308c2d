//! One page from unequal members: what to ask each leg next, and where the next page goes on.
