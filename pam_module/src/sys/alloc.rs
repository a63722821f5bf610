//! The module's allocator: libc's, and every freed byte is wiped first (R44), so that no password outlives its use in
//! a buffer that nobody thought of. It serves this `.so` alone; the host's allocations are the host's.

use std::alloc::{GlobalAlloc, Layout, System};
use zeroize::Zeroize;

/// `System`, wiping on free.
pub struct Wiping;

// SAFETY: memory comes from and goes back to `System` with the layout that it was asked for. `realloc` is the
// trait's own: allocate, copy, `dealloc`; so the old block is wiped as well.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is the one that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller owns `layout.size()` bytes at `block`, and nobody reads them again. They may be
        // uninitialised, which a slice must not be; writing zeros first through the raw pointer settles that, and the
        // volatile wipe behind it is the one that the optimiser keeps.
        unsafe {
            block.write_bytes(0, layout.size());
            std::slice::from_raw_parts_mut(block, layout.size()).zeroize();
            System.dealloc(block, layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R44
    #[test]
    fn r44_a_freed_block_holds_nothing_of_what_was_in_it() {
        let layout = Layout::array::<u8>(4096).unwrap_or(Layout::new::<u8>());
        // SAFETY: the block is ours until `dealloc`. The read behind it looks at memory that libc still maps (a small
        // block stays in its arena) and that no other code of this thread has asked for since; its first 32 bytes may
        // hold libc's own list pointers and are left out.
        let left = unsafe {
            let block = Wiping.alloc(layout);
            block.write_bytes(0xa5, layout.size());
            Wiping.dealloc(block, layout);
            (32..4096)
                .filter(|at| std::ptr::read_volatile(block.add(*at)) == 0xa5)
                .count()
        };
        assert_eq!(left, 0);
    }
}
