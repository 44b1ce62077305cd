//! placeholder of the next commit
