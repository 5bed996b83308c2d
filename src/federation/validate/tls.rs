//! `server.tls`: the certificate of the public listener and its key, in files beside this one.

use zeroize::Zeroizing;

use super::super::file::{At, Keys};
use super::super::tls::{Tls, Unfit};
use super::read_bounded;

/// Largest file of a certificate with its chain, or of a key.
const PEM_BYTES_MAX: usize = 256 * 1024;

pub(super) fn read(keys: &Keys<'_>) -> Option<Tls> {
    let cert = path(keys, "cert", "write `cert = \"cert.pem\"`: the server's certificate, followed by its chain");
    let key = path(keys, "key", "write `key = \"key.pem\"`: the private key of the certificate");
    keys.finish();
    let texts = [&cert, &key].map(|at| at.as_ref().and_then(|at| content(keys, at)));
    let [Some(cert_text), Some(key_text)] = texts else { return None };
    let (cert, key) = (cert?, key?);
    match Tls::from_pem(cert_text.as_bytes(), key_text.as_bytes()) {
        Ok(tls) => Some(tls),
        Err(unfit) => {
            let (at, clause, hint) = match &unfit {
                Unfit::Cert(clause) => {
                    (&cert, clause, "put the server's certificate there, followed by its chain, in PEM")
                }
                Unfit::Key(clause) => (&key, clause, "put the private key of the certificate there, in PEM"),
            };
            let clause = format!("names the file `{}`, {clause}", at.value);
            at.blame(keys.notes, "bad-certificate", &clause, Some(hint.into()));
            None
        }
    }
}

fn path<'a>(keys: &Keys<'a>, key: &'static str, hint: &str) -> Option<At<&'a str>> {
    let at = keys.text(key);
    if at.is_none() && !keys.has(key) {
        keys.missing(key, hint);
    }
    at
}

fn content(keys: &Keys<'_>, at: &At<&str>) -> Option<Zeroizing<String>> {
    match read_bounded(&keys.notes.beside(at.value), PEM_BYTES_MAX) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(reason) => {
            let clause = format!("names the file `{}`, which cannot be read: {reason}", at.value);
            at.blame(keys.notes, "unreadable-file", &clause, None);
            None
        }
    }
}
