//! The frames between the PAM module and the agent, in both directions: any bytes are a message or an error, and a
//! message that was read is written and read again as the same.
#![no_main]

use assent_wire::{ToAgent, ToModule, body_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((prefix, _)) = data.split_first_chunk::<4>() {
        let _ = body_len(*prefix);
    }
    if let Ok(message) = ToAgent::decode(data) {
        let frame = message.encode().expect("what came in a frame fits one");
        assert_eq!(body_len(prefix(&frame)), Ok(frame.len() - 4));
        assert_eq!(ToAgent::decode(&frame[4..]).as_ref(), Ok(&message));
    }
    if let Ok(message) = ToModule::decode(data) {
        let frame = message.encode().expect("what came in a frame fits one");
        assert_eq!(body_len(prefix(&frame)), Ok(frame.len() - 4));
        assert_eq!(ToModule::decode(&frame[4..]).as_ref(), Ok(&message));
    }
});

fn prefix(frame: &[u8]) -> [u8; 4] {
    frame[..4].try_into().expect("four bytes")
}
