//! The program as its callers use it: the real binary, a folder of its own, CloudFormation and GitHub on loopback.

mod decision;
mod files;
mod life;
mod race;
mod room;
mod wait;
mod words;
