//! Small repairs and the reasons for quarantine.
