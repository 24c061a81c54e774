//! How long a piece of work usually takes, and where that is known from. Pure.

use std::collections::HashMap;

use super::operation::Action;
use super::past::{Past, RECENT, plain_id};
use super::spread::{Spread, Sureness};
use super::table::Table;

/// Where a usual duration comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// This resource, in this stack, before.
    Resource,
    /// Resources of the type, in this stack or another of the same history.
    Type,
    /// The shipped table.
    Shipped,
    /// Nobody knows the type.
    Unknown,
}

/// What is known of durations, ready to be asked often.
#[derive(Debug)]
pub struct Usual<'a> {
    past: &'a Past,
    table: &'a Table,
    /// What each resource took, newest first, by [`plain_id`].
    of_resource: HashMap<(&'a str, Action), Vec<f64>>,
    /// What resources of each type took in this stack, newest first.
    of_type: HashMap<(&'a str, Action), Vec<f64>>,
}

/// A `sigma` at which the longest case takes several times the shortest.
const TORN: f64 = 0.5;

/// A removal takes half as long as the creation: the middle of the 52 types of which both were recorded.
const REMOVAL: f64 = 0.5;

impl<'a> Usual<'a> {
    /// From a stack's past and the shipped table.
    #[must_use]
    pub fn of(past: &'a Past, table: &'a Table) -> Self {
        let mut usual = Self {
            past,
            table,
            of_resource: HashMap::new(),
            of_type: HashMap::new(),
        };
        for run in past
            .operations
            .iter()
            .rev()
            .flat_map(|operation| &operation.runs)
        {
            let Some(took) = run.took() else { continue };
            let resource = (plain_id(&run.id), run.action);
            add(usual.of_resource.entry(resource).or_default(), took);
            let of_type = (run.resource_type.as_str(), run.action);
            add(usual.of_type.entry(of_type).or_default(), took);
        }
        usual
    }

    /// How long an action on a resource usually takes: its own past in this stack, else its type's past here, else the shipped
    /// table. `None` where nobody knows.
    #[must_use]
    pub fn duration(
        &self,
        id: &str,
        resource_type: &str,
        action: Action,
    ) -> Option<(Spread, Source)> {
        let of_type = self.of_type(resource_type, action);
        let own = self
            .of_resource
            .get(&(plain_id(id), action))
            .and_then(|taken| Spread::of(taken, Sureness::SAME));
        match (own, of_type) {
            // A past that contradicts itself says less than the type does.
            (Some(own), Some((of_type, _))) if own.sigma > TORN => {
                Some((own.pooled(of_type), Source::Resource))
            }
            (Some(own), _) => Some((own, Source::Resource)),
            (None, Some(of_type)) => Some(of_type),
            (None, None) => match action {
                // A replacement, an import and an update nobody saw take at most what a creation takes.
                Action::Replace | Action::Import | Action::Update => {
                    self.duration(id, resource_type, Action::Create)
                }
                Action::Create => self.another_action(resource_type, Action::Delete, 1.0 / REMOVAL),
                Action::Delete => self.another_action(resource_type, Action::Create, REMOVAL),
            },
        }
    }

    fn of_type(&self, resource_type: &str, action: Action) -> Option<(Spread, Source)> {
        if let Some(here) = self.here(resource_type, action) {
            return Some((here, Source::Type));
        }
        let elsewhere = self.past.elsewhere.get(resource_type);
        if let Some(spread) = elsewhere.and_then(|actions| actions.get(&action)) {
            return Some((*spread, Source::Type));
        }
        // The file of the old scripts has one figure per type, whatever was done.
        let average = self.past.type_averages.get(resource_type);
        if let (Some(&seconds), true) = (average, action != Action::Delete) {
            return Some((Spread::new(seconds, 0.3), Source::Type));
        }
        let shipped = self.table.duration(resource_type, action)?;
        Some((shipped, Source::Shipped))
    }

    fn here(&self, resource_type: &str, action: Action) -> Option<Spread> {
        let taken = self.of_type.get(&(resource_type, action))?;
        Spread::of(taken, Sureness::ALIKE)
    }

    /// What is slow to make is often slow to remove; more is not known then.
    fn another_action(
        &self,
        resource_type: &str,
        action: Action,
        factor: f64,
    ) -> Option<(Spread, Source)> {
        let spread = self
            .here(resource_type, action)
            .or_else(|| self.table.duration(resource_type, action))?;
        let doubtful = Spread::new(spread.median * factor, spread.sigma.max(0.7));
        Some((doubtful, Source::Shipped))
    }
}

fn add(taken: &mut Vec<f64>, took: f64) {
    if taken.len() < RECENT {
        taken.push(took);
    }
}

/// [`Usual::duration`] for who asks once.
#[must_use]
pub fn usual_duration(
    id: &str,
    resource_type: &str,
    action: Action,
    past: &Past,
    table: &Table,
) -> Option<(Spread, Source)> {
    Usual::of(past, table).duration(id, resource_type, action)
}

#[cfg(test)]
mod tests {
    use super::super::table::{Row, Sourced};
    use super::*;

    const DATABASE: &str = "AWS::RDS::DBInstance";

    fn table(rows: &[(&str, Action, f64)]) -> Table {
        let mut table = Table::from_operations(&[] as &[Sourced<'_>]);
        for (resource_type, action, median) in rows {
            let row = Row {
                median: *median,
                sigma: 0.2,
                seen: 1,
            };
            let of_type = table.durations.entry((*resource_type).to_owned());
            of_type.or_default().insert(action.as_str().to_owned(), row);
        }
        table
    }

    #[test]
    fn what_nobody_recorded_is_guessed_from_what_is_near() {
        let table = table(&[
            ("Made", Action::Create, 100.0),
            ("Removed", Action::Delete, 40.0),
            ("Both", Action::Create, 100.0),
            ("Both", Action::Delete, 7.0),
            ("Changed", Action::Update, 20.0),
        ]);
        for (resource_type, action, expected) in [
            ("Made", Action::Create, Some(100.0)),
            // Half of the creation, and twice the removal.
            ("Made", Action::Delete, Some(50.0)),
            ("Removed", Action::Create, Some(80.0)),
            ("Both", Action::Delete, Some(7.0)),
            // At most a creation.
            ("Made", Action::Update, Some(100.0)),
            ("Made", Action::Replace, Some(100.0)),
            ("Made", Action::Import, Some(100.0)),
            ("Removed", Action::Update, Some(80.0)),
            // An update says nothing of a creation or a removal.
            ("Changed", Action::Create, None),
            ("Changed", Action::Delete, None),
            // Rough figures: the guide's, and half of one.
            (DATABASE, Action::Create, Some(900.0)),
            (DATABASE, Action::Delete, Some(450.0)),
            ("AWS::EKS::Cluster", Action::Create, Some(600.0)),
            ("Strange", Action::Create, None),
            ("Strange", Action::Delete, None),
        ] {
            let known = usual_duration("Any", resource_type, action, &Past::default(), &table);
            let median = known.map(|(spread, _)| spread.median);
            assert_eq!(median, expected, "{resource_type} {action:?}");
            assert!(known.is_none_or(|(_, source)| source == Source::Shipped));
        }
    }

    #[test]
    fn a_guess_from_another_action_is_trusted_less() {
        let table = table(&[("Made", Action::Create, 100.0)]);
        let of = |action| {
            let known = usual_duration("Any", "Made", action, &Past::default(), &table);
            known.unwrap().0.sigma
        };
        assert!(of(Action::Delete) > 3.0 * of(Action::Create));
    }

    #[test]
    fn a_rough_figure_gives_way_to_a_recorded_one() {
        let shipped = Table::shipped();
        for (resource_type, seconds) in super::super::slow::CREATE {
            let row = shipped.durations[resource_type]["create"];
            assert!(seconds >= 30.0, "{resource_type} is not slow");
            assert!(
                row.seen > 0 || (row.median, row.sigma) == (seconds, super::super::slow::SIGMA),
                "{resource_type}"
            );
        }
        assert!(shipped.durations[DATABASE]["create"].seen > 0);
        assert_eq!(shipped.durations["AWS::EKS::Cluster"]["create"].seen, 0);
    }
}
