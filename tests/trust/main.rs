//! Trust: whose signature counts for what, when and where, and what is believed before it does.

mod confusion;
mod content;
mod gate;
mod order;
mod situation;
mod table;
mod world;
