//! The one `unsafe` of this crate: a layer that stands around another must let those through that look for the
//! other one. `OpenTelemetrySpanExt`, by which a trace goes in and out, finds its layer that way
//! (docs/adr/0021).

macro_rules! through {
    () => {
        #[expect(unsafe_code, reason = "the method is declared unsafe; docs/adr/0021")]
        unsafe fn downcast_raw(&self, id: std::any::TypeId) -> Option<*const ()> {
            if id == std::any::TypeId::of::<Self>() {
                Some(std::ptr::from_ref(self).cast())
            } else {
                // SAFETY: the contract is the inner layer's own, and the inner layer lives as long as `self`,
                // by which it is owned and never replaced.
                unsafe { self.inner.downcast_raw(id) }
            }
        }
    };
}

pub(super) use through;
