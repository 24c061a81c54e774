//! What can be measured. A new area is a file here and a line in [`AREAS`].

mod estimate;
mod monitor;
mod programs;
pub(crate) mod registry;
mod registry_dynamodb;
mod slack;

use anyhow::Result;

use crate::Bench;
use crate::page::Section;

/// One area: `cargo xtask bench NAME`.
pub(crate) struct Area {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) help: &'static str,
    /// Measures it.
    pub(crate) measure: fn(&Bench) -> Result<Section>,
}

/// All of them, in the order of the page.
pub(crate) const AREAS: &[Area] = &[
    Area {
        name: "programs",
        help: "each program's main job as a whole process, the scripts' way, and the floor",
        measure: programs::measure,
    },
    Area {
        name: "registry",
        help: "the file registry against the bare cost of a durable write",
        measure: registry::measure,
    },
    Area {
        name: "registry-dynamodb",
        help: "the shared registry on dynalite, against the bare round trips it is made of",
        measure: registry_dynamodb::measure,
    },
    Area {
        name: "estimate",
        help: "an estimate while a deployment runs against the scripts' three aws calls, and collecting a long past",
        measure: estimate::measure,
    },
    Area {
        name: "slack",
        help: "a notification as a whole process against curl, and the retry queue against the bare durable write",
        measure: slack::measure,
    },
    Area {
        name: "monitor",
        help: "the CPU time of a monitor's poll beside the aws command's, and its memory over large deployments",
        measure: monitor::measure,
    },
];
