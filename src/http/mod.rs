//! The STAC API face. Only this room knows the status codes that clients get.

use std::sync::Arc;

use crate::broker::Broker;
use crate::search::KeyRing;

/// What every handler sees.
#[derive(Clone)]
pub struct App {
    pub broker: Arc<Broker>,
    pub keys: Arc<KeyRing>,
}

/// Serves until `stop` resolves, then drains.
///
/// # Errors
/// When the listener itself fails.
pub async fn serve(
    _app: App,
    _listener: tokio::net::TcpListener,
    _stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    todo!()
}
