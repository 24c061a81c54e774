//! `init`: makes the shared registry's table, or says what it lacks.

use command_line::{Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::settings;
use registry_core::store::{Location, StoreError};
use registry_dynamodb::{Address, set_up};

use crate::answer::Answer;
use crate::args;
use crate::error::Problem;
use crate::world::World;

pub(crate) fn run(world: &World, words: &args::Init) -> Result<Status, Problem> {
    let settings = world.settings();
    let url = match &words.registry {
        Some(url) => url.clone(),
        None => settings.text(&settings::REGISTRY_URL),
    };
    let (table, region) = match Location::parse(&url, settings.path(&settings::REGISTRY_DIR))? {
        Location::DynamoDb { table, region } => (table, region),
        Location::Folder(folder) => {
            return Err(StoreError::Wrong(format!(
                "the folder registry {} needs no init, it is made when it is first used: give dynamodb://TABLE, or set REGISTRY_URL, for a shared one",
                folder.display()
            ))
            .into());
        }
    };
    let address = Address::of_table(table, region, settings);
    let setup = set_up(address, &SystemClock::default())?;
    let (table, region) = (setup.table.as_str(), setup.region.as_str());
    if setup.created {
        let made = format!("the table {table} was created in {region}");
        world.console().success(&made);
    } else {
        let found = format!("the table {table} in {region} is there");
        world.console().info(&found);
    }
    for missing in &setup.missing {
        world.console().warning(missing);
    }
    let json = Answer::default()
        .with("registry", format!("dynamodb://{table}?region={region}"))
        .with("created", setup.created)
        .with("missing", setup.missing.clone());
    let status = if setup.missing.is_empty() {
        Status::Yes
    } else {
        Status::No
    };
    Ok(print_json(&json.value(), status))
}
