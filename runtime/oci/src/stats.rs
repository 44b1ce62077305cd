//! `events`: what a container uses.
