//! A deployment of many resources in nested stacks, for whoever measures what watching one costs.

use crate::{CloudFormation, Event, Play, Stack};

/// Such a deployment: a creation that succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// How many nested stacks.
    pub nested: usize,
    /// How many resources in each.
    pub resources: usize,
    /// Within how many seconds the resources of a nested stack begin one after the other.
    pub seconds: f64,
}

impl Crowd {
    /// Starts it now as the creation of `stack`, whose own last event, `CREATE_COMPLETE`, is left to the caller.
    pub fn play(&self, aws: &CloudFormation, stack: &str) {
        let child = |number: usize| format!("{stack}-Part{number}");
        let row = |at, number: usize, status: &str| {
            let name = format!("Part{number}");
            Event::resource(at, &name, "AWS::CloudFormation::Stack", status).nested(&child(number))
        };
        let mut root = vec![Event::own(0.0, "CREATE_IN_PROGRESS")];
        for number in 0..self.nested {
            aws.add_stack(Stack::absent(&child(number)));
            root.push(row(0.01, number, "CREATE_IN_PROGRESS"));
            root.push(row(0.02, number, "CREATE_IN_PROGRESS"));
        }
        for number in 0..self.nested {
            root.push(row(self.seconds + 0.5, number, "CREATE_COMPLETE"));
        }
        aws.play(stack, &root, &Play::default());
        let inside = self.inside();
        for number in 0..self.nested {
            aws.play(&child(number), &inside, &Play::default());
        }
    }

    /// How many events its stacks tell in all, the root's own end included.
    #[must_use]
    pub fn events(&self) -> usize {
        // The root's two; a nested stack's three rows in it, and its own two; three of each resource.
        2 + self.nested * (3 + 2 + 3 * self.resources)
    }

    fn inside(&self) -> Vec<Event> {
        // After its row in the parent has begun, as in life.
        let mut events = vec![Event::own(0.1, "CREATE_IN_PROGRESS")];
        for resource in 0..self.resources {
            let at = 0.1 + self.seconds * resource as f64 / self.resources as f64;
            let name = format!("ApplicationResourceWithALongName{resource}");
            for (after, status, reason) in [
                (0.0, "CREATE_IN_PROGRESS", ""),
                (0.01, "CREATE_IN_PROGRESS", "Resource creation Initiated"),
                (0.2, "CREATE_COMPLETE", ""),
            ] {
                let event = Event::resource(at + after, &name, "AWS::Lambda::Function", status);
                events.push(event.because(reason));
            }
        }
        events.push(Event::own(self.seconds + 0.4, "CREATE_COMPLETE"));
        events.sort_by(|a, b| a.at.total_cmp(&b.at));
        events
    }
}
