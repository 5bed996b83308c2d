//! Positions in the one total order (S1 to S3; `paging.md` section 2).
