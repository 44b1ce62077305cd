//! Engines that call the runtime.
