//! Embedded members: real HTTP servers on loopback, unlike one another, with catalogues of realistic size and shape.

/// The running demo members. Dropping it stops them.
pub struct Demo {
    /// The federation file that names them, as `demo --write` puts it down.
    pub federation_toml: String,
}

impl Demo {
    /// Starts all members on free loopback ports.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        todo!()
    }

    /// Requests that each member received since the start, by member id.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, u64)> {
        todo!()
    }

    /// Makes a member refuse connections (`true`) or serve again.
    pub fn switch_off(&self, _member: &str, _off: bool) {
        todo!()
    }
}
