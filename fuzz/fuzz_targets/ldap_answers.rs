//! What a hostile directory may send (R88): the guard and the BER reader in front of the parser, the parser behind them,
//! and the reading of entries. Whatever arrives, nothing panics and every question ends.
//!
//! Input: in the first byte whether a search or a bind asks, then the server's bytes as they come.
#![no_main]

use assent_engine::directory::ldap::fuzzing;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let Some((&kind, answer)) = data.split_first() else {
        return;
    };
    fuzzing::read_message(answer);
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    });
    let answer = answer.to_vec();
    runtime.block_on(async {
        let (server, mut client) = tokio::io::duplex(64 * 1024);
        let serving = tokio::spawn(async move {
            // An answer that comes before its question is nobody's.
            let mut request = [0; 4096];
            if client.read(&mut request).await.is_ok_and(|count| count > 0) {
                let _ = client.write_all(&answer).await;
            }
        });
        fuzzing::ask(server, kind & 1 == 0).await;
        serving.abort();
        let _ = serving.await;
    });
});
